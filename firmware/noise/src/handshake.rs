//! Shaking hands, from either end.

use std::sync::Arc;

use embedded_io::{Error as _, Read, ReadExactError, Write};
use snow::{Builder, HandshakeState};
use spake2::{Ed25519Group, Identity, Password, Spake2};
use zeroize::Zeroizing;

use crate::record::{Opener, Sealer};
use crate::{Code, Error, Public, Secret};

/// The handshake between ends that may know each other.
pub(crate) const KNOWN: &str = "Noise_XX_25519_ChaChaPoly_BLAKE2s";
/// The handshake that a code vouches for.
const PAIRED: &str = "Noise_XXpsk3_25519_ChaChaPoly_BLAKE2s";

/// SPAKE2 takes different roles for the two ends, so that no message can be turned against its sender.
const WORKSTATION: &[u8] = b"spindle workstation";
const BOX: &[u8] = b"spindle box";

/// Longest message of these handshakes; the longest of XX without payload has 96 bytes.
const MESSAGE: usize = 256;

/// What vouches for the other end.
#[derive(Clone, Copy, Debug)]
pub enum Pattern<'a> {
    /// Its public key, which the caller judges after the handshake.
    Known,
    /// A code that a person carried from one end to the other.
    Paired(&'a Code),
}

/// A channel after the handshake.
#[derive(Debug)]
pub struct Established {
    /// Protects what is sent.
    pub sealer: Sealer,
    /// Checks what is received.
    pub opener: Opener,
    /// Who the other end proved to be.
    pub peer: Public,
}

/// Shakes hands as the workstation. `prologue` is what both ends have said so far.
///
/// A box with another code is noticed by the first record that is opened: [`Error::WrongCode`].
///
/// # Errors
/// Any but [`Error::Tampered`].
pub fn connect<S: Read + Write>(
    stream: &mut S,
    secret: &Secret,
    prologue: &[u8],
    pattern: Pattern<'_>,
) -> Result<Established, Error> {
    let key = agree(stream, pattern, true)?;
    let mut state = state(secret, prologue, key.as_deref(), true)?;
    write(&mut state, stream)?;
    read(&mut state, stream)?;
    write(&mut state, stream)?;
    establish(state, key.is_some())
}

/// Shakes hands as the box. A workstation with another code is told from a known one by [`Error::WrongCode`].
///
/// # Errors
/// Any but [`Error::Tampered`].
pub fn accept<S: Read + Write>(
    stream: &mut S,
    secret: &Secret,
    prologue: &[u8],
    pattern: Pattern<'_>,
) -> Result<Established, Error> {
    let key = agree(stream, pattern, false)?;
    let mut state = state(secret, prologue, key.as_deref(), false)?;
    read(&mut state, stream)?;
    write(&mut state, stream)?;
    match read(&mut state, stream) {
        Err(Error::Handshake) if key.is_some() => return Err(Error::WrongCode),
        other => other?,
    }
    establish(state, false)
}

/// SPAKE2, the workstation first; no key where no code vouches.
fn agree<S: Read + Write>(
    stream: &mut S,
    pattern: Pattern<'_>,
    workstation: bool,
) -> Result<Option<Zeroizing<[u8; 32]>>, Error> {
    let Pattern::Paired(code) = pattern else {
        return Ok(None);
    };
    let start = match workstation {
        true => Spake2::<Ed25519Group>::start_a,
        false => Spake2::<Ed25519Group>::start_b,
    };
    let (pake, ours) = start(
        &Password::new(code.digits()),
        &Identity::new(WORKSTATION),
        &Identity::new(BOX),
    );
    if workstation {
        send(stream, &ours)?;
    }
    let theirs = receive(stream, &mut [0; MESSAGE])?.to_vec();
    if !workstation {
        send(stream, &ours)?;
    }
    shared(pake.finish(&theirs)).map(Some)
}

/// The key both ends have if both have the code.
fn shared(finished: Result<Vec<u8>, spake2::Error>) -> Result<Zeroizing<[u8; 32]>, Error> {
    let key = Zeroizing::new(finished.map_err(|_| Error::Handshake)?);
    let key = <[u8; 32]>::try_from(key.as_slice()).map_err(|_| Error::Handshake)?;
    Ok(Zeroizing::new(key))
}

fn state(
    secret: &Secret,
    prologue: &[u8],
    key: Option<&[u8; 32]>,
    initiator: bool,
) -> Result<HandshakeState, Error> {
    let pattern = if key.is_some() { PAIRED } else { KNOWN };
    let parameters = pattern.parse().map_err(|_| Error::Handshake)?;
    let builder = Builder::new(parameters)
        .prologue(prologue)
        .and_then(|builder| builder.local_private_key(secret.bytes()));
    let builder = match key {
        Some(key) => builder.and_then(|builder| builder.psk(3, key)),
        None => builder,
    };
    builder
        .and_then(|builder| match initiator {
            true => builder.build_initiator(),
            false => builder.build_responder(),
        })
        .map_err(|_| Error::Handshake)
}

fn establish(state: HandshakeState, unproved: bool) -> Result<Established, Error> {
    let peer = state.get_remote_static().ok_or(Error::Handshake)?;
    let peer = Public(peer.try_into().map_err(|_| Error::Handshake)?);
    let transport = state
        .into_stateless_transport_mode()
        .map_err(|_| Error::Handshake)?;
    let transport = Arc::new(transport);
    Ok(Established {
        sealer: Sealer::new(Arc::clone(&transport)),
        opener: Opener::new(transport, unproved),
        peer,
    })
}

fn write<S: Write>(state: &mut HandshakeState, stream: &mut S) -> Result<(), Error> {
    let mut message = [0; MESSAGE];
    let length = state
        .write_message(&[], &mut message)
        .map_err(|_| Error::Handshake)?;
    send(stream, message.get(..length).unwrap_or_default())
}

fn read<S: Read>(state: &mut HandshakeState, stream: &mut S) -> Result<(), Error> {
    let (mut message, mut payload) = ([0; MESSAGE], [0; MESSAGE]);
    let message = receive(stream, &mut message)?;
    match state.read_message(message, &mut payload) {
        // Nothing is said within the handshake: whatever it were, it would not be protected as later words are.
        Ok(0) => Ok(()),
        _ => Err(Error::Handshake),
    }
}

fn send<S: Write>(stream: &mut S, message: &[u8]) -> Result<(), Error> {
    let mut record = Vec::with_capacity(2 + message.len());
    let length = u16::try_from(message.len()).map_err(|_| Error::Handshake)?;
    record.extend(length.to_be_bytes());
    record.extend(message);
    stream
        .write_all(&record)
        .and_then(|()| stream.flush())
        .map_err(|error| Error::Broken(error.kind()))
}

fn receive<'b, S: Read>(stream: &mut S, message: &'b mut [u8; MESSAGE]) -> Result<&'b [u8], Error> {
    let mut length = [0; 2];
    exactly(stream, &mut length)?;
    let length = usize::from(u16::from_be_bytes(length));
    if length == 0 {
        return Err(Error::Refused);
    }
    let message = message.get_mut(..length).ok_or(Error::Handshake)?;
    exactly(stream, message)?;
    Ok(message)
}

pub(crate) fn exactly<S: Read>(stream: &mut S, into: &mut [u8]) -> Result<(), Error> {
    stream.read_exact(into).map_err(|error| match error {
        ReadExactError::UnexpectedEof => Error::Closed,
        ReadExactError::Other(error) => Error::Broken(error.kind()),
    })
}
