//! Kernel configuration as text: fragments, what came of them, what must never be on.
//!
//! The format is the kernel's own (`Documentation/kbuild/kconfig.rst`): `CONFIG_NAME=value`, or
//! `# CONFIG_NAME is not set` for an option that is off. An option a `.config` does not name is off too:
//! its dependencies hide it.

use std::{collections::BTreeMap, path::Path};

use crate::{Error, Result};

/// Options that would let the kernel parse hostile bytes, or be changed while it runs.
pub const FORBIDDEN: &[&str] = &[
    // TCP/IP: packets are parsed by the net role.
    "INET",
    "IPV6",
    // Discs are parsed by readers; the optical block device would let the kernel try.
    "BLK_DEV_SR",
    "CDROM",
    "ISO9660_FS",
    "UDF_FS",
    "FAT_FS",
    "MSDOS_FS",
    "VFAT_FS",
    "EXFAT_FS",
    "NTFS_FS",
    "NTFS3_FS",
    "HFS_FS",
    "HFSPLUS_FS",
    "SQUASHFS",
    "FUSE_FS",
    "MSDOS_PARTITION",
    "MAC_PARTITION",
    // Code and memory of the running kernel stay what they are.
    "MODULES",
    "KEXEC_CORE",
    "BPF_SYSCALL",
    "DEVMEM",
    "DEVPORT",
    "PROC_KCORE",
    "DEBUG_FS",
    "MAGIC_SYSRQ",
    // System calls that are surface without use.
    "IA32_EMULATION",
    "X86_X32_ABI",
    "MODIFY_LDT_SYSCALL",
    "USER_NS",
    "USERFAULTFD",
    "IO_URING",
    // The command line belongs to the slot.
    "CMDLINE_BOOL",
];

/// One option and what it is to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// The name without `CONFIG_`.
    pub option: String,
    /// The value as written (`y`, a number, a quoted string), or `None` for off.
    pub value: Option<String>,
}

impl Choice {
    /// The line that makes this choice, as a `.config` has it.
    pub fn line(&self) -> String {
        match &self.value {
            Some(value) => format!("CONFIG_{}={value}", self.option),
            None => format!("# CONFIG_{} is not set", self.option),
        }
    }
}

/// The choices of a fragment. Unlike the kernel's tools it accepts nothing it does not understand: a comment that
/// looks like a choice, a blank in the wrong place.
pub fn parse_fragment(path: &Path, text: &str) -> Result<Vec<Choice>> {
    let mut choices = Vec::new();
    for (line, text) in (1..).zip(text.lines()) {
        match choice(text) {
            Some(choice) => choices.push(choice),
            None if text.is_empty() || (text.starts_with('#') && !text.starts_with("# CONFIG_")) => {}
            None => {
                return Err(Error::FragmentSyntax {
                    path: path.to_owned(),
                    line,
                    text: text.to_owned(),
                });
            }
        }
    }
    Ok(choices)
}

/// The choices with only the last one for each option, where it stood last.
pub fn last_word(choices: Vec<Choice>) -> Vec<Choice> {
    let last: BTreeMap<String, usize> = choices
        .iter()
        .enumerate()
        .map(|(index, choice)| (choice.option.clone(), index))
        .collect();
    choices
        .into_iter()
        .enumerate()
        .filter(|(index, choice)| last.get(&choice.option) == Some(index))
        .map(|(_, choice)| choice)
        .collect()
}

/// Compares a built `.config` with what the fragments asked for: every choice has to be in it.
pub fn check_requested(requested: &[Choice], built: &str) -> Result<()> {
    let built = parse_built(built);
    let dropped: Vec<String> = requested
        .iter()
        .filter(|choice| built.get(choice.option.as_str()).copied() != choice.value.as_deref())
        .map(Choice::line)
        .collect();
    if dropped.is_empty() {
        Ok(())
    } else {
        Err(Error::OptionsDropped {
            options: dropped.join(", "),
        })
    }
}

/// Looks for options in a built `.config` that must be off ([`FORBIDDEN`]); a module counts as on.
pub fn check_forbidden(built: &str) -> Result<()> {
    let built = parse_built(built);
    let on: Vec<&str> = FORBIDDEN
        .iter()
        .copied()
        .filter(|option| built.contains_key(option))
        .collect();
    if on.is_empty() {
        Ok(())
    } else {
        Err(Error::OptionsForbidden {
            options: on.join(", "),
        })
    }
}

fn parse_built(text: &str) -> BTreeMap<&str, &str> {
    text.lines()
        .filter_map(|line| line.strip_prefix("CONFIG_")?.split_once('='))
        .collect()
}

fn choice(line: &str) -> Option<Choice> {
    let (option, value) = match line.strip_prefix("# CONFIG_") {
        Some(rest) => (rest.strip_suffix(" is not set")?, None),
        None => {
            let (option, value) = line.strip_prefix("CONFIG_")?.split_once('=')?;
            (option, Some(value))
        }
    };
    let named = !option.is_empty()
        && option
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    let valued = value.is_none_or(|value| !value.is_empty() && value.trim() == value);
    (named && valued).then(|| Choice {
        option: option.to_owned(),
        value: value.map(str::to_owned),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const BUILT: &str = "#\n# Automatically generated file\n#\nCONFIG_NET=y\nCONFIG_NR_CPUS=16\n# CONFIG_INET is not set\nCONFIG_LSM=\"landlock\"\n";

    fn parse(text: &str) -> Result<Vec<Choice>> {
        parse_fragment(Path::new("test.config"), text)
    }

    #[test]
    fn what_was_asked_for_and_built_passes() {
        let requested =
            parse("# Why.\n\nCONFIG_NET=y\nCONFIG_LSM=\"landlock\"\n# CONFIG_INET is not set\n# CONFIG_KEXEC is not set\n")
                .expect("a fragment");
        assert_eq!(requested.len(), 4);
        check_requested(&requested, BUILT).expect("all there");
        check_forbidden(BUILT).expect("nothing forbidden");
    }

    #[test]
    fn a_dropped_option_is_named() {
        for line in ["CONFIG_R8169=y", "CONFIG_NR_CPUS=1", "# CONFIG_NET is not set"] {
            let error = check_requested(&parse(line).expect("a fragment"), BUILT).expect_err("dropped");
            assert!(error.to_string().contains(line), "{error}");
        }
    }

    #[test]
    fn every_forbidden_option_is_found_when_on() {
        for option in FORBIDDEN {
            for value in ["y", "m"] {
                let error = check_forbidden(&format!("{BUILT}CONFIG_{option}={value}\n")).expect_err("on");
                assert!(
                    matches!(&error, Error::OptionsForbidden { options } if options == option),
                    "{error}"
                );
            }
            check_forbidden(&format!("{BUILT}# CONFIG_{option} is not set\n")).expect("off");
            check_forbidden(&format!("{BUILT}CONFIG_{option}_HELPER=y\n")).expect("another option");
        }
    }

    #[test]
    fn a_line_that_only_looks_like_a_choice_is_refused() {
        for line in [
            "# CONFIG_INET=y",
            "CONFIG_INET",
            "CONFIG_INET= y",
            " CONFIG_INET=y",
            "INET=y",
            "CONFIG_=y",
            "CONFIG_A-B=y",
        ] {
            assert!(
                matches!(parse(line), Err(Error::FragmentSyntax { line: 1, .. })),
                "{line}"
            );
        }
    }

    #[test]
    fn a_later_fragment_has_the_last_word() {
        let choices =
            last_word(parse("CONFIG_A=y\nCONFIG_B=y\n# CONFIG_A is not set\n").expect("a fragment"));
        let lines: Vec<String> = choices.iter().map(Choice::line).collect();
        assert_eq!(lines, ["CONFIG_B=y", "# CONFIG_A is not set"]);
    }
}
