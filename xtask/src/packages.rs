//! The Debian 12 packages this repository builds and proves with, and why each is there.

/// One package.
#[derive(Debug, Clone, Copy)]
pub struct Package {
    /// Its name in Debian 12 (bookworm).
    pub name: &'static str,
    /// What it is needed for.
    pub reason: &'static str,
}

const fn package(name: &'static str, reason: &'static str) -> Package {
    Package { name, reason }
}

/// Everything needed, in the order of use.
pub const PACKAGES: &[Package] = &[
    // The kernel.
    package("linux-source-6.12", "the kernel's source"),
    package("gcc", "the kernel's compiler, and the linker of everything else"),
    package("libc6-dev", "the C library the static executable contains"),
    package("make", "the kernel's build"),
    package("flex", "the kernel's configuration parser"),
    package("bison", "the kernel's configuration parser"),
    package("bc", "the kernel's time constants"),
    package(
        "libelf-dev",
        "objtool, which checks the kernel's stack traces and return paths",
    ),
    package("xz-utils", "unpacks the kernel's source"),
    package("zstd", "packs the kernel"),
    package("git", "knows the sources a full run of the tests was made with"),
    // Disks.
    package("e2fsprogs", "makes and checks the data partition"),
    package("mount", "mounts a disk that lost its power (mount)"),
    package("gdisk", "a second opinion on partition tables"),
    // Boxes in QEMU and the emulated burner.
    package("qemu-system-x86", "boots boxes"),
    package(
        "qemu-utils",
        "a foreign client of the disk that loses its power (qemu-io)",
    ),
    package(
        "qemu-block-extra",
        "the iSCSI client that puts the emulated burner behind scsi-generic",
    ),
    package(
        "libiscsi-bin",
        "a foreign iSCSI client to prove the emulated burner with",
    ),
    package(
        "tgt",
        "a foreign DVD+R burner behind iSCSI, for our driver to burn",
    ),
    // Readers nobody here wrote.
    package("p7zip-full", "reads UDF"),
    package("xorriso", "reads ISO 9660 with Rock Ridge"),
    package(
        "libarchive-tools",
        "reads ISO 9660 and initramfs archives (bsdtar)",
    ),
    package(
        "genisoimage",
        "makes discs in a foreign hand, for the reader and as a measure of speed",
    ),
    package("udftools", "shows and makes UDF (udfinfo, mkudffs)"),
    package("libcdio-utils", "reads ISO 9660 (iso-info, iso-read)"),
    package("libudfread-dev", "reads UDF, by a program of a few lines"),
    package("minisign", "makes keys and verifies the signatures of discs"),
    package("python3-pycdlib", "makes and reads discs in yet another hand"),
    package("udfclient", "reads UDF on partitions of every kind"),
    // The peer workstation: programs whose discs must be readable, on media that must be burnable.
    package(
        "dvd+rw-tools",
        "burns with growisofs and tells with dvd+rw-mediainfo",
    ),
    package("cdrskin", "burns with libburn"),
    package("wodim", "burns as cdrecord does"),
    package(
        "busybox-static",
        "the peer's everyday commands: mount, cmp, poweroff",
    ),
    package(
        "python3-venv",
        "an environment for the tests' Python packages (pip brings those)",
    ),
    // Networks of the tests.
    package("iproute2", "makes network namespaces and links (ip)"),
];
