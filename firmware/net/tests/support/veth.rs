//! Two network namespaces with a virtual cable between them.

use std::net::{Ipv4Addr, UdpSocket};
use std::os::fd::{AsFd, OwnedFd};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use std::{fs, process, thread};

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use super::sys;

/// The cable; its namespaces go with it. The box's end is called `box0`, the peer's `peer0`.
pub struct Cable {
    inside: String,
    peer: String,
}

fn ip(arguments: &str) {
    let output = Command::new("ip")
        .args(arguments.split(' '))
        .output()
        .expect("iproute2 is not installed");
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "this test needs root and network namespaces: ip {arguments}: {error}"
    );
}

/// Runs a function in a thread inside the namespace.
fn within<R: Send + 'static>(namespace: &str, work: impl FnOnce() -> R + Send + 'static) -> R {
    let file = fs::File::open(format!("/run/netns/{namespace}")).unwrap();
    let thread = thread::spawn(move || {
        move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network)).unwrap();
        work()
    });
    match thread.join() {
        Ok(result) => result,
        Err(panic) => std::panic::resume_unwind(panic),
    }
}

impl Cable {
    pub fn new(name: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let unique = format!("{}-{number}-{name}", process::id());
        let cable = Self {
            inside: format!("spindle-box-{unique}"),
            peer: format!("spindle-peer-{unique}"),
        };
        let (inside, peer) = (&cable.inside, &cable.peer);
        ip(&format!("netns add {inside}"));
        ip(&format!("netns add {peer}"));
        within(inside, || {
            fs::write("/proc/sys/net/ipv6/conf/default/disable_ipv6", "1").unwrap()
        });
        ip(&format!(
            "link add box0 netns {inside} type veth peer name peer0 netns {peer}"
        ));
        ip(&format!("-n {inside} link set box0 up"));
        ip(&format!("-n {peer} addr add 10.77.0.2/24 dev peer0"));
        ip(&format!("-n {peer} addr add fd00::2/64 dev peer0 nodad"));
        ip(&format!("-n {peer} link set peer0 up"));
        cable
    }

    /// As init opens it: the socket, the interface's index and Ethernet address.
    pub fn packet_socket(&self) -> (OwnedFd, u32, [u8; 6]) {
        within(&self.inside, || {
            sys::packet_socket(c"box0").expect("a packet socket needs root")
        })
    }

    /// Runs a function as an ordinary computer on the cable.
    pub fn in_peer<R: Send + 'static>(&self, work: impl FnOnce() -> R + Send + 'static) -> R {
        within(&self.peer, work)
    }

    /// Frames then have their checksums, and none is longer than the cable's MTU.
    pub fn switch_offloads_off(&self) {
        within(&self.inside, || sys::switch_offloads_off(c"box0").unwrap());
        within(&self.peer, || sys::switch_offloads_off(c"peer0").unwrap());
    }

    pub fn set_box_link(&self, up: bool) {
        ip(&format!(
            "-n {} link set box0 {}",
            self.inside,
            if up { "up" } else { "down" }
        ));
    }

    pub fn remove_interfaces(&self) {
        ip(&format!("-n {} link del box0", self.inside));
    }

    /// Sends an echo request from the peer; returns whether the same bytes came back.
    pub fn echo(&self, address: Ipv4Addr) -> bool {
        self.in_peer(move || {
            let socket = UdpSocket::from(sys::icmp_socket().unwrap()); // its calls fit any datagrams
            socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
            let mut request = [0x5A; 1000];
            request[..8].copy_from_slice(&[8, 0, 0, 0, 1, 2, 3, 4]); // RFC 792: echo, checksum, id, sequence
            let words = request
                .as_chunks::<2>()
                .0
                .iter()
                .map(|word| u32::from(u16::from_be_bytes(*word)));
            let sum: u32 = words.sum();
            let folded = u16::try_from((sum & 0xFFFF) + (sum >> 16)).unwrap();
            request[2..4].copy_from_slice(&(!folded).to_be_bytes());
            socket.send_to(&request, (address, 0)).unwrap();
            let mut reply = [0; 2000];
            let count = socket.recv(&mut reply).unwrap(); // with its IP header
            reply[20] == 0 && reply[24..count] == request[4..]
        })
    }
}

impl Drop for Cable {
    fn drop(&mut self) {
        for namespace in [&self.inside, &self.peer] {
            let _ = Command::new("ip").args(["netns", "del", namespace]).status();
        }
    }
}
