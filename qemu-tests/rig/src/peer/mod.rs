//! A workstation in QEMU: Debian's unmodified programs on a Linux that mounts discs.
//!
//! A [`Peer`] boots for one run of named steps, each a shell script, and switches itself off. The kernel is board/peer;
//! its programs are the ones installed here. Burner N is `/dev/burnerN`, disk N is `/dev/vda`, `/dev/vdb`, ...
//! The steps' output goes over a serial port of its own, so that any bytes pass and the kernel's messages do not mix
//! with them.

mod mounted;
mod transcript;
mod userland;

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result};

pub use mounted::Mounted;
pub use transcript::{Answer, Transcript};

use crate::burners::Burner;
use crate::patience::{patience, until};

/// A workstation that is not running.
#[derive(Debug)]
pub struct Peer<'a> {
    kernel: PathBuf,
    folder: PathBuf,
    burners: Vec<&'a Burner>,
    disks: Vec<PathBuf>,
    steps: Vec<(String, String)>,
}

impl<'a> Peer<'a> {
    /// A peer whose logs go to `folder`; `SPINDLE_PEER_KERNEL` names its kernel.
    pub fn new(folder: &Path) -> Result<Self> {
        let kernel = env::var_os("SPINDLE_PEER_KERNEL")
            .context("SPINDLE_PEER_KERNEL is not set: run `cargo xtask test`")?;
        Ok(Self {
            kernel: kernel.into(),
            folder: folder.to_owned(),
            burners: Vec::new(),
            disks: Vec::new(),
            steps: Vec::new(),
        })
    }

    /// Attaches a burner; the path of its device in the peer.
    pub fn burner(&mut self, burner: &'a Burner) -> String {
        self.burners.push(burner);
        format!("/dev/burner{}", self.burners.len() - 1)
    }

    /// Attaches a file as a disk nobody can write to; the path of its device in the peer. At most 26 disks.
    pub fn disk(&mut self, image: &Path) -> String {
        self.disks.push(image.to_owned());
        let letter = (b'a'..=b'z').nth(self.disks.len() - 1).unwrap_or(b'?');
        format!("/dev/vd{}", char::from(letter))
    }

    /// Adds a step: a script for `dash`.
    pub fn step(&mut self, name: &str, script: &str) {
        self.steps.push((name.to_owned(), script.to_owned()));
    }

    /// Boots, runs all steps in order, whether or not one fails, and waits for the end, at most `limit`.
    pub fn run(&self, limit: Duration) -> Result<Transcript> {
        fs::create_dir_all(&self.folder)?;
        let [initramfs, console, answers] =
            ["peer.cpio", "peer-console.log", "peer-answers.log"].map(|name| self.folder.join(name));
        let numbered: Vec<(String, &str)> = self
            .steps
            .iter()
            .enumerate()
            .map(|(number, (name, script))| (format!("{number:03}-{name}"), script.as_str()))
            .collect();
        let mut archive = userland::archive()?;
        archive.extend(userland::steps(
            numbered.iter().map(|(name, script)| (name.as_str(), *script)),
        )?);
        fs::write(&initramfs, archive)?;

        let mut qemu = Running(
            self.command(&initramfs, &console, &answers)?
                .spawn()
                .context("qemu-system-x86_64 cannot be started: `cargo xtask setup` installs it")?,
        );
        let ended = until("the peer to switch off", limit, || Ok(qemu.0.try_wait()?));
        drop(qemu);
        let mut transcript = Transcript::parse(&fs::read(&answers).unwrap_or_default());
        for answer in &mut transcript.answers {
            if let Some((_, name)) = answer.name.split_once('-') {
                answer.name = name.to_owned();
            }
        }
        let complete = transcript.answers.len() == self.steps.len()
            && transcript.answers.iter().all(|answer| answer.exit.is_some());
        match ended {
            Ok(_) if complete => Ok(transcript),
            ended => {
                let console = fs::read(&console).unwrap_or_default();
                let console = String::from_utf8_lossy(&console);
                let lines: Vec<&str> = console.lines().collect();
                let tail = lines.get(lines.len().saturating_sub(25)..).unwrap_or_default();
                let last = transcript.answers.last().map(Answer::tail).unwrap_or_default();
                let reason = ended.map_or_else(|error| error.to_string(), |status| status.to_string());
                anyhow::bail!(
                    "the peer did not finish ({reason}); its console's end:\n{}\nthe last step's end:\n{last}\n(logs: {})",
                    tail.join("\n"),
                    self.folder.display()
                )
            }
        }
    }

    fn command(&self, initramfs: &Path, console: &Path, answers: &Path) -> Result<Command> {
        // Commas separate QEMU's options; doubled they are text.
        let text = |path: &Path| {
            let path = path.to_str().context("a path is not UTF-8")?;
            Ok::<_, anyhow::Error>(path.replace(',', ",,"))
        };
        let mut command = Command::new("qemu-system-x86_64");
        command
            .args(["-M", "q35,sata=off", "-accel", "tcg,thread=multi", "-cpu", "max"])
            .args([
                "-smp",
                "2",
                "-m",
                "320",
                "-nodefaults",
                "-display",
                "none",
                "-no-reboot",
            ])
            .args(["-chardev", &format!("file,id=console,path={}", text(console)?)])
            .args(["-chardev", &format!("file,id=answers,path={}", text(answers)?)])
            .args(["-serial", "chardev:console", "-serial", "chardev:answers"])
            .arg("-kernel")
            .arg(&self.kernel)
            .arg("-initrd")
            .arg(initramfs)
            .args([
                "-append",
                &format!(
                    "{} BURNERS={} STEP_SECONDS={}",
                    command_line()?,
                    self.burners.len(),
                    patience(120).as_secs()
                ),
            ])
            .args(["-device", "virtio-rng-pci", "-device", "virtio-scsi-pci,id=scsi0"]);
        for (number, disk) in self.disks.iter().enumerate() {
            let file = text(disk)?;
            let drive = format!(
                "if=none,id=disk{number},format=raw,readonly=on,file.locking=off,file.driver=file,file.filename={file}"
            );
            command
                .args(["-drive", &drive])
                .args(["-device", &format!("virtio-blk-pci,drive=disk{number}")]);
        }
        for (number, burner) in self.burners.iter().enumerate() {
            let (address, name) = (burner.address(), burner.name());
            let drive = format!(
                "if=none,id=burner{number},driver=iscsi,transport=tcp,portal={address},target={name},lun=0"
            );
            let device = format!("scsi-generic,drive=burner{number},bus=scsi0.0,scsi-id={number},lun=0");
            command.args(["-drive", &drive]).args(["-device", &device]);
        }
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(fs::File::create(self.folder.join("peer-qemu.log"))?);
        Ok(command)
    }
}

fn command_line() -> Result<String> {
    let boards = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../board");
    Ok(images::board::Board::read(&boards, "peer")?.command_line)
}

/// QEMU, killed when dropped: with a command outstanding it ignores SIGTERM.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
