//! The short code by which a box and a new workstation meet.

use core::fmt;
use core::str::FromStr;

use zeroize::Zeroizing;

/// Digits of a code.
pub const DIGITS: usize = 8;

/// A pairing code: eight decimal digits, shown as `1234-5678`. One of 10^8 is enough for a code that may be tried
/// three times.
#[derive(Clone, PartialEq, Eq)]
pub struct Code(Zeroizing<[u8; DIGITS]>);

impl Code {
    /// A code from random bytes.
    #[must_use]
    pub fn from_random(random: u64) -> Self {
        let mut rest = random;
        let mut digits = [0; DIGITS];
        for digit in &mut digits {
            // The bias of 2^64 modulo 10^8 is below 10^-11.
            *digit = b'0' + u8::try_from(rest % 10).unwrap_or_default();
            rest /= 10;
        }
        Self(Zeroizing::new(digits))
    }

    /// The digits.
    pub(crate) fn digits(&self) -> &[u8] {
        &*self.0
    }
}

impl FromStr for Code {
    type Err = CodeError;

    /// As a person types it: blanks and hyphens do not matter.
    fn from_str(text: &str) -> Result<Self, CodeError> {
        let mut typed = text.bytes().filter(|byte| !matches!(byte, b' ' | b'-'));
        let mut digits = [0; DIGITS];
        for digit in &mut digits {
            *digit = typed
                .next()
                .filter(u8::is_ascii_digit)
                .ok_or(CodeError::NotACode)?;
        }
        match typed.next() {
            None => Ok(Self(Zeroizing::new(digits))),
            Some(_) => Err(CodeError::NotACode),
        }
    }
}

/// Why a text is no code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, displaydoc::Display, thiserror::Error)]
pub enum CodeError {
    /// a pairing code has eight digits, such as 1234-5678
    NotACode,
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = core::str::from_utf8(&*self.0).unwrap_or_default();
        let (a, b) = text.split_at(DIGITS / 2);
        write!(f, "{a}-{b}")
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Code(..)")
    }
}
