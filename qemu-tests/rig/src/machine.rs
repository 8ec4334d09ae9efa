//! A box in QEMU.

use std::io::Read;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use images::BoxArtifacts;

use crate::burners::Burner;
use crate::patience::{patience, until};
use crate::serial::Serial;

/// What a box is made of.
#[derive(Clone, Debug)]
pub struct MachineOptions {
    /// Kernel and initramfs.
    pub artifacts: BoxArtifacts,
    /// The kernel's command line.
    pub command_line: String,
    /// The box's name.
    pub name: String,
    /// Mebibytes of memory.
    pub memory: u32,
    /// The data disk; made by `images::data_disk`.
    pub data: Option<PathBuf>,
    /// Whether it has a network interface.
    pub nic: bool,
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
            name: "spindle".into(),
            memory: 256,
            data: None,
            nic: true,
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
    /// Starts a box with one vCPU and the burners behind virtio-scsi; does not wait for it.
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
                &format!("{} spindle.name={}", options.command_line, options.name),
            ])
            .args(["-device", "virtio-scsi-pci,id=scsi0"]);
        if options.nic {
            command
                .args([
                    "-netdev",
                    &format!("user,id=net0,hostfwd=tcp:{control}-:{}", wire::PORT),
                ])
                .args(["-device", "virtio-net-pci,netdev=net0,romfile="]);
        }
        if let Some(data) = &options.data {
            // Commas separate QEMU's options; doubled they are text.
            let file = data
                .to_str()
                .context("the data disk's path is not UTF-8")?
                .replace(',', ",,");
            command
                .args(["-drive", &format!("if=none,id=data0,format=raw,file={file}")])
                .args(["-device", "virtio-blk-pci,drive=data0"]);
        }
        for (index, burner) in burners.iter().enumerate() {
            let (address, name) = (burner.address(), burner.name());
            command
                .args([
                    "-drive",
                    &format!("if=none,id=burner{index},driver=iscsi,transport=tcp,portal={address},target={name},lun=0"),
                ])
                .args(["-device", &format!("scsi-generic,drive=burner{index},bus=scsi0.0")]);
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

/// A loopback port nobody uses now.
fn free_port() -> Result<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}
