//! The kernel command line: the box's name, its network, and who may speak in the clear.
//!
//! `spindle.name=NAME`, `spindle.ip=dhcp|ADDRESS/PREFIX[,GATEWAY]` and `spindle.plaintext=NETWORK[,NETWORK]` (each
//! ADDRESS or ADDRESS/PREFIX; none unless given); all other parameters are the kernel's and ignored here.

use std::net::IpAddr;

use seam::Network;

/// Longest name in bytes: what the protocol's greeting has room for.
const NAME_MAX: usize = 32;

const NAME_DEFAULT: &str = "spindle";

/// What the command line says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct CommandLine {
    pub(crate) name: String,
    pub(crate) network: Network,
    /// The networks, as address and bits, whose clients may speak in the clear.
    pub(crate) clear: Vec<(IpAddr, u8)>,
    /// Parameters of ours that were not understood, in words.
    pub(crate) complaints: Vec<String>,
}

impl CommandLine {
    /// Reads the parameters; of one given twice the last counts, as in the kernel.
    pub(crate) fn parse(text: &str) -> Self {
        let mut line = Self {
            name: NAME_DEFAULT.into(),
            network: Network::Dynamic,
            clear: Vec::new(),
            complaints: Vec::new(),
        };
        for word in text.split_ascii_whitespace() {
            match word.split_once('=') {
                Some(("spindle.name", name)) if is_name(name) => line.name = name.into(),
                Some(("spindle.name", _)) => line.complaints.push(format!(
                    "{word}: a name is 1 to {NAME_MAX} letters, digits and hyphens; using {}",
                    line.name
                )),
                Some(("spindle.ip", value)) => match network(value) {
                    Some(network) => line.network = network,
                    None => line.complaints.push(format!(
                        "{word}: expected dhcp or ADDRESS/PREFIX[,GATEWAY]; using {}",
                        in_words(line.network)
                    )),
                },
                Some(("spindle.plaintext", value)) => match value.split(',').map(range).collect() {
                    Some(networks) => line.clear = networks,
                    None => line.complaints.push(format!(
                        "{word}: expected ADDRESS or ADDRESS/PREFIX, and more of them behind commas; nobody may \
                         speak in the clear"
                    )),
                },
                _ => {}
            }
        }
        line
    }
}

/// RFC 1123 section 2.1: letters, digits, and hyphens inside.
fn is_name(name: &str) -> bool {
    (1..=NAME_MAX).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        && !name.starts_with('-')
        && !name.ends_with('-')
}

fn network(value: &str) -> Option<Network> {
    if value == "dhcp" {
        return Some(Network::Dynamic);
    }
    let (address, gateway) = match value.split_once(',') {
        Some((address, gateway)) => (address, Some(gateway.parse::<IpAddr>().ok()?)),
        None => (value, None),
    };
    let (address, prefix) = address.split_once('/')?;
    let (address, prefix) = (address.parse::<IpAddr>().ok()?, prefix.parse::<u8>().ok()?);
    let bits = if address.is_ipv4() { 32 } else { 128 };
    let same_family = gateway.is_none_or(|gateway| gateway.is_ipv4() == address.is_ipv4());
    (prefix <= bits && same_family).then_some(Network::Static {
        address,
        prefix,
        gateway,
    })
}

/// A network, or one address.
fn range(value: &str) -> Option<(IpAddr, u8)> {
    let (address, bits) = match value.split_once('/') {
        Some((address, bits)) => (address, Some(bits.parse::<u8>().ok()?)),
        None => (value, None),
    };
    let address = address.parse::<IpAddr>().ok()?;
    let all = if address.is_ipv4() { 32 } else { 128 };
    let bits = bits.unwrap_or(all);
    (bits <= all).then_some((address, bits))
}

/// A network configuration as the console shows it.
pub(crate) fn in_words(network: Network) -> String {
    match network {
        Network::Dynamic => "dhcp".into(),
        Network::Static {
            address,
            prefix,
            gateway: None,
        } => format!("{address}/{prefix}"),
        Network::Static {
            address,
            prefix,
            gateway: Some(gateway),
        } => format!("{address}/{prefix} by way of {gateway}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn without_parameters_of_ours_the_defaults_hold() {
        let line = CommandLine::parse("console=ttyS0 quiet panic=5 ip=dhcp\n");
        assert_eq!((line.name.as_str(), line.network), ("spindle", Network::Dynamic));
        assert_eq!(line.complaints, Vec::<String>::new());
    }

    #[test]
    fn name_and_addresses_are_read() {
        let line = CommandLine::parse("spindle.name=attic-2 spindle.ip=192.0.2.7/24,192.0.2.1");
        assert_eq!(line.name, "attic-2");
        assert_eq!(
            line.network,
            Network::Static {
                address: [192, 0, 2, 7].into(),
                prefix: 24,
                gateway: Some([192, 0, 2, 1].into())
            }
        );
        let six = CommandLine::parse("spindle.ip=2001:db8::7/64");
        assert!(matches!(
            six.network,
            Network::Static {
                prefix: 64,
                gateway: None,
                ..
            }
        ));
    }

    #[test]
    fn networks_that_may_speak_in_the_clear_are_named() {
        assert!(CommandLine::parse("quiet").clear.is_empty());
        let line = CommandLine::parse("spindle.plaintext=10.1.0.0/16,192.0.2.7,fd00::/8");
        let networks: [(IpAddr, u8); 3] = [
            ([10, 1, 0, 0].into(), 16),
            ([192, 0, 2, 7].into(), 32),
            ("fd00::".parse().unwrap(), 8),
        ];
        assert_eq!(line.clear, networks);
    }

    #[test]
    fn what_is_not_understood_is_named_and_the_default_stays() {
        for bad in [
            "spindle.name=",
            "spindle.name=a_b",
            "spindle.name=-a",
            "spindle.name=abcdefghijklmnopqrstuvwxyz0123456",
            "spindle.ip=192.0.2.7",
            "spindle.ip=192.0.2.7/33",
            "spindle.ip=192.0.2.7/24,2001:db8::1",
            "spindle.ip=static",
            "spindle.plaintext=",
            "spindle.plaintext=10.0.0.0/33",
            "spindle.plaintext=10.0.0.0/8,lab",
        ] {
            let line = CommandLine::parse(bad);
            assert_eq!(
                (line.name.as_str(), line.network),
                ("spindle", Network::Dynamic),
                "{bad}"
            );
            assert_eq!(line.complaints.len(), 1, "{bad}");
            assert!(line.complaints[0].contains(bad), "{bad}");
            assert!(line.clear.is_empty(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn any_text_gives_a_usable_name(text in "\\PC{0,200}") {
            prop_assert!(is_name(&CommandLine::parse(&text).name));
        }
    }
}
