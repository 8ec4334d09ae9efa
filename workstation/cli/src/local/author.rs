//! `spindle author`: a directory becomes an image, or a further session of one.

use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};
use client::Error;
use discfs::{BLOCK, FRONT_BLOCKS, Image, Options, Provenance, Revision, Signer, Tree};
use mastering::{MasterError, Settings, WalkOptions, Walked};
use serde_json::json;

use super::key::{self, SecretKey};
use super::session::{Existing, Output as Target};
use super::{local, unsuitable};
use crate::exit::Exit;
use crate::output::{Output, path as json_path, size, tell};
use crate::progress::Progress;

/// File systems of an image.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub enum Format {
    /// ISO 9660 with Rock Ridge and Joliet, and UDF, over the same files
    #[default]
    Bridge,
    /// ISO 9660 with Rock Ridge and Joliet
    Iso,
    /// UDF
    Udf,
}

/// Revisions of UDF.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub enum Udf {
    /// which every reader of UDF knows
    #[default]
    #[value(name = "1.02")]
    V1_02,
    /// of 2001
    #[value(name = "2.01")]
    V2_01,
}

#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("where").required(true).args(["output", "append_to"]))]
pub struct Author {
    /// The directory whose contents go on the disc
    #[arg(value_name = "DIR", required_unless_present_any = ["remove", "rename"])]
    pub directory: Option<PathBuf>,
    /// The image to make; `-` for standard output
    #[arg(short, long, value_name = "IMG")]
    pub output: Option<PathBuf>,
    /// Add a session to this image instead: what DIR holds is added to the newest session's tree, or replaces it there
    #[arg(long, value_name = "IMG")]
    pub append_to: Option<PathBuf>,
    /// With --append-to: leave this out of the new session; comes before what DIR adds
    #[arg(long, value_name = "PATH", requires = "append_to")]
    pub remove: Vec<PathBuf>,
    /// With --append-to: give something another path; comes before what DIR adds
    #[arg(long, value_names = ["FROM", "TO"], num_args = 2, requires = "append_to")]
    pub rename: Vec<PathBuf>,
    /// File systems
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
    /// Revision of UDF
    #[arg(long, value_enum, default_value_t, value_name = "REVISION")]
    pub udf: Udf,
    /// Symbolic links in UDF too; 7-Zip then refuses to read it
    #[arg(long)]
    pub udf_symlinks: bool,
    /// The disc's label; default: the directory's name
    #[arg(long)]
    pub label: Option<String>,
    /// The disc's time, seconds since 1970; default: that of the newest file, so that the same files make the same image
    #[arg(long, value_name = "SECONDS", env = "SOURCE_DATE_EPOCH")]
    pub time: Option<i64>,
    /// The same image on every machine: owners 0, permissions 755 and 644, no file newer than the disc's time
    #[arg(long, requires = "time")]
    pub reproducible: bool,
    /// Times of access and change as well, which looking at a file can change
    #[arg(long)]
    pub all_times: bool,
    /// Times in Rock Ridge to the hundredth of a second; UDF always has microseconds
    #[arg(long)]
    pub precise_times: bool,
    /// The disc's identity, 32 hexadecimal digits, to tell copies of one tree apart
    #[arg(long, value_name = "HEX", value_parser = key::identity)]
    pub identity: Option<[u8; 16]>,
    /// Sign it with this secret key of minisign, one without a password (minisign -G -W)
    #[arg(long, value_name = "KEYFILE")]
    pub sign: Option<PathBuf>,
    /// Replace an image that exists
    #[arg(short, long)]
    pub force: bool,
}

/// What took how long.
#[derive(Default)]
struct Took {
    walk: Duration,
    plan: Duration,
    write: Duration,
}

/// Where the session begins, and what the one before it has.
struct Place {
    start: u32,
    provenance: Provenance,
}

pub fn author(what: &Author, output: Output) -> Result<Exit, Error> {
    let mut key = what.sign.as_deref().map(SecretKey::load).transpose()?;
    let signer = key.as_mut().map(|key| key as &mut dyn Signer);
    let mut took = Took::default();
    let begin = Instant::now();
    if let Some(image) = &what.append_to {
        let mut existing = Existing::open(image)?;
        let mut revision = existing.revision()?;
        change(&mut revision, what, image)?;
        let walked = walk(what, &mut revision)?;
        took.walk = begin.elapsed();
        let tree = revision.tree().map_err(|error| unsuitable(image, error))?;
        let place = Place {
            start: existing.next_start()?,
            provenance: Provenance {
                earlier: revision.sessions().to_vec(),
                ..Provenance::default()
            },
        };
        let planned = plan(what, &tree, walked.as_ref(), place, &mut took)?;
        drop((tree, revision));
        let write = Instant::now();
        produce(&planned, walked.as_ref(), signer, output, &mut |bytes| {
            existing.write(bytes)
        })?;
        existing.commit(&planned)?;
        took.write = write.elapsed();
        return done(image, &planned, walked.as_ref(), &took, output);
    }
    let path = what.output.as_deref().unwrap_or(Path::new("-"));
    let mut target = Target::choose(path, what.force)?;
    let mut tree = Tree::new(discfs::Attributes {
        mode: 0o755,
        uid: 0,
        gid: 0,
        mtime: discfs::Time::default(),
    });
    let walked = walk(what, &mut tree)?;
    took.walk = begin.elapsed();
    // Behind what a later session puts at the beginning, so that this one stays reachable.
    let place = Place {
        start: FRONT_BLOCKS.next_multiple_of(ALIGNMENT),
        provenance: Provenance::default(),
    };
    let planned = plan(what, &tree, walked.as_ref(), place, &mut took)?;
    drop(tree);
    let write = Instant::now();
    target.write(&front(&planned)).map_err(local(path))?;
    produce(&planned, walked.as_ref(), signer, output, &mut |bytes| {
        target.write(bytes)
    })?;
    target.finish()?;
    took.write = write.elapsed();
    if path.as_os_str() == "-" {
        left_out(walked.as_ref(), output);
        return Ok(exit(walked.as_ref()));
    }
    done(path, &planned, walked.as_ref(), &took, output)
}

/// Blocks that sessions begin at multiples of, and are padded to: a cluster of BD.
const ALIGNMENT: u32 = 32;

/// The blocks before the first session.
fn front(image: &Image) -> Vec<u8> {
    let blocks = FRONT_BLOCKS.next_multiple_of(ALIGNMENT);
    let mut front = vec![0; blocks as usize * BLOCK];
    for (block, bytes) in image.front() {
        let at = block as usize * BLOCK;
        if let Some(place) = front.get_mut(at..at + BLOCK) {
            place.copy_from_slice(&bytes);
        }
    }
    front
}

fn walk<R: mastering::Receiver>(what: &Author, receiver: &mut R) -> Result<Option<Walked>, Error> {
    let Some(directory) = &what.directory else {
        return Ok(None);
    };
    let options = WalkOptions {
        all_times: what.all_times,
        normalise: what.time.filter(|_| what.reproducible),
    };
    mastering::walk(directory, options, receiver)
        .map(Some)
        .map_err(local(directory))
}

/// Removes and renames what was asked for.
fn change(revision: &mut Revision, what: &Author, image: &Path) -> Result<(), Error> {
    for path in &what.remove {
        if revision.remove(inner(path)) == 0 {
            return Err(unsuitable(
                image,
                format!("there is no {} in it to remove", path.display()),
            ));
        }
    }
    for pair in what.rename.chunks_exact(2) {
        if let [from, to] = pair
            && !revision.rename(inner(from), inner(to))
        {
            let reason = format!("{} cannot become {} in it", from.display(), to.display());
            return Err(unsuitable(image, reason));
        }
    }
    Ok(())
}

fn inner(path: &Path) -> &[u8] {
    crate::trees::inner_path(path)
}

fn plan(
    what: &Author,
    tree: &Tree,
    walked: Option<&Walked>,
    place: Place,
    took: &mut Took,
) -> Result<Image, Error> {
    let begin = Instant::now();
    let newest = walked.map_or(0, |walked| walked.newest.seconds);
    let directory = what.directory.as_deref().unwrap_or(Path::new("."));
    let name = directory.canonicalize().ok();
    let name = name.as_deref().and_then(Path::file_name);
    let label = name.map(|name| name.to_string_lossy().into_owned());
    let time = what.time.unwrap_or(newest);
    let options = Options {
        label: what.label.clone().or(label).unwrap_or_else(|| "SPINDLE".into()),
        time,
        start_block: place.start,
        alignment: ALIGNMENT,
        identity: what.identity,
        format: match what.format {
            Format::Bridge => discfs::Format::Bridge,
            Format::Iso => discfs::Format::Iso,
            Format::Udf => discfs::Format::Udf,
        },
        udf_revision: match what.udf {
            Udf::V1_02 => discfs::UdfRevision::V1_02,
            Udf::V2_01 => discfs::UdfRevision::V2_01,
        },
        udf_symlinks: what.udf_symlinks,
        precise_times: what.precise_times,
        provenance: place.provenance,
        signature: what
            .sign
            .as_ref()
            .map(|_| format!("timestamp:{time} file:SHA256SUMS")),
        ..Options::default()
    };
    let planned = discfs::plan(tree, &options).map_err(|error| unsuitable(directory, error))?;
    took.plan = begin.elapsed();
    Ok(planned)
}

fn produce(
    image: &Image,
    walked: Option<&Walked>,
    signer: Option<&mut dyn Signer>,
    output: Output,
    write: &mut dyn FnMut(&[u8]) -> io::Result<()>,
) -> Result<(), Error> {
    let total = image.blocks() * BLOCK as u64;
    let mut progress = Progress::new(output, "writing", total);
    let mut done = 0;
    let mut sink = |bytes: &[u8]| {
        write(bytes)?;
        done += bytes.len() as u64;
        progress.at("writing", done, total, "");
        Ok(())
    };
    let nothing = NoFiles;
    let supply: &dyn mastering::Supply = match walked {
        Some(walked) => &walked.files,
        None => &nothing,
    };
    let mastered = mastering::master(image, supply, Settings::default(), signer, &mut sink);
    progress.finish();
    mastered.map_err(|error| match error {
        MasterError::Sink(error) => Error::Output(error),
        other => Error::Local {
            path: PathBuf::from("."),
            error: io::Error::other(other.to_string()),
        },
    })
}

/// A session that adds no file.
struct NoFiles;

impl mastering::Supply for NoFiles {
    fn open(&self, _: discfs::FileId) -> io::Result<std::sync::Arc<std::fs::File>> {
        Err(io::ErrorKind::NotFound.into())
    }
}

fn left_out(walked: Option<&Walked>, output: Output) {
    for left_out in walked
        .iter()
        .flat_map(|walked| &walked.left_out)
        .filter(|_| !output.json)
    {
        let path = String::from_utf8_lossy(&left_out.path);
        tell(&format!("spindle: left out {path}: {}", left_out.reason));
    }
}

fn exit(walked: Option<&Walked>) -> Exit {
    if walked.is_some_and(|walked| !walked.left_out.is_empty()) {
        Exit::Local
    } else {
        Exit::Done
    }
}

fn done(
    path: &Path,
    image: &Image,
    walked: Option<&Walked>,
    took: &Took,
    output: Output,
) -> Result<Exit, Error> {
    left_out(walked, output);
    output.print(
        || {
            format!(
                "{}: {} files, {}, in {} blocks",
                path.display(),
                image.files(),
                size(image.file_bytes()),
                image.blocks()
            )
        },
        || {
            let left_out = walked.iter().flat_map(|walked| &walked.left_out).map(|left_out| {
                let mut value = json!({ "reason": left_out.reason });
                json_path(
                    &mut value,
                    "path",
                    &client::wire::ByteString::from(&left_out.path[..]),
                );
                value
            });
            json!({
                "image": path.display().to_string(),
                "files": image.files(),
                "bytes": image.file_bytes(),
                "blocks": image.blocks(),
                "start": image.start_block(),
                "left_out": left_out.collect::<Vec<_>>(),
                "seconds": {
                    "walk": took.walk.as_secs_f64(),
                    "plan": took.plan.as_secs_f64(),
                    "write": took.write.as_secs_f64(),
                },
            })
        },
    )?;
    Ok(exit(walked))
}
