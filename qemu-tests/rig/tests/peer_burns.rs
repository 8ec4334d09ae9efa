//! Programs everybody uses burn to the emulated burner, and Linux reads back what they burned.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread::{self, ScopedJoinHandle};

use anyhow::{Context, Result, bail, ensure};
use burner::Profile;
use rig::peer::{Mounted, Peer, Transcript};
use rig::tree::{self, Listing};
use rig::{Burner, Scratch, patience};

/// Blocks of the discs: 64 MiB.
const BLOCKS: u32 = 32_768;

/// What is burned to.
static MEDIA: [&Profile; 6] = [
    &burner::BD_R,
    &burner::DVD_PLUS_R,
    &burner::DVD_R,
    &burner::DVD_RW,
    &burner::DVD_PLUS_RW,
    &burner::BD_RE,
];

/// What a program does not do, and its own words for it: wodim leaves the formatting of new discs to others.
const EXCEPTIONS: &[(&str, &str, &str)] = &[
    ("wodim", "dvd+rw", "medium not formatted"),
    ("wodim", "bd-re", "medium not formatted"),
];

/// Linux learns of what was burned when the tray has moved, as with any drive.
const RELOAD: &str = "cdrskin -V dev=DRIVE -eject > /tmp/tray 2>&1 && cdrskin -V dev=DRIVE -load >> /tmp/tray 2>&1 \
                      || { cat /tmp/tray; exit 1; }\n";

/// How a program burns, as scripts with `DRIVE` for the device; `/tmp/first` and `/tmp/second` are trees and
/// `/tmp/first.iso` is an image of the first.
struct Program {
    name: &'static str,
    burn: &'static str,
    append: Option<&'static str>,
    /// Whether it burns `/tmp/first.iso` as it is.
    burns_image: bool,
}

const PROGRAMS: &[Program] = &[
    Program {
        name: "growisofs",
        burn: "growisofs -use-the-force-luke=spare:none -Z DRIVE -quiet -R -J -V FIRST /tmp/first",
        append: Some("growisofs -use-the-force-luke=spare:none -M DRIVE -quiet -R -J -V SECOND /tmp/second"),
        burns_image: false,
    },
    Program {
        name: "xorriso",
        burn: "xorriso -outdev DRIVE -volid FIRST -map /tmp/first / -commit",
        append: Some("xorriso -dev DRIVE -volid SECOND -map /tmp/second / -commit"),
        burns_image: false,
    },
    Program {
        name: "cdrskin",
        burn: "cdrskin -v dev=DRIVE blank=as_needed -tao /tmp/first.iso",
        append: None,
        burns_image: true,
    },
    Program {
        name: "wodim",
        burn: "wodim -v gracetime=2 dev=DRIVE -tao /tmp/first.iso",
        append: None,
        burns_image: true,
    },
];

/// A small tree that genisoimage takes without questions.
fn sample(root: &Path, name: &str, seed: u64) -> Result<Listing> {
    let folder = root.join(name).join("Ünïcode 日本");
    fs::create_dir_all(&folder)?;
    for number in 0..12 {
        let length = usize::try_from(number * 40_961)?;
        fs::write(
            folder.join(format!("{name} {number}.dat")),
            tree::noise(seed + number, length),
        )?;
    }
    fs::hard_link(
        folder.join(format!("{name} 5.dat")),
        folder.join(format!("{name} 5 again.dat")),
    )?;
    std::os::unix::fs::symlink(
        format!("Ünïcode 日本/{name} 7.dat"),
        root.join(name).join(format!("{name} link")),
    )?;
    tree::listing(&root.join(name))
}

/// Boots a peer that burns with one program to these media, and mounts what it burned.
fn run(
    program: &Program,
    media: &[&'static Profile],
    scratch: &Scratch,
    sources: &Path,
) -> Result<Transcript> {
    let names: Vec<&str> = media.iter().map(|medium| medium.name).collect();
    let folder = scratch.join(&format!("{}-{}", program.name, names.join("-")));
    fs::create_dir_all(&folder)?;
    let mut burners = Vec::new();
    for medium in media {
        let name = format!("{}-{}", program.name, medium.name.replace('+', "-plus-"));
        let burner = Burner::with_disc(&name, medium, &folder.join(medium.name), Some(BLOCKS))?;
        trace(&burner, &folder.join(format!("{name}.trace")))?;
        burners.push((medium.name, burner));
    }
    let mut peer = Peer::new(&folder)?;
    let disk = peer.disk(sources);
    peer.step(
        "sources",
        &format!("cd /tmp && tar -xf {disk} && genisoimage -quiet -R -J -V FIRST -o first.iso first"),
    );
    for (medium, burner) in &burners {
        let link = peer.burner(burner);
        let mut step = |what: &str, script: &str| {
            let script = script.replace("DRIVE", "$drive");
            peer.step(
                &format!("{medium} {what}"),
                &format!("drive=$(readlink -f {link})\n{script}\n"),
            );
        };
        let look = format!(
            "{RELOAD}mount -t iso9660 -o ro DRIVE /mnt || exit 1\n{}",
            Mounted::commands("/mnt")
        );
        let look = format!("{look}umount /mnt");
        step("burn", program.burn);
        step("look", &look);
        if program.burns_image {
            step(
                "image",
                "head -c $(stat -c %s /tmp/first.iso) DRIVE | cmp - /tmp/first.iso",
            );
        }
        if let Some(append) = program.append {
            step("append", append);
            step("look again", &look);
        }
        step("describe", "dvd+rw-mediainfo DRIVE");
    }
    let transcript = peer.run(patience(240))?;
    transcript.output("sources")?;
    Ok(transcript)
}

/// One cell of the table: the step `burn` succeeded, and the step `look` found the wanted tree.
fn told(transcript: &Transcript, wanted: &Listing, burn: &str, look: &str) -> Result<String> {
    transcript.output(burn)?;
    let found = Mounted::parse(transcript.output(look)?).context(look.to_owned())?;
    tree::demand_equal(look, wanted, &found.listing)?;
    Ok(format!("equal, {} names", found.listing.len()))
}

/// The same where the program is known to give up, with these words.
fn refused(transcript: &Transcript, burn: &str, says: &str) -> Result<String> {
    let answer = transcript.answer(burn)?;
    let said = String::from_utf8_lossy(&answer.output);
    ensure!(
        answer.exit != Some(0) && said.contains(says),
        "{burn} was to say {says:?} but ended with {:?}:\n{}",
        answer.exit,
        answer.tail()
    );
    Ok(format!("\"{says}\""))
}

/// What a program did with a medium: the cells `burned` and `appended`.
fn row(
    program: &Program,
    medium: &str,
    transcript: &Transcript,
    first: &Listing,
    both: &Listing,
) -> Result<[String; 2]> {
    let step = |what: &str| format!("{medium} {what}");
    let exception = EXCEPTIONS
        .iter()
        .find(|(name, on, _)| (*name, *on) == (program.name, medium));
    if let Some((_, _, says)) = exception {
        return Ok([refused(transcript, &step("burn"), says)?, "-".into()]);
    }
    let burned = told(transcript, first, &step("burn"), &step("look"))?;
    let appended = match program.append {
        Some(_) => told(transcript, both, &step("append"), &step("look again"))?,
        None => "-".into(),
    };
    if program.burns_image {
        transcript.output(&step("image"))?;
    }
    transcript.output(&step("describe"))?;
    Ok([burned, appended])
}

#[test]
fn others_burn_and_linux_reads_every_byte() -> Result<()> {
    Scratch::within("peer-burns", |scratch| {
        let first = sample(scratch.path(), "first", 1)?;
        let mut both = first.clone();
        both.extend(sample(scratch.path(), "second", 1000)?);
        let sources = scratch.join("sources.tar");
        let mut tar = Command::new("tar");
        tar.arg("-cf").arg(&sources).arg("-C").arg(scratch.path());
        ensure!(tar.args(["first", "second"]).status()?.success(), "tar failed");

        // Several peers side by side: the programs mostly sleep.
        let parts: Vec<(&Program, &[&'static Profile])> = PROGRAMS
            .iter()
            .flat_map(|program| MEDIA.chunks(2).map(move |media| (program, media)))
            .collect();
        let transcripts: Vec<Result<Transcript>> = thread::scope(|scope| {
            let start = |&(program, media)| {
                let sources = &sources;
                scope.spawn(move || run(program, media, scratch, sources))
            };
            let started: Vec<_> = parts.iter().map(start).collect();
            let join = |run: ScopedJoinHandle<'_, _>| {
                run.join().unwrap_or_else(|_| bail!("a peer's thread panicked"))
            };
            started.into_iter().map(join).collect()
        });

        let mut failures = Vec::new();
        println!("{:10} {:6} {:24} appended", "program", "medium", "burned");
        for ((program, media), transcript) in parts.into_iter().zip(transcripts) {
            let transcript = match transcript {
                Ok(transcript) => transcript,
                Err(error) => {
                    failures.push(format!("{}: {error:#}", program.name));
                    continue;
                }
            };
            for medium in media {
                let [burned, appended] = row(program, medium.name, &transcript, &first, &both)
                    .unwrap_or_else(|error| {
                        failures.push(format!("{}: {error:#}", program.name));
                        ["FAILED".into(), "".into()]
                    });
                println!("{:10} {:6} {burned:24} {appended}", program.name, medium.name);
            }
        }
        ensure!(failures.is_empty(), "{}", failures.join("\n\n"));
        Ok(())
    })
}

/// Records a burner's commands in a file.
fn trace(burner: &Burner, path: &Path) -> Result<()> {
    use std::io::Write;
    let mut file = fs::File::create(path)?;
    burner.drive.control(|drive| {
        drive.observe(move |record| {
            // A trace that cannot be written must not disturb the burn.
            let _ = writeln!(file, "{record}");
        });
    });
    Ok(())
}
