//! Our driver on a burner that nobody here wrote: the DVD+R of Debian's `tgt`, over iSCSI on loopback.
//!
//! That target knows 25 commands of the set and one burn a disc: it becomes a DVD-ROM with CLOSE TRACK.

#[path = "../../burner/tests/common/initiator.rs"]
mod initiator;

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use initiator::Initiator;
use mmc::{
    BLOCK, Completion, Data, DiscStatus, Drive, Intent, Profile, Reload, Status, StdHost, Transport,
    TransportError,
};
use rig::{patience, until};

const TARGET: &str = "iqn.2026-01.spindle.test:dvd";

/// Bytes of one data PDU: what a target takes that declared nothing (RFC 7143 13.12).
const SEGMENT: usize = 8192;

/// Tells tgt's programs where the socket of their control channel is.
const CONTROL: &str = "TGT_IPC_SOCKET";

/// A target with one DVD+R; ended with this.
struct Tgt {
    process: Child,
    address: SocketAddr,
}

impl Drop for Tgt {
    fn drop(&mut self) {
        // It stays for as long as it has targets, whatever it is asked.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Runs one of the package's programs.
fn run(program: &str, arguments: &[&str], folder: &Path) -> Result<()> {
    let output = Command::new(program)
        .args(arguments)
        .env(CONTROL, folder.join("control"))
        .output()
        .with_context(|| format!("{program}, of Debian's package tgt, does not start"))?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(output.status.success(), "{program} {arguments:?}: {said}");
    Ok(())
}

impl Tgt {
    fn start(folder: &Path) -> Result<Self> {
        let disc = folder.join("disc");
        let disc = disc.to_str().context("a path in UTF-8")?;
        let file = format!("--file={disc}");
        run(
            "tgtimg",
            &["--op", "new", "--device-type", "cd", "--type", "dvd+r", &file],
            folder,
        )?;
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let process = Command::new("tgtd")
            .args(["-f", "--iscsi", &format!("portal={address}")])
            .env(CONTROL, folder.join("control"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("tgtd, of Debian's package tgt, does not start")?;
        let tgt = Self { process, address };
        let admin = |rest: &[&str]| run("tgtadm", &[&["--lld", "iscsi"], rest].concat(), folder);
        until("tgtd", patience(10), || {
            let new = ["--op", "new", "--mode", "target", "--tid", "1", "-T", TARGET];
            Ok(admin(&new).ok())
        })?;
        let unit = ["--op", "new", "--mode", "logicalunit", "--tid", "1", "--lun", "1"];
        admin(&[unit.as_slice(), &["--device-type", "cd", "-b", disc]].concat())?;
        admin(&["--op", "bind", "--mode", "target", "--tid", "1", "-I", "ALL"])?;
        Ok(tgt)
    }
}

/// Our driver's way over the smallest initiator.
struct Iscsi {
    initiator: Initiator,
    tag: u32,
    log: Vec<String>,
}

impl Iscsi {
    fn exchange(&mut self, cdb: &[u8], mut data: Data<'_>) -> Result<Completion> {
        self.tag += 1;
        let (flags, length) = match &data {
            Data::None => (0, 0),
            Data::In(buffer) => (0x40, buffer.len()),
            Data::Out(bytes) => (0x20, bytes.len()),
        };
        let length = u32::try_from(length)?.to_be_bytes();
        let mut block = [0; 16];
        block[..cdb.len()].copy_from_slice(cdb);
        let fields: [(usize, &[u8]); 3] = [(8, &[0, 1]), (20, &length), (32, &block)];
        self.initiator.request(0x01, 0x80 | flags, self.tag, &fields, &[]);
        loop {
            let answer = self.initiator.receive()?;
            match answer.opcode() & 0x3F {
                0x31 => {
                    let Data::Out(bytes) = data else {
                        bail!("data was asked for that there is not")
                    };
                    self.initiator.data_out(&answer, bytes, SEGMENT);
                }
                0x25 => {
                    let at = usize::try_from(answer.word(40))?;
                    if let Data::In(buffer) = &mut data {
                        for (to, from) in buffer.iter_mut().skip(at).zip(&answer.data) {
                            *to = *from;
                        }
                    }
                    if answer.header[1] & 1 != 0 {
                        return Ok(Completion::GOOD);
                    }
                }
                0x21 => {
                    let sense = answer.data.get(2..).unwrap_or_default();
                    return Ok(match Status::from(answer.header[3]) {
                        Status::CheckCondition => Completion::check_condition(sense),
                        status => Completion {
                            status,
                            ..Completion::GOOD
                        },
                    });
                }
                0x20 => {}
                other => bail!("an unexpected PDU {other:02X}h"),
            }
        }
    }
}

impl Transport for Iscsi {
    fn execute(&mut self, cdb: &[u8], data: Data<'_>, _: Duration) -> Result<Completion, TransportError> {
        let done = self.exchange(cdb, data);
        self.log.push(format!("{cdb:02X?} {done:02X?}"));
        done.map_err(|_| TransportError::Timeout)
    }
}

#[test]
fn a_foreign_dvd_burner_is_burned_closed_and_read_back_equal() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let disc = folder.path().join("disc");
    let tgt = Tgt::start(folder.path())?;
    let initiator = Initiator::login(tgt.address, TARGET, 1);
    let transport = Iscsi {
        initiator,
        tag: 0,
        log: Vec::new(),
    };
    let mut drive = Drive::identify(transport, StdHost::new(|_| {}))?;
    ensure!(drive.identity().vendor == "IET", "{:?}", drive.identity());

    let blank = drive.disc()?;
    ensure!(
        blank.profile == Profile::DVD_PLUS_R && blank.status == DiscStatus::Blank,
        "{blank:?}"
    );
    ensure!(drive.diagnose()?.is_sound());
    let blocks = 1_001;
    let image: Vec<u8> = (0..blocks)
        .flat_map(|block: u32| {
            block
                .wrapping_mul(0x9E37_79B9)
                .to_le_bytes()
                .into_iter()
                .cycle()
                .take(BLOCK)
        })
        .collect();
    let first = blank.next_writable().context("a blank disc without an address")?;
    ensure!(first == 0);
    let plan = drive.plan(&Intent::new(first, blocks).finalised())?;
    let cluster = usize::try_from(plan.cluster_blocks())? * BLOCK;
    let mut recorder = drive.record(plan)?;
    for part in image.chunks(cluster) {
        recorder.write(part)?;
    }
    let closed = recorder.finish()?;
    ensure!(closed.status == DiscStatus::Complete, "{closed:?}");
    ensure!(closed.readable >= blocks, "{closed:?}");

    let mut reader = drive.reader();
    reader.defeat_cache(0..blocks, Reload::Forbidden)?;
    let mut read = vec![0; image.len()];
    reader.read(0, &mut read)?;
    ensure!(read == image, "what is read back is not what was burned");
    // And what the target keeps, which is the image as it is.
    ensure!(std::fs::read(&disc)?.starts_with(&image));
    let layout = drive.layout()?;
    ensure!(layout.tracks.len() == 1 && layout.end() >= blocks, "{layout:?}");
    ensure!(
        drive.plan(&Intent::new(0, 1)).is_err(),
        "a DVD-ROM was to be written"
    );
    Ok(())
}
