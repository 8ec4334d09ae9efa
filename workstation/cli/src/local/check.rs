//! `spindle check`: is an image, or a disc in a drive of this machine, what it should be?

use std::fs;
use std::path::{Path, PathBuf};

use blake2::{Blake2b512, Digest as _};
use clap::Args;
use client::Error;
use discfs::{ByteStream, CheckOptions, CheckProgress, CheckStage, CheckSummary, DiscError, Finding, Hasher};
use discfs::{Inspector, Severity, Verdict, Verifier};
use ed25519_compact::{PublicKey, Signature};
use serde_json::{Value, json};

use super::image::Image;
use super::key::decode;
use super::{local, unsuitable};
use crate::exit::Exit;
use crate::output::{Output, path as json_path, size, tell};
use crate::progress::Progress;

#[derive(Debug, Args)]
pub struct Check {
    /// An image, or a drive with a disc
    #[arg(value_name = "IMAGE|DEVICE")]
    pub image: PathBuf,
    /// The session by its number, counted from 1; default: the newest
    #[arg(long, value_name = "N")]
    pub session: Option<u32>,
    /// Structures only: no file is read
    #[arg(long)]
    pub quick: bool,
    /// Public key of minisign, or its file, that the disc must be signed with
    #[arg(long, value_name = "KEY")]
    pub key: Option<String>,
}

/// Shows findings and how far the check is.
struct Show {
    output: Output,
    progress: Progress,
    findings: Vec<Value>,
}

impl Inspector for Show {
    fn finding(&mut self, finding: &Finding) {
        if !self.output.json {
            return self.progress.note(&finding.to_string());
        }
        let mut value = json!({
            "severity": word(finding.severity),
            "fault": format!("{:?}", finding.fault),
            "what": finding.to_string(),
            "view": finding.view.map(|view| view.to_string()),
            "block": finding.block,
        });
        if let Some(path) = &finding.path {
            json_path(&mut value, "path", &client::wire::ByteString::from(&path[..]));
        }
        self.findings.push(value);
    }

    fn progress(&mut self, progress: &CheckProgress) -> bool {
        // Entries are counted, not bytes: only bytes make a bar.
        if progress.stage == CheckStage::Digests {
            self.progress.at("reading", progress.done, progress.total, "");
        }
        true
    }
}

fn word(severity: Severity) -> &'static str {
    match severity {
        Severity::Note => "note",
        Severity::Warning => "warning",
        Severity::Error => "error",
    }
}

/// Bytes of a file digested at once.
const PIECE: usize = 1 << 18;

struct Digester {
    buffer: Vec<u8>,
    key: Option<([u8; 8], PublicKey)>,
}

impl Verifier for Digester {
    fn sha256(&mut self, stream: &mut ByteStream<'_>) -> Result<[u8; 32], DiscError> {
        let mut hasher = Hasher::default();
        loop {
            match stream(&mut self.buffer)? {
                0 => return Ok(hasher.finish().sha256),
                count => hasher.update(self.buffer.get(..count).unwrap_or_default()),
            }
        }
    }

    fn signature(&mut self, signed: &mut ByteStream<'_>, signature: &[u8]) -> Result<Verdict, DiscError> {
        let Some((number, key)) = &self.key else {
            return Ok(Verdict::NotVerified);
        };
        let Some(parts) = Parts::of(signature) else {
            return Ok(Verdict::Bad);
        };
        if parts.key != *number {
            return Ok(Verdict::UnknownKey);
        }
        let mut digest = Blake2b512::new();
        loop {
            match signed(&mut self.buffer)? {
                0 => break,
                count => digest.update(self.buffer.get(..count).unwrap_or_default()),
            }
        }
        let good = key.verify(&digest.finalize()[..], &parts.signature).is_ok()
            && key.verify(&parts.commented, &parts.global).is_ok();
        Ok(if good { Verdict::Good } else { Verdict::Bad })
    }
}

/// What a signature's file holds.
struct Parts {
    key: [u8; 8],
    signature: Signature,
    /// The signature and the trusted comment, which the other signature is over.
    commented: Vec<u8>,
    global: Signature,
}

impl Parts {
    fn of(file: &[u8]) -> Option<Self> {
        let mut lines = str::from_utf8(file).ok()?.lines();
        let signed = lines.nth(1).and_then(decode)?;
        let comment = lines.next()?.strip_prefix("trusted comment: ")?;
        let global = lines.next().and_then(decode)?;
        let (head, signature) = signed.split_at_checked(10)?;
        let key = head.strip_prefix(b"ED")?;
        Some(Self {
            key: key.try_into().ok()?,
            signature: Signature::from_slice(signature).ok()?,
            commented: [signature, comment.as_bytes()].concat(),
            global: Signature::from_slice(&global).ok()?,
        })
    }
}

/// A public key as minisign shows it, or its file.
fn public_key(text: &str) -> Result<([u8; 8], PublicKey), Error> {
    let path = Path::new(text);
    let text = if path.is_file() {
        let file = fs::read_to_string(path).map_err(local(path))?;
        file.lines().nth(1).unwrap_or_default().to_owned()
    } else {
        text.to_owned()
    };
    let parsed = decode(&text).and_then(|bytes| {
        let (head, key) = bytes.split_at_checked(10)?;
        let number = head.strip_prefix(b"Ed")?;
        Some((number.try_into().ok()?, PublicKey::from_slice(key).ok()?))
    });
    parsed.ok_or_else(|| unsuitable(path, "it is no public key of minisign"))
}

pub fn check(what: &Check, output: Output) -> Result<Exit, Error> {
    let key = what.key.as_deref().map(public_key).transpose()?;
    let image = Image(what.image.clone());
    let (source, start) = image.session(what.session)?;
    let mut show = Show {
        output,
        progress: Progress::new(output, "checking", 0),
        findings: Vec::new(),
    };
    let mut digester = Digester {
        buffer: vec![0; PIECE],
        key,
    };
    let options = CheckOptions {
        session_start: start,
        ..CheckOptions::default()
    };
    let verifier = (!what.quick).then_some(&mut digester as &mut dyn Verifier);
    let summary = discfs::check(source, &options, &mut show, verifier);
    let Show {
        progress, findings, ..
    } = show;
    progress.finish();
    let summary = summary.map_err(|error| unsuitable(&what.image, error))?;
    // A key was given to be sure of.
    let signed = what.key.is_none() || summary.signature == Some(Verdict::Good);
    if !signed && summary.signature.is_none() && !output.json {
        tell("spindle: the disc has no signature");
    }
    output.print(|| words(&summary), || document(&summary, findings))?;
    Ok(if summary.is_sound() && signed {
        Exit::Done
    } else {
        Exit::Damaged
    })
}

fn words(summary: &CheckSummary) -> String {
    let views: Vec<String> = summary.views.iter().map(ToString::to_string).collect();
    let mut text = format!(
        "{}: {} files, {} directories; {} of them read and equal to their digests, {}",
        views.join(", "),
        summary.files,
        summary.directories,
        summary.digests_compared,
        size(summary.bytes_read)
    );
    if let Some(signature) = summary.signature {
        text += &format!("; {signature}");
    }
    text + &format!(
        "\n{}: {} errors, {} warnings, {} notes",
        if summary.is_sound() { "sound" } else { "damaged" },
        summary.errors,
        summary.warnings,
        summary.notes
    )
}

fn document(summary: &CheckSummary, findings: Vec<Value>) -> Value {
    let views = summary.views.iter().map(ToString::to_string);
    json!({
        "sound": summary.is_sound(),
        "errors": summary.errors,
        "warnings": summary.warnings,
        "notes": summary.notes,
        "views": views.collect::<Vec<_>>(),
        "files": summary.files,
        "directories": summary.directories,
        "digests_compared": summary.digests_compared,
        "bytes_read": summary.bytes_read,
        "signature": summary.signature.map(|signature| signature.to_string()),
        "findings": findings,
    })
}
