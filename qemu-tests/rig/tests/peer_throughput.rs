//! How fast a workstation writes a DVD+R, beside Debian's `tgt`, which emulates one as well.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, ensure};
use rig::peer::{Peer, Workstation};
use rig::{Adapter, Burner, OpticalDrive, Scratch, patience, until};

/// Mebibytes that are burned.
const MEBIBYTES: u64 = 512;

/// The iSCSI name of the other burner.
const NAME: &str = "iqn.2026-01.rig:tgt";

/// A `tgtd` of our own with one DVD+R; killed when dropped.
struct Tgt {
    daemon: Child,
    socket: PathBuf,
    address: SocketAddr,
}

impl Tgt {
    fn start(folder: &Path) -> Result<Self> {
        fs::create_dir_all(folder)?;
        let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
        let socket = folder.join("socket");
        let daemon = Command::new("tgtd")
            .args(["--foreground", "--iscsi", &format!("portal={address}")])
            .env("TGT_IPC_SOCKET", &socket)
            .stdout(Stdio::null())
            .stderr(fs::File::create(folder.join("tgtd.log"))?)
            .spawn()
            .context("tgtd is missing: `cargo xtask setup` installs tgt")?;
        let tgt = Self {
            daemon,
            socket,
            address,
        };
        until("tgtd", patience(20), || Ok(TcpStream::connect(address).ok()))?;

        let disc = folder.join("disc").display().to_string();
        tgt.order(
            "tgtimg",
            &[
                "--op=new",
                "--device-type=cd",
                "--type=dvd+r",
                &format!("--file={disc}"),
            ],
        )?;
        let target = ["--lld=iscsi", "--tid=1"];
        let admin = |more: &[&str]| tgt.order("tgtadm", &[&target[..], more].concat());
        admin(&["--mode=target", "--op=new", &format!("--targetname={NAME}")])?;
        let store = format!("--backing-store={disc}");
        admin(&[
            "--mode=logicalunit",
            "--op=new",
            "--lun=1",
            "--device-type=cd",
            &store,
        ])?;
        admin(&["--mode=target", "--op=bind", "--initiator-address=ALL"])?;
        Ok(tgt)
    }

    fn order(&self, program: &str, arguments: &[&str]) -> Result<()> {
        let done = Command::new(program)
            .args(arguments)
            .env("TGT_IPC_SOCKET", &self.socket)
            .output()
            .with_context(|| format!("{program} is missing: `cargo xtask setup` installs tgt"))?;
        let said = String::from_utf8_lossy(&done.stderr);
        ensure!(done.status.success(), "{program} {arguments:?}: {said}");
        Ok(())
    }
}

impl Drop for Tgt {
    fn drop(&mut self) {
        // It may be gone already.
        let _ = self.daemon.kill();
        let _ = self.daemon.wait();
    }
}

/// Mebibytes a second, from growisofs' start to its end.
fn burn(station: &Workstation, device: &str) -> Result<f64> {
    let commands = format!(
        "truncate -s {MEBIBYTES}M $own/zeros\n\
         read before rest < /proc/uptime\n\
         growisofs -use-the-force-luke=tty,notray -Z $drive=$own/zeros > $own/log 2>&1 || {{ cat $own/log; exit 1; }}\n\
         read after rest < /proc/uptime\n\
         echo $before $after"
    );
    let output = station
        .at(device, &commands)?
        .success()
        .context(device.to_owned())?;
    let text = String::from_utf8_lossy(&output).into_owned();
    let times: Vec<f64> = text
        .split_whitespace()
        .filter_map(|word| word.parse().ok())
        .collect();
    let &[before, after] = times.as_slice() else {
        anyhow::bail!("{text:?} is not two times");
    };
    let mebibytes = f64::from(u32::try_from(MEBIBYTES)?);
    Ok(mebibytes / (after - before))
}

/// Compared and printed, never demanded: how fast it is depends on what else the machine does.
#[test]
#[ignore = "full: writes 512 MiB twice, one minute; printed beside tgt"]
fn a_workstation_writes_to_our_burner_and_to_tgt() -> Result<()> {
    Scratch::within("peer-throughput", |scratch| {
        let tgt = Tgt::start(&scratch.join("tgt"))?;
        let burner = Burner::with_disc("throughput", &burner::DVD_PLUS_R, &scratch.join("disc"), None)?;
        let mut peer = Peer::new(scratch.path())?;
        let ours = peer.burner(&burner);
        let theirs = peer.drive(OpticalDrive::iscsi(tgt.address, NAME, 1, Adapter::VirtioScsi));
        let station = peer.boot()?;
        let (ours, theirs) = (burn(&station, &ours)?, burn(&station, &theirs)?);
        println!(
            "writing a DVD+R without timing: {ours:.1} MiB/s, tgt {theirs:.1} MiB/s, ratio {:.2}",
            ours / theirs
        );
        Ok(())
    })
}
