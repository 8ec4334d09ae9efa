//! Keys: who a box or a workstation is.

use core::fmt;
use core::str::FromStr;

use curve25519_dalek::MontgomeryPoint;
use displaydoc::Display;
use snow::Builder;
use zeroize::Zeroizing;

use crate::Error;
use crate::handshake::KNOWN;

/// A private key, X25519: 32 bytes, wiped when dropped. `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<[u8; 32]>);

/// A public key, X25519: 32 bytes. Shown and read as 64 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Public(pub [u8; 32]);

/// Why a text is no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Display, thiserror::Error)]
pub enum KeyError {
    /// a key has 64 hexadecimal digits
    NotAKey,
}

impl Secret {
    /// A new key from the system's randomness.
    ///
    /// # Errors
    /// [`Error::NoRandomness`].
    pub fn generate() -> Result<Self, Error> {
        let parameters = KNOWN.parse().map_err(|_| Error::Handshake)?;
        let pair = Builder::new(parameters)
            .generate_keypair()
            .map_err(|_| Error::NoRandomness("the system gives none"))?;
        let bytes = Zeroizing::new(pair.private);
        let bytes = <[u8; 32]>::try_from(bytes.as_slice()).map_err(|_| Error::Handshake)?;
        Ok(Self(Zeroizing::new(bytes)))
    }

    /// The key of these bytes, as [`Secret::bytes`] gave them.
    #[must_use]
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// The bytes, for keeping them where nobody else reads.
    #[must_use]
    pub fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The public key that belongs to it.
    #[must_use]
    pub fn public(&self) -> Public {
        Public(MontgomeryPoint::mul_base_clamped(*self.0).to_bytes())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

impl fmt::Display for Public {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl FromStr for Public {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let mut key = [0; 32];
        let digits = text.as_bytes();
        if digits.len() != 64 {
            return Err(KeyError::NotAKey);
        }
        for (byte, pair) in key.iter_mut().zip(digits.chunks_exact(2)) {
            let pair = core::str::from_utf8(pair).map_err(|_| KeyError::NotAKey)?;
            if pair.starts_with('+') {
                return Err(KeyError::NotAKey);
            }
            *byte = u8::from_str_radix(pair, 16).map_err(|_| KeyError::NotAKey)?;
        }
        Ok(Self(key))
    }
}
