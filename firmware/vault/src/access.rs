//! Who may speak with the box, and in which role.
//!
//! A workstation proves its key in a handshake that the door makes; which keys are known, and for which role, is in
//! the catalog. Addresses that the configuration names may speak in the clear, in any role. A workstation the
//! box does not know is paired with a code that its administrator or a person at the console asked for: good for
//! five minutes, three tries and one workstation. The first key a box ever takes is its administrator's.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;
use std::time::{Duration, Instant};

use seam::session::Caller;
use wire::Role;

use crate::catalog::{WorkstationRecord, random};
use crate::clock;
use crate::data::Data;
use crate::errors::Refusal;
use crate::sync::Locked;

/// How long a code is good.
const CODE_TIME: Duration = Duration::from_secs(300);

/// How often a code may be tried.
pub(crate) const TRIES: u8 = 3;

/// Addresses with so many leading bits in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    /// One of them.
    pub address: IpAddr,
    /// Bits they have in common, from the left.
    pub bits: u8,
}

impl Network {
    /// The machine itself.
    pub const LOOPBACK: [Self; 2] = [
        Self {
            address: IpAddr::V4(Ipv4Addr::new(127, 0, 0, 0)),
            bits: 8,
        },
        Self {
            address: IpAddr::V6(Ipv6Addr::LOCALHOST),
            bits: 128,
        },
    ];

    /// Whether the address is one of the network.
    pub fn has(&self, address: IpAddr) -> bool {
        let same = |a: u128, b: u128, width: u32| {
            let free = width.saturating_sub(u32::from(self.bits));
            free >= 128 || a >> free == b >> free
        };
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(a), IpAddr::V4(b)) => same(a.to_bits().into(), b.to_bits().into(), 32),
            (IpAddr::V6(a), IpAddr::V6(b)) => same(a.to_bits(), b.to_bits(), 128),
            _ => false,
        }
    }
}

impl FromStr for Network {
    type Err = NotANetwork;

    /// `ADDRESS` or `ADDRESS/BITS`.
    fn from_str(text: &str) -> Result<Self, NotANetwork> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits.parse::<u8>().map_err(|_| NotANetwork)?)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| NotANetwork)?;
        let all = if address.is_ipv4() { 32 } else { 128 };
        let bits = bits.unwrap_or(all);
        (bits <= all).then_some(Self { address, bits }).ok_or(NotANetwork)
    }
}

/// a network is ADDRESS or ADDRESS/BITS
#[derive(Clone, Copy, Debug, PartialEq, Eq, displaydoc::Display, thiserror::Error)]
pub struct NotANetwork;

/// Who may speak.
#[derive(Default)]
pub(crate) struct Access {
    clear: Locked<Vec<Network>>,
    pairing: Locked<Option<Window>>,
}

/// A code that is good now.
struct Window {
    code: [u8; 8],
    role: Role,
    name: String,
    until: Instant,
    tries: u8,
}

/// What a caller may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Standing {
    /// The highest role it may have.
    pub role: Role,
}

impl Access {
    /// The networks whose clients may speak in the clear.
    pub(crate) fn allow_clear(&self, networks: Vec<Network>) {
        *self.clear.lock() = networks;
    }

    /// Whether that client may speak in the clear; whoever needs no network is at the box itself.
    pub(crate) fn may_speak_clear(&self, peer: Option<SocketAddr>) -> bool {
        peer.is_none_or(|peer| self.clear.lock().iter().any(|network| network.has(peer.ip())))
    }

    /// Makes a code for the next workstation; any older one is void.
    pub(crate) fn begin_pairing(&self, role: Role, name: String) -> Result<([u8; 8], Duration), Refusal> {
        let mut bytes = [0; 8];
        random(&mut bytes)?;
        let mut rest = u64::from_be_bytes(bytes);
        let code = [0; 8].map(|_: u8| {
            let digit = u8::try_from(rest % 10).unwrap_or_default();
            rest /= 10;
            b'0' + digit
        });
        *self.pairing.lock() = Some(Window {
            code,
            role,
            name,
            until: Instant::now() + CODE_TIME,
            tries: TRIES,
        });
        Ok((code, CODE_TIME))
    }

    /// The code, for one try; `None` when nobody may pair now.
    pub(crate) fn code(&self) -> Option<[u8; 8]> {
        let mut pairing = self.pairing.lock();
        let window = pairing.as_mut().filter(|window| window.until > Instant::now())?;
        window.tries = window.tries.checked_sub(1)?;
        Some(window.code)
    }

    /// Judges who a handshake proved the client to be; one that had the code is taken in.
    pub(crate) fn judge(&self, data: &Data, caller: &Caller) -> Result<Standing, Refusal> {
        if !caller.paired {
            let known = data.catalog.workstation(caller.key)?;
            let known = known.ok_or(Refusal::UnknownKey)?;
            let role = Role::from_number(known.role).unwrap_or(Role::Observer);
            return Ok(Standing { role });
        }
        // One code, one workstation: whoever comes second finds none.
        let window = self.pairing.lock().take().ok_or(Refusal::UnknownKey)?;
        let known = data.catalog.workstations()?;
        let has_admin = known.iter().any(|(_, known)| known.role == Role::Admin.number());
        let role = if has_admin { window.role } else { Role::Admin };
        let record = WorkstationRecord {
            name: window.name,
            role: role.number(),
            since: clock::now().seconds,
        };
        match data.catalog.admit_workstation(caller.key, &record)? {
            true => Ok(Standing { role }),
            false => Err(Refusal::TooManyWorkstations),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(text: &str, bits: u8) -> Network {
        let address = text.parse().expect("an address");
        Network { address, bits }
    }

    #[test]
    fn a_network_has_its_addresses_and_no_others() {
        let has = |network: Network, address: &str| network.has(address.parse().expect("an address"));
        let lab = network("10.1.2.0", 24);
        assert!(has(lab, "10.1.2.255") && has(lab, "::ffff:10.1.2.7"));
        assert!(!has(lab, "10.1.3.0") && !has(lab, "fe80::1"));
        assert!(has(network("0.0.0.0", 0), "255.255.255.255"));
        assert!(has(network("::", 0), "fe80::1") && !has(network("::", 0), "10.0.0.1"));
        let one = network("fd00::7", 128);
        assert!(has(one, "fd00::7") && !has(one, "fd00::6"));
    }

    #[test]
    fn networks_are_read_as_people_write_them() {
        assert_eq!("10.1.2.0/24".parse(), Ok(network("10.1.2.0", 24)));
        assert_eq!("fd00::7".parse(), Ok(network("fd00::7", 128)));
        for wrong in ["", "lab", "10.0.0.0/33", "10.0.0.0/-1", "::/129", "10.0.0.0/8/8"] {
            assert_eq!(wrong.parse::<Network>(), Err(NotANetwork), "{wrong}");
        }
    }

    #[test]
    fn a_code_is_good_for_three_tries_and_a_new_one_voids_it() {
        let access = Access::default();
        assert_eq!(access.code(), None);
        let begin = || {
            access
                .begin_pairing(Role::Client, "lab".into())
                .expect("random")
                .0
        };
        let code = begin();
        assert!(code.iter().all(u8::is_ascii_digit));
        assert_eq!(
            [(); 4].map(|()| access.code()),
            [Some(code), Some(code), Some(code), None]
        );
        let newer = begin();
        assert_eq!(access.code(), Some(newer));
    }
}
