//! cargo xtask build: the static executable, the kernel and the initramfs, side by side in the target directory.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};
use images::{BoxArtifacts, board::Board, initramfs, kernel};

use crate::{progress::KernelBuild, repository, target};

const TRIPLE: &str = "x86_64-unknown-linux-gnu";

/// What to build.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Options {
    /// The kernel's source archive, instead of Debian's.
    #[arg(long, value_name = "FILE")]
    pub kernel_source: Option<PathBuf>,
    /// A box whose roles can be made to fail; never in a release.
    #[arg(long)]
    pub faults: bool,
    /// The board: a folder in board/ [default: qemu].
    #[arg(long, value_name = "NAME")]
    pub board: Option<String>,
}

impl Options {
    fn board(&self) -> &str {
        self.board.as_deref().unwrap_or("qemu")
    }

    /// Where the results go: `target/box/<board>`, with `-faults` for a box that can be made to fail.
    fn results(&self) -> PathBuf {
        let faults = if self.faults { "-faults" } else { "" };
        target().join("box").join(format!("{}{faults}", self.board()))
    }
}

/// Builds everything a box boots from and prints the sizes.
pub fn run(options: &Options) -> Result<BoxArtifacts> {
    let board = Board::read(&repository().join("board"), options.board())?;
    let executable = executable(options.faults)?;
    let kernel = kernel(&board, options.kernel_source.as_deref())?;
    let artifacts = BoxArtifacts::inside(&options.results());
    place(&kernel.image, &artifacts.kernel)?;
    place(&kernel.config, &artifacts.config)?;
    initramfs::assemble(&executable, &artifacts.initramfs)?;
    let artifacts = BoxArtifacts::at(&options.results())?;
    print_sizes(&executable, &artifacts)?;
    Ok(artifacts)
}

/// The one executable of the box, static: an initramfs has no libraries.
fn executable(faults: bool) -> Result<PathBuf> {
    // Apart from each other, so that neither can be taken for the other and neither rebuilds the other.
    let target = target().join(if faults { "box-faults" } else { "box-release" });
    let mut cargo = cargo_build("spindle-box", &target);
    cargo.args(["--profile", "firmware", "--target", TRIPLE]);
    if faults {
        cargo.args(["--features", "faults"]);
    }
    cargo.env(
        "CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUSTFLAGS",
        "-C target-feature=+crt-static",
    );
    succeed(cargo, "the box executable")?;
    Ok(target.join(TRIPLE).join("firmware").join("spindle-box"))
}

/// The kernel of the peer workstation in tests, at `target/peer/bzImage`.
pub fn peer(source: Option<&Path>) -> Result<PathBuf> {
    let board = Board::read(&repository().join("board"), "peer")?;
    let image = target().join("peer").join("bzImage");
    place(&kernel(&board, source)?.image, &image)?;
    Ok(image)
}

/// The workstation's command line program, `spindle`.
pub fn cli() -> Result<PathBuf> {
    // The profile of the tests: most of what it is made of is built already, with full optimisation.
    succeed(cargo_build("spindle-cli", &target()), "the command line program")?;
    Ok(target().join("debug").join("spindle"))
}

/// Builds a program of the workspace and runs it to its end.
pub fn run_program(package: &str, options: &[std::ffi::OsString]) -> Result<()> {
    succeed(cargo_build(package, &target()), package)?;
    let program = target().join("debug").join(package);
    let status = Command::new(&program).args(options).status();
    let status = status.with_context(|| format!("cannot run {}", program.display()))?;
    if !status.success() {
        bail!("{package} ended with {status}");
    }
    Ok(())
}

fn cargo_build(package: &str, target: &Path) -> Command {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo
        .current_dir(repository())
        .args(["build", "--locked", "--package", package]);
    cargo.arg("--target-dir").arg(target);
    cargo
}

fn succeed(mut cargo: Command, what: &str) -> Result<()> {
    if !cargo.status().context("cannot run cargo")?.success() {
        bail!("{what} does not build; cargo's messages are above");
    }
    Ok(())
}

fn kernel(board: &Board, source: Option<&Path>) -> Result<kernel::Kernel> {
    let source = source.unwrap_or(Path::new(kernel::DEBIAN_SOURCE));
    let mut shown = KernelBuild::new();
    let kernel = kernel::build(&kernel::cache_directory()?, source, board, &mut |progress| {
        shown.report(progress)
    });
    shown.finish();
    Ok(kernel?)
}

/// A copy under the final name, complete from its first moment there.
fn place(from: &Path, to: &Path) -> Result<()> {
    let directory = to.parent().context("a result has a directory")?;
    fs::create_dir_all(directory).with_context(|| format!("cannot create {}", directory.display()))?;
    let partial = to.with_extension(format!("{}.partial", std::process::id()));
    fs::copy(from, &partial)
        .and_then(|_| fs::rename(&partial, to))
        .with_context(|| format!("cannot copy {} to {}", from.display(), to.display()))
}

fn print_sizes(executable: &Path, artifacts: &BoxArtifacts) -> Result<()> {
    for (what, path) in [
        ("executable", executable),
        ("kernel", &artifacts.kernel),
        ("initramfs", &artifacts.initramfs),
    ] {
        let bytes = fs::metadata(path)
            .with_context(|| format!("cannot look at {}", path.display()))?
            .len();
        println!("{what:18} {bytes:>10} bytes  {}", path.display());
    }
    println!(
        "{:18} {:>10} bytes",
        "kernel + initramfs",
        artifacts.boot_bytes()?
    );
    Ok(())
}
