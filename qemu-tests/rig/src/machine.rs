//! A box in QEMU.

use std::io::Read;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use images::BoxArtifacts;

use crate::burners::Burner;
use crate::drives::{Adapter, OpticalDrive, option_text};
use crate::network::Network;
use crate::patience::{patience, until};
use crate::serial::Serial;

/// Where a machine's data disk is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DataDisk {
    /// A file, written through the host's page cache: what QEMU wrote survives QEMU.
    File(PathBuf),
    /// A disk served over NBD on this Unix socket, such as one that can lose its power.
    Served(PathBuf),
}

/// What a network interface is connected to.
#[derive(Clone, Debug)]
pub enum Nic {
    /// QEMU's user network, with a port of loopback forwarded to the control protocol. At most one of a machine.
    User,
    /// A segment.
    Network(Network),
}

/// What a box is made of.
#[derive(Clone, Debug)]
pub struct MachineOptions {
    /// Kernel and initramfs.
    pub artifacts: BoxArtifacts,
    /// The kernel's command line.
    pub command_line: String,
    /// The networks whose clients may speak in the clear, as `spindle.plaintext` has them.
    pub clear: String,
    /// The box's name.
    pub name: String,
    /// Mebibytes of memory.
    pub memory: u32,
    /// The data disk; made by `images::data_disk`.
    pub data: Option<DataDisk>,
    /// Its network interfaces, in the order in which the box finds them.
    pub nics: Vec<Nic>,
    /// The model of its network interfaces.
    pub nic_model: &'static str,
    /// What the burners given to [`Machine::start`] are connected to.
    pub adapter: Adapter,
    /// Further optical drives.
    pub drives: Vec<OpticalDrive>,
    /// Where the serial log goes.
    pub log: PathBuf,
    /// Whether the serial console is also shown on standard output.
    pub echo: bool,
    /// Further arguments for QEMU.
    pub extra: Vec<String>,
}

impl MachineOptions {
    /// A box of 256 MiB with what is needed at least.
    pub fn new(artifacts: BoxArtifacts, command_line: String, log: &Path) -> Self {
        Self {
            artifacts,
            command_line,
            clear: "0.0.0.0/0,::/0".into(),
            name: "spindle".into(),
            memory: 256,
            data: None,
            nics: vec![Nic::User],
            nic_model: "virtio-net-pci",
            adapter: Adapter::VirtioScsi,
            drives: Vec::new(),
            log: log.into(),
            echo: false,
            extra: Vec::new(),
        }
    }
}

/// A running box; killed when dropped.
#[derive(Debug)]
pub struct Machine {
    qemu: Child,
    /// Its serial console.
    pub serial: Serial,
    control: SocketAddr,
    started: Instant,
}

impl Machine {
    /// Starts a box with one vCPU and these burners before its other drives; does not wait for it.
    pub fn start(options: &MachineOptions, burners: &[&Burner]) -> Result<Self> {
        let control = free_port()?;
        let mut command = Command::new("qemu-system-x86_64");
        command
            .args([
                "-M",
                "q35",
                "-accel",
                "tcg,thread=multi",
                "-cpu",
                "max",
                "-smp",
                "1",
            ])
            .args(["-m", &options.memory.to_string()])
            .args([
                "-nodefaults",
                "-display",
                "none",
                "-serial",
                "stdio",
                "-no-reboot",
            ])
            .arg("-kernel")
            .arg(&options.artifacts.kernel)
            .arg("-initrd")
            .arg(&options.artifacts.initramfs)
            .args([
                "-append",
                &format!(
                    "{} spindle.name={} spindle.plaintext={}",
                    options.command_line, options.name, options.clear
                ),
            ])
            .args(["-device", "virtio-scsi-pci,id=scsi0"]);
        for (number, nic) in options.nics.iter().enumerate() {
            let id = format!("net{number}");
            let backend = match nic {
                Nic::User => format!("user,id={id},hostfwd=tcp:{control}-:{}", wire::PORT),
                Nic::Network(network) => network.backend(&id),
            };
            // Addresses are told apart within a network by the machine's name.
            let mac = address(&options.name, number);
            let device = format!("{},netdev={id},mac={mac},romfile=", options.nic_model);
            command.args(["-netdev", &backend]).args(["-device", &device]);
        }
        if let Some(data) = &options.data {
            let place = match data {
                DataDisk::File(file) => format!("file={}", option_text(file)?),
                DataDisk::Served(socket) => format!(
                    "file.driver=nbd,file.server.type=unix,file.server.path={}",
                    option_text(socket)?
                ),
            };
            command
                .args(["-drive", &format!("if=none,id=data0,format=raw,{place}")])
                .args(["-device", "virtio-blk-pci,drive=data0"]);
        }
        let burners = burners
            .iter()
            .map(|burner| OpticalDrive::burner(burner, options.adapter));
        for (number, drive) in burners.chain(options.drives.iter().cloned()).enumerate() {
            drive.attach(number, &mut command)?;
        }
        command.args(&options.extra);
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut qemu = command
            .spawn()
            .context("qemu-system-x86_64 cannot be started: `cargo xtask setup` installs it")?;
        let (Some(output), Some(input)) = (qemu.stdout.take(), qemu.stdin.take()) else {
            bail!("QEMU has no serial console");
        };
        let serial = Serial::listen(output, input, &options.log, options.echo)?;
        Ok(Self {
            qemu,
            serial,
            control,
            started: Instant::now(),
        })
    }

    /// Where the control protocol of the box is reached.
    pub fn control(&self) -> SocketAddr {
        self.control
    }

    /// Waits until the box greets on its control port; the time since QEMU was started.
    pub fn wait_ready(&mut self) -> Result<Duration> {
        let control = self.control;
        until("the box's greeting", patience(60), || {
            if let Some(status) = self.qemu.try_wait()? {
                bail!("QEMU ended with {status}: {}", self.complaint());
            }
            Ok(greets(control).then_some(()))
        })
        .with_context(|| format!("the console's end:\n{}", tail(&self.serial.text())))?;
        Ok(self.started.elapsed())
    }

    /// Waits until the box has switched itself off.
    pub fn wait_off(&mut self, limit: Duration) -> Result<ExitStatus> {
        until("the box to switch off", limit, || Ok(self.qemu.try_wait()?))
            .with_context(|| format!("the console's end:\n{}", tail(&self.serial.text())))
    }

    /// The process id of QEMU.
    pub fn id(&self) -> u32 {
        self.qemu.id()
    }

    /// What QEMU itself said on standard error.
    fn complaint(&mut self) -> String {
        let mut text = String::new();
        if let Some(mut stderr) = self.qemu.stderr.take() {
            // An unreadable complaint is an empty one.
            let _ = stderr.read_to_string(&mut text);
        }
        text
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // With a command outstanding QEMU ignores SIGTERM; it may also be gone already.
        let _ = self.qemu.kill();
        let _ = self.qemu.wait();
    }
}

/// Whether something greets there; QEMU accepts connections before the guest listens, and drops them.
fn greets(address: SocketAddr) -> bool {
    let Ok(mut stream) = TcpStream::connect_timeout(&address, Duration::from_millis(500)) else {
        return false;
    };
    let mut greeting = [0; wire::GREETING_SIZE];
    stream.set_read_timeout(Some(Duration::from_millis(500))).is_ok()
        && stream.read_exact(&mut greeting).is_ok()
}

fn tail(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines
        .get(lines.len().saturating_sub(25)..)
        .unwrap_or_default()
        .join("\n")
}

/// The Ethernet address of a machine's interface: locally administered, from its name.
fn address(name: &str, number: usize) -> String {
    let [a, b, c, d] = crc32c::crc32c(name.as_bytes()).to_be_bytes();
    format!("02:{a:02x}:{b:02x}:{c:02x}:{d:02x}:{number:02x}")
}

/// A loopback port nobody uses now.
fn free_port() -> Result<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}
