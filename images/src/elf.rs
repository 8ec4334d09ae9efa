//! Is an executable complete in itself? The ELF header and its program headers tell.
//!
//! Source: System V ABI, chapters 4 "ELF header" and 5 "Program header"; 64-bit, little-endian.

use crate::{Error, Result};

const CLASS_64_LITTLE_ENDIAN: &[u8] = b"\x7fELF\x02\x01";
const MACHINE_X86_64: u16 = 62;
const SEGMENT_INTERPRETER: u32 = 3;

/// Passes a 64-bit x86 executable that names no dynamic loader (static, or static and position-independent).
pub fn check_static(bytes: &[u8]) -> Result<()> {
    let broken = |reason| Error::NotExecutable { reason };
    if !bytes.starts_with(CLASS_64_LITTLE_ENDIAN) {
        return Err(broken("no ELF header of that class"));
    }
    let header = View(bytes);
    if header.u16(18) != Some(MACHINE_X86_64) {
        return Err(broken("made for another processor"));
    }
    let truncated = || broken("its program headers are outside the file");
    let table = header.offset(32).ok_or_else(truncated)?;
    let entry_size = usize::from(header.u16(54).ok_or_else(truncated)?);
    let entries = usize::from(header.u16(56).ok_or_else(truncated)?);
    if entries == 0 {
        return Err(broken("no program headers"));
    }
    for entry in 0..entries {
        let start = entry_size
            .checked_mul(entry)
            .and_then(|offset| offset.checked_add(table))
            .ok_or_else(truncated)?;
        let segment = View(bytes.get(start..).ok_or_else(truncated)?);
        if segment.u32(0).ok_or_else(truncated)? == SEGMENT_INTERPRETER {
            let interpreter = segment
                .offset(8)
                .zip(segment.offset(32))
                .and_then(|(offset, length)| bytes.get(offset..offset.checked_add(length)?))
                .ok_or_else(truncated)?;
            let interpreter = String::from_utf8_lossy(interpreter)
                .trim_end_matches('\0')
                .to_owned();
            return Err(Error::Dynamic { interpreter });
        }
    }
    Ok(())
}

/// Little-endian fields of bytes that may end too early.
struct View<'a>(&'a [u8]);

impl View<'_> {
    fn field<const LENGTH: usize>(&self, offset: usize) -> Option<[u8; LENGTH]> {
        self.0.get(offset..offset.checked_add(LENGTH)?)?.try_into().ok()
    }

    fn u16(&self, offset: usize) -> Option<u16> {
        self.field(offset).map(u16::from_le_bytes)
    }

    fn u32(&self, offset: usize) -> Option<u32> {
        self.field(offset).map(u32::from_le_bytes)
    }

    fn offset(&self, offset: usize) -> Option<usize> {
        usize::try_from(self.field(offset).map(u64::from_le_bytes)?).ok()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn own_executable() -> Vec<u8> {
        std::fs::read(std::env::current_exe().expect("this test's path")).expect("readable")
    }

    #[test]
    fn the_loader_of_a_dynamic_executable_is_named() {
        let error = check_static(&own_executable()).expect_err("tests are linked dynamically");
        assert!(
            matches!(&error, Error::Dynamic { interpreter } if interpreter.starts_with("/lib")),
            "{error}"
        );
    }

    #[test]
    fn without_the_interpreter_segment_it_is_static() {
        let mut bytes = own_executable();
        let table = View(&bytes).offset(32).expect("a header");
        let (size, count) = (
            View(&bytes).u16(54).expect("a header"),
            View(&bytes).u16(56).expect("a header"),
        );
        for entry in 0..usize::from(count) {
            let start = table + entry * usize::from(size);
            if View(&bytes[start..]).u32(0) == Some(SEGMENT_INTERPRETER) {
                bytes[start..start + 4].fill(0);
            }
        }
        check_static(&bytes).expect("static");
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(mut bytes in proptest::collection::vec(any::<u8>(), 0..200), elf: bool) {
            if elf {
                bytes.splice(..bytes.len().min(6), CLASS_64_LITTLE_ENDIAN.iter().copied());
                if let Some(machine) = bytes.get_mut(18..20) {
                    machine.copy_from_slice(&MACHINE_X86_64.to_le_bytes());
                }
            }
            let _ = check_static(&bytes);
        }
    }
}
