//! Builds the kernel from a source archive and a board's configuration, once, and keeps it.
//!
//! A kernel lives in `<cache>/spindle/kernel/<key>/`, where the key covers the archive, every option, the compiler
//! and [`RECIPE`]. The folder appears by rename when everything in it is complete; a lock keeps two builders apart.

use std::{
    env,
    ffi::OsString,
    fs::{self, File},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    process::Command,
    thread,
};

use sha2::{Digest, Sha256};

use crate::{
    Error, Result,
    board::Board,
    files::{self, failed},
    kconfig::{self, Choice},
    process::{follow, output, run},
};

/// The source archive Debian's package `linux-source-6.12` installs.
pub const DEBIAN_SOURCE: &str = "/usr/src/linux-source-6.12.tar.xz";

/// Changes whenever the same inputs would be built in another way.
const RECIPE: u32 = 1;

const IMAGE: &str = "bzImage";
const CONFIG: &str = "kernel.config";

/// What a build is doing; long stages report more than once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    /// Another process builds a kernel into the same cache.
    Waiting,
    /// The source archive is being unpacked.
    Unpacking,
    /// The options are being turned into a configuration.
    Configuring,
    /// So many steps are done, the last of them as the kernel's own build names it.
    Compiling {
        /// Steps so far.
        steps: usize,
        /// The kind of the last step and the file it makes.
        last: String,
    },
    /// The kernel is kept; source and objects are being removed.
    Tidying,
}

/// A built kernel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kernel {
    /// The bzImage.
    pub image: PathBuf,
    /// The complete `.config` it was built with.
    pub config: PathBuf,
}

/// The user's cache directory for this project: `$XDG_CACHE_HOME/spindle`, or `~/.cache/spindle`.
pub fn cache_directory() -> Result<PathBuf> {
    let absolute = |name: &str| {
        env::var_os(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    absolute("XDG_CACHE_HOME")
        .or_else(|| absolute("HOME").map(|home| home.join(".cache")))
        .map(|cache| cache.join("spindle"))
        .ok_or(Error::NoCacheDirectory)
}

/// The kernel for `board` from `source`, out of the cache when it was built before.
pub fn build(
    cache: &Path,
    source: &Path,
    board: &Board,
    progress: &mut dyn FnMut(Progress),
) -> Result<Kernel> {
    let kernels = cache.join("kernel");
    let folder = kernels.join(key(source, board)?);
    if let Some(kernel) = cached(&folder) {
        return Ok(kernel);
    }
    files::create_directory(&kernels)?;
    let _lock = lock(&kernels, progress)?;
    // The one waited for may have built just this.
    if let Some(kernel) = cached(&folder) {
        return Ok(kernel);
    }
    sweep(&kernels)?;
    let work = folder.with_extension("partial");
    build_in(&work, source, board, progress)?;
    files::rename(&work.join("result"), &folder)?;
    progress(Progress::Tidying);
    remove(&work)?;
    cached(&folder).ok_or(Error::NotBuilt {
        path: folder.join(IMAGE),
    })
}

fn cached(folder: &Path) -> Option<Kernel> {
    let kernel = Kernel {
        image: folder.join(IMAGE),
        config: folder.join(CONFIG),
    };
    (kernel.image.is_file() && kernel.config.is_file()).then_some(kernel)
}

/// The archive counts by name, length and time of change: reading 150 MB on every start would cost more than it tells.
fn key(source: &Path, board: &Board) -> Result<String> {
    let missing = |_| Error::NoKernelSource {
        path: source.to_owned(),
    };
    let source = source.canonicalize().map_err(missing)?;
    let about = fs::metadata(&source).map_err(failed("look at", &source))?;
    let name = source.file_name().unwrap_or_default().to_string_lossy();
    let compiler = output(Command::new("gcc").arg("--version"), "gcc")?;
    let mut text = format!(
        "{RECIPE}\n{name} {} {}.{}\n",
        about.len(),
        about.mtime(),
        about.mtime_nsec()
    );
    text.push_str(compiler.lines().next().unwrap_or_default());
    text.push('\n');
    text.push_str(&fragment(&board.choices));
    if !board.hardened {
        // Never taken for a box's, even with the same options.
        text.push_str("not hardened\n");
    }
    let digest = Sha256::digest(text);
    Ok(digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect())
}

fn fragment(choices: &[Choice]) -> String {
    choices.iter().map(|choice| choice.line() + "\n").collect()
}

fn lock(kernels: &Path, progress: &mut dyn FnMut(Progress)) -> Result<File> {
    let path = kernels.join("lock");
    let file = File::create(&path).map_err(failed("create", &path))?;
    if file.try_lock().is_err() {
        progress(Progress::Waiting);
        file.lock().map_err(failed("lock", &path))?;
    }
    Ok(file)
}

/// Removes what builds that failed or were interrupted left: 2 GB each, and whoever holds the lock is alone.
fn sweep(kernels: &Path) -> Result<()> {
    for entry in fs::read_dir(kernels).map_err(failed("list", kernels))? {
        let path = entry.map_err(failed("list", kernels))?.path();
        if path.extension().is_some_and(|extension| extension == "partial") {
            remove(&path)?;
        }
    }
    Ok(())
}

fn remove(path: &Path) -> Result<()> {
    fs::remove_dir_all(path).map_err(failed("remove", path))
}

fn build_in(work: &Path, source: &Path, board: &Board, progress: &mut dyn FnMut(Progress)) -> Result<()> {
    let [tree, objects, result] = ["source", "objects", "result"].map(|name| work.join(name));
    for directory in [&tree, &objects, &result] {
        files::create_directory(directory)?;
    }

    progress(Progress::Unpacking);
    let mut tar = Command::new("tar");
    tar.args(["--extract", "--strip-components=1", "--file"])
        .arg(source)
        .arg("--directory")
        .arg(&tree);
    run(tar, "tar (unpacking the kernel source)")?;

    progress(Progress::Configuring);
    let asked = work.join("asked.config");
    files::replace(&asked, fragment(&board.choices).as_bytes())?;
    // Whatever the fragments do not name is off, also what later kernels add.
    let mut configure = make(&tree, &objects);
    configure.env("KCONFIG_ALLCONFIG", &asked).arg("allnoconfig");
    run(configure, "make allnoconfig")?;
    let built = objects.join(".config");
    let text = files::read_text(&built)?;
    kconfig::check_requested(&board.choices, &text)?;
    if board.hardened {
        kconfig::check_forbidden(&text)?;
    }

    let jobs = thread::available_parallelism().map_or(1, usize::from);
    let mut compile = make(&tree, &objects);
    compile.arg(format!("--jobs={jobs}")).arg(IMAGE);
    let mut steps = 0;
    follow(compile, "make bzImage", &work.join("build.log"), &mut |line| {
        steps += 1;
        let last = line.split_whitespace().collect::<Vec<_>>().join(" ");
        progress(Progress::Compiling { steps, last });
    })?;
    files::replace(
        &result.join(IMAGE),
        &files::read(&objects.join("arch/x86/boot").join(IMAGE))?,
    )?;
    files::replace(&result.join(CONFIG), text.as_bytes())
}

/// `make` in the kernel's tree, deaf to its caller's environment and with nothing of this machine in the result.
fn make(tree: &Path, objects: &Path) -> Command {
    let mut objects_variable = OsString::from("O=");
    objects_variable.push(objects);
    let mut command = Command::new("make");
    command.env_clear().envs(
        ["PATH", "HOME", "TMPDIR"]
            .iter()
            .filter_map(|name| Some((name, env::var_os(name)?))),
    );
    command
        .env("LC_ALL", "C")
        .arg("--directory")
        .arg(tree)
        .arg(objects_variable)
        .args([
            "ARCH=x86_64",
            "KBUILD_BUILD_TIMESTAMP=1970-01-01 00:00:00 UTC",
            "KBUILD_BUILD_USER=spindle",
            "KBUILD_BUILD_HOST=spindle",
            "KBUILD_BUILD_VERSION=1",
        ]);
    command
}
