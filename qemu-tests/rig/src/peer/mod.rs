//! A workstation in QEMU: Debian's unmodified programs on a Linux that mounts discs and speaks TCP/IP and NFS.
//!
//! A [`Peer`] is put together, then booted; the [`Workstation`] runs scripts and tells what they wrote, several at a
//! time when several threads ask, and is switched off when dropped. Between two scripts the test may change discs,
//! arm faults or let a box use the same burner. The kernel is board/peer; the programs are the ones installed here.

mod discs;
mod line;
mod mounted;
mod userland;

use std::env;
use std::fs;
use std::io::ErrorKind;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

pub use discs::{Layout, Program, reload};
pub use line::Answer;
pub use mounted::Mounted;

use crate::burners::Burner;
use crate::drives::{Adapter, OpticalDrive, option_text};
use crate::network::Network;
use crate::patience::{patience, until};
use line::Line;

/// Scripts a peer runs at the same time.
const LINES: usize = 4;

/// How long a script may take when nobody says.
const SCRIPT: u64 = 120;

/// A workstation that is not running.
#[derive(Debug)]
pub struct Peer {
    kernel: PathBuf,
    folder: PathBuf,
    drives: Vec<OpticalDrive>,
    disks: Vec<PathBuf>,
    networks: Vec<(Network, String)>,
    programs: Vec<PathBuf>,
}

impl Peer {
    /// A peer whose logs go to `folder`; `SPINDLE_PEER_KERNEL` names its kernel.
    pub fn new(folder: &Path) -> Result<Self> {
        let kernel = env::var_os("SPINDLE_PEER_KERNEL")
            .context("SPINDLE_PEER_KERNEL is not set: run `cargo xtask test`")?;
        Ok(Self {
            kernel: kernel.into(),
            folder: folder.to_owned(),
            drives: Vec::new(),
            disks: Vec::new(),
            networks: Vec::new(),
            programs: Vec::new(),
        })
    }

    /// Attaches a burner; the path of its device in the peer.
    pub fn burner(&mut self, burner: &Burner) -> String {
        self.drive(OpticalDrive::burner(burner, Adapter::VirtioScsi))
    }

    /// Attaches any drive that hangs on virtio-scsi; the path of its device in the peer.
    pub fn drive(&mut self, drive: OpticalDrive) -> String {
        self.drives.push(drive);
        format!("/dev/burner{}", self.drives.len() - 1)
    }

    /// Attaches a file as a disk nobody can write to; the path of its device in the peer. At most 26 disks.
    pub fn disk(&mut self, image: &Path) -> String {
        self.disks.push(image.to_owned());
        let letter = (b'a'..=b'z').nth(self.disks.len() - 1).unwrap_or(b'?');
        format!("/dev/vd{}", char::from(letter))
    }

    /// Plugs a network interface (`eth0`, `eth1`, ...) into a segment, with an address such as `10.77.0.9/24`.
    pub fn network(&mut self, network: &Network, address: &str) {
        self.networks.push((network.clone(), address.to_owned()));
    }

    /// Takes a further program along, with the libraries it names, as `/usr/local/bin/NAME`.
    pub fn program(&mut self, program: &Path) {
        self.programs.push(program.to_owned());
    }

    /// Boots, and waits until scripts can be run.
    pub fn boot(&self) -> Result<Workstation> {
        fs::create_dir_all(&self.folder)?;
        let [initramfs, console] = ["peer.cpio", "peer-console.log"].map(|name| self.folder.join(name));
        fs::write(&initramfs, userland::archive(&self.programs)?)?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        let lines = listener.local_addr()?.port();
        let mut qemu = Running(
            self.command(&initramfs, &console, lines)?
                .spawn()
                .context("qemu-system-x86_64 cannot be started: `cargo xtask setup` installs it")?,
        );
        let meet = |qemu: &mut Running| {
            let streams = (0..LINES)
                .map(|_| accept(&listener, qemu))
                .collect::<Result<Vec<_>>>()?;
            let lines = streams
                .into_iter()
                .map(|stream| Line::meet(stream, patience(120)));
            lines.collect::<Result<Vec<_>>>()
        };
        let lines = meet(&mut qemu).with_context(|| end_of(&console))?;
        // It lies in the peer's memory now, and is large.
        fs::remove_file(&initramfs)?;
        Ok(Workstation {
            _qemu: qemu,
            lines: Mutex::new(Pool { free: lines, lost: 0 }),
            freed: Condvar::new(),
            folder: self.folder.clone(),
            console,
        })
    }

    fn command(&self, initramfs: &Path, console: &Path, lines: u16) -> Result<Command> {
        let addresses: Vec<&str> = self
            .networks
            .iter()
            .map(|(_, address)| address.as_str())
            .collect();
        let command_line = format!(
            "{} BURNERS={} ADDRESSES={}",
            command_line()?,
            self.drives.len(),
            addresses.join(",")
        );
        let mut command = Command::new("qemu-system-x86_64");
        command
            .args(["-M", "q35,sata=off", "-accel", "tcg,thread=multi", "-cpu", "max"])
            .args([
                "-smp",
                "2",
                "-m",
                "384",
                "-nodefaults",
                "-display",
                "none",
                "-no-reboot",
            ])
            .args([
                "-chardev",
                &format!("file,id=console,path={}", option_text(console)?),
            ])
            .args(["-serial", "chardev:console"])
            .arg("-kernel")
            .arg(&self.kernel)
            .arg("-initrd")
            .arg(initramfs)
            .args(["-append", &command_line])
            .args(["-device", "virtio-rng-pci", "-device", "virtio-scsi-pci,id=scsi0"])
            .args(["-device", "virtio-serial-pci"]);
        for line in 0..LINES {
            command
                .args([
                    "-chardev",
                    &format!("socket,id=line{line},host=127.0.0.1,port={lines}"),
                ])
                .args(["-device", &format!("virtserialport,chardev=line{line}")]);
        }
        for (number, disk) in self.disks.iter().enumerate() {
            let drive = format!(
                "if=none,id=disk{number},format=raw,readonly=on,file.locking=off,file.driver=file,file.filename={}",
                option_text(disk)?
            );
            command
                .args(["-drive", &drive])
                .args(["-device", &format!("virtio-blk-pci,drive=disk{number}")]);
        }
        for (number, (network, address)) in self.networks.iter().enumerate() {
            let id = format!("net{number}");
            let mac = hardware_address(address)?;
            command.args(["-netdev", &network.backend(&id)]).args([
                "-device",
                &format!("virtio-net-pci,netdev={id},mac={mac},romfile="),
            ]);
        }
        for (number, drive) in self.drives.iter().enumerate() {
            ensure!(
                drive.adapter == Adapter::VirtioScsi,
                "a peer finds its drives on virtio-scsi only"
            );
            drive.attach(number, &mut command)?;
        }
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(fs::File::create(self.folder.join("peer-qemu.log"))?);
        Ok(command)
    }
}

/// A running workstation.
#[derive(Debug)]
pub struct Workstation {
    _qemu: Running,
    lines: Mutex<Pool>,
    freed: Condvar,
    folder: PathBuf,
    console: PathBuf,
}

#[derive(Debug)]
struct Pool {
    free: Vec<Line>,
    lost: usize,
}

impl Workstation {
    /// Runs a script for `dash`, for at most two minutes.
    pub fn run(&self, script: &str) -> Result<Answer> {
        self.run_for(patience(SCRIPT), script, &[])
    }

    /// Runs a script with this input for at most so long. It takes turns with those of other threads when more than
    /// four ask at once. A script that fails is an answer; an error is a peer that does not answer.
    pub fn run_for(&self, limit: Duration, script: &str, input: &[u8]) -> Result<Answer> {
        let mut line = self.line()?;
        let result = line.run(script, input, limit);
        let mut pool = self.pool();
        match result {
            Ok(answer) => {
                pool.free.push(line);
                self.freed.notify_one();
                drop(pool);
                self.note(script, &answer)?;
                Ok(answer)
            }
            Err(error) => {
                pool.lost += 1;
                self.freed.notify_all();
                drop(pool);
                let end = end_of(&self.console);
                Err(error.context(format!("{end}\nwhen asked to run:\n{script}")))
            }
        }
    }

    /// Copies a folder into the peer; `to` is there afterwards, with what is in `folder`.
    pub fn put(&self, folder: &Path, to: &str) -> Result<()> {
        let tar = Command::new("tar").arg("-cC").arg(folder).arg(".").output()?;
        ensure!(
            tar.status.success(),
            "tar: {}",
            String::from_utf8_lossy(&tar.stderr)
        );
        let script = format!("mkdir -p '{to}' && tar -xC '{to}'");
        let answer = self.run_for(patience(SCRIPT), &script, &tar.stdout)?;
        answer.success().context(to.to_owned()).map(drop)
    }

    fn line(&self) -> Result<Line> {
        let mut pool = self.pool();
        loop {
            if let Some(line) = pool.free.pop() {
                return Ok(line);
            }
            ensure!(pool.lost < LINES, "no line to the peer is left");
            pool = self.freed.wait(pool).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn pool(&self) -> MutexGuard<'_, Pool> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a script and its answer to the log.
    fn note(&self, script: &str, answer: &Answer) -> Result<()> {
        use std::io::Write;
        let path = self.folder.join("peer.log");
        let mut log = fs::OpenOptions::new().create(true).append(true).open(path)?;
        let mut entry = format!("--- {}\n", script.trim_end().replace('\n', "\n    ")).into_bytes();
        entry.extend_from_slice(&answer.output);
        entry.extend_from_slice(format!("\n--- exit {}\n\n", answer.exit).as_bytes());
        Ok(log.write_all(&entry)?)
    }
}

/// The next line QEMU opens.
fn accept(listener: &TcpListener, qemu: &mut Running) -> Result<TcpStream> {
    let stream = until("QEMU to open its lines", patience(30), || {
        if let Some(status) = qemu.0.try_wait()? {
            bail!("QEMU ended with {status}");
        }
        match listener.accept() {
            Ok((stream, _)) => Ok(Some(stream)),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(None),
            Err(error) => Err(error.into()),
        }
    })?;
    stream.set_nonblocking(false)?;
    Ok(stream)
}

fn command_line() -> Result<String> {
    let boards = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../board");
    Ok(images::board::Board::read(&boards, "peer")?.command_line)
}

/// The Ethernet address of the interface with this IPv4 address: locally administered, and as distinct.
fn hardware_address(address: &str) -> Result<String> {
    let plain = address.split('/').next().unwrap_or_default();
    let parsed: Ipv4Addr = plain
        .parse()
        .with_context(|| format!("`{address}` is not like 10.77.0.9/24"))?;
    let [a, b, c, d] = parsed.octets();
    Ok(format!("02:50:{a:02x}:{b:02x}:{c:02x}:{d:02x}"))
}

/// What the peer's kernel said last, for people.
fn end_of(console: &Path) -> String {
    let text = fs::read(console).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().collect();
    let tail = lines.get(lines.len().saturating_sub(25)..).unwrap_or_default();
    format!(
        "the peer's console ends with\n{}\n({})",
        tail.join("\n"),
        console.display()
    )
}

/// QEMU, killed when dropped: with a command outstanding it ignores SIGTERM.
#[derive(Debug)]
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
