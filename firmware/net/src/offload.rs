//! What is done to each frame: checksum offload, and one correction of smoltcp.
//!
//! A packet socket has a virtio-net header before every frame. A frame that comes in may have no finished checksum yet (its sender runs on this machine, or a
//! virtual one) or one the NIC has already verified; the header says so. All others are verified here,
//! so smoltcp never does. A frame that goes out carries the sum of its pseudo-header, and NIC or
//! kernel finish it.

use std::ops::Range;

/// Bytes of the header (virtio 1.2 §5.1.6, without `num_buffers`; host byte order on packet sockets).
pub const HEADER_SIZE: usize = 10;

/// `VIRTIO_NET_HDR_F_NEEDS_CSUM`: the checksum from `csum_start` on is still to be computed.
const NEEDS_CHECKSUM: u8 = 1;
/// `VIRTIO_NET_HDR_F_DATA_VALID`: the NIC verified the checksum.
const DATA_VALID: u8 = 2;

const ETHERNET_HEADER: usize = 14;
const IPV4: u16 = 0x0800;
const IPV6: u16 = 0x86DD;
const IPV6_HEADER: usize = 40;
const HOP_BY_HOP: u8 = 0;
const TCP: u8 = 6;
const UDP: u8 = 17;

/// What an IP packet carries, found inside an Ethernet frame.
struct Carried {
    protocol: u8,
    /// Where in the frame it is.
    range: Range<usize>,
    /// Whether an IPv4 packet: UDP without checksum is legal there.
    version4: bool,
    /// The folded sum of the pseudo-header (RFC 9293 §3.1, RFC 8200 §8.1).
    pseudo_header: u16,
}

fn byte(frame: &[u8], at: usize) -> Option<u8> {
    frame.get(at).copied()
}

fn half(frame: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes([byte(frame, at)?, byte(frame, at + 1)?]))
}

/// One's complement sum (RFC 1071), folded; an odd last byte counts as the high half.
fn sum(bytes: &[u8]) -> u16 {
    let (words, rest) = bytes.as_chunks::<4>();
    let mut total: u64 = words
        .iter()
        .map(|word| u64::from(u32::from_be_bytes(*word)))
        .sum();
    let mut last = [0; 4];
    for (to, from) in last.iter_mut().zip(rest) {
        *to = *from;
    }
    total += u64::from(u32::from_be_bytes(last));
    fold(total)
}

fn fold(mut total: u64) -> u16 {
    while total > 0xFFFF {
        total = (total & 0xFFFF) + (total >> 16);
    }
    u16::try_from(total).unwrap_or_default()
}

impl Carried {
    /// `None` when the frame is not IP, is cut short, or is a fragment.
    fn find(frame: &[u8]) -> Option<Self> {
        let (mut protocol, mut start, end, addresses, version4) = match half(frame, 12)? {
            IPV4 => {
                let header = usize::from(byte(frame, ETHERNET_HEADER)? & 0x0F) * 4;
                let total = usize::from(half(frame, ETHERNET_HEADER + 2)?);
                let fragment = half(frame, ETHERNET_HEADER + 6)? & 0x3FFF; // more fragments, or an offset
                if fragment != 0 || header < 20 {
                    return None;
                }
                let addresses = frame.get(ETHERNET_HEADER + 12..ETHERNET_HEADER + 20)?;
                let protocol = byte(frame, ETHERNET_HEADER + 9)?;
                (
                    protocol,
                    ETHERNET_HEADER + header,
                    ETHERNET_HEADER + total,
                    addresses,
                    true,
                )
            }
            IPV6 => {
                let start = ETHERNET_HEADER + IPV6_HEADER;
                let length = usize::from(half(frame, ETHERNET_HEADER + 4)?);
                let addresses = frame.get(ETHERNET_HEADER + 8..start)?;
                (
                    byte(frame, ETHERNET_HEADER + 6)?,
                    start,
                    start + length,
                    addresses,
                    false,
                )
            }
            _ => return None,
        };
        if !version4 && protocol == HOP_BY_HOP {
            protocol = byte(frame, start)?;
            start += (usize::from(byte(frame, start + 1)?) + 1) * 8;
        }
        let carried = frame.get(start..end)?;
        let total = u64::from(sum(addresses)) + u64::from(protocol) + u64::try_from(carried.len()).ok()?;
        Some(Self {
            protocol,
            range: start..end,
            version4,
            pseudo_header: fold(total),
        })
    }

    /// Where the protocol keeps its checksum, for those whose checksum is offloaded.
    fn checksum_offset(&self) -> Option<u16> {
        match self.protocol {
            TCP => Some(16),
            UDP => Some(6),
            _ => None,
        }
    }
}

/// Whether a frame that came in may go up to smoltcp, which checks no TCP and UDP checksums itself.
#[must_use]
pub fn admit(header: &[u8; HEADER_SIZE], frame: &[u8]) -> bool {
    let Some(carried) = Carried::find(frame) else {
        // ARP; but of IP no pieces, which smoltcp, built without fragments, would take for the whole.
        return !matches!(half(frame, 12), Some(IPV4 | IPV6));
    };
    let Some(bytes) = frame.get(carried.range.clone()) else {
        return false;
    };
    let Some(offset) = carried.checksum_offset() else {
        return true;
    };
    let [flags, ..] = *header;
    if flags & (NEEDS_CHECKSUM | DATA_VALID) != 0 {
        return true;
    }
    let none_sent =
        carried.version4 && carried.protocol == UDP && half(bytes, usize::from(offset)) == Some(0);
    none_sent || fold(u64::from(sum(bytes)) + u64::from(carried.pseudo_header)) == 0xFFFF
}

/// Makes a frame ready to go out: returns the header to send before it, which leaves its TCP or UDP
/// checksum to NIC or kernel; and holds back a little of the window.
pub fn finish(frame: &mut [u8]) -> [u8; HEADER_SIZE] {
    let Some(carried) = Carried::find(frame) else {
        return [0; HEADER_SIZE];
    };
    if carried.protocol == TCP {
        hold_back_window(frame.get_mut(carried.range.clone()).unwrap_or_default());
    }
    defer_checksum(frame, &carried).unwrap_or_default()
}

/// Announces a window smaller by one unit than smoltcp would.
///
/// The window counts in units of a power of two (RFC 7323 §2.2) and smoltcp 0.14 rounds it down, so that
/// its end moves back by some bytes now and then, which §2.4 forbids: a caller may have sent those bytes. It
/// then takes no segment from him, not even his acknowledgements, and both wait for ever. With one unit
/// held back, all that he was ever allowed to send is inside the window that smoltcp reckons with.
fn hold_back_window(segment: &mut [u8]) {
    const SYN: u8 = 0x02; // counts in bytes, and not from the end of the buffer
    if byte(segment, 13).is_none_or(|flags| flags & SYN != 0) {
        return;
    }
    if let Some([high, low]) = segment.get_mut(14..16) {
        let window = u16::from_be_bytes([*high, *low]).saturating_sub(1);
        [*high, *low] = window.to_be_bytes();
    }
}

fn defer_checksum(frame: &mut [u8], carried: &Carried) -> Option<[u8; HEADER_SIZE]> {
    let offset = carried.checksum_offset()?;
    let field = carried.range.start + usize::from(offset);
    frame
        .get_mut(field..field + 2)?
        .copy_from_slice(&carried.pseudo_header.to_be_bytes());
    let [s0, s1] = u16::try_from(carried.range.start).ok()?.to_ne_bytes();
    let [o0, o1] = offset.to_ne_bytes();
    Some([NEEDS_CHECKSUM, 0, 0, 0, 0, 0, s0, s1, o0, o1])
}

#[cfg(test)]
#[path = "offload_tests.rs"]
mod tests;
