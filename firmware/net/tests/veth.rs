//! The packet socket against the kernel's TCP, over a pair of virtual interfaces. Needs root.
//!
//! Each test builds two network namespaces: in one the role's stack on a packet socket, no kernel
//! address; in the other an ordinary TCP client.

#![allow(clippy::unwrap_used, reason = "a test ends where it fails")]

mod support;

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, TcpStream};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use net::{Counters, Link, Nic, PacketNic, Stack};
use rustix::event::{PollFd, PollFlags, Timespec};
use seam::{Channel, Connection, Network};
use smoltcp::phy::{Device, DeviceCapabilities, TxToken};
use smoltcp::time::Instant as Time;
use support::pattern;
use support::veth::Cable;

const PORT: u16 = 2352;
const BOX: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 77, 0, 1));
const BOX6: IpAddr = IpAddr::V6(Ipv6Addr::new(0xFD00, 0, 0, 0, 0, 0, 0, 1));

/// What the box's loop reports when it ends.
type Report = (Link, Counters);

/// A packet socket that loses one frame in so many, both ways; 0 for none.
struct Lossy {
    nic: PacketNic,
    loss: u64,
    random: u64,
}

impl Lossy {
    fn loses(&mut self) -> bool {
        self.random = self
            .random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        self.loss != 0 && (self.random >> 33).is_multiple_of(self.loss)
    }
}

impl Nic for Lossy {
    fn fetch(&mut self) -> bool {
        self.nic.fetch()
    }

    fn flush(&mut self) -> bool {
        self.nic.flush()
    }

    fn link(&self) -> Link {
        self.nic.link()
    }
}

impl Device for Lossy {
    type RxToken<'a> = <PacketNic as Device>::RxToken<'a>;
    type TxToken<'a> = MaybeSending<'a>;

    fn receive(&mut self, now: Time) -> Option<(Self::RxToken<'_>, MaybeSending<'_>)> {
        while self.loses() {
            self.nic.receive(now)?;
        }
        let lost = self.loses();
        let (frame, token) = self.nic.receive(now)?;
        Some((frame, MaybeSending { token, lost }))
    }

    fn transmit(&mut self, now: Time) -> Option<MaybeSending<'_>> {
        let lost = self.loses();
        Some(MaybeSending {
            token: self.nic.transmit(now)?,
            lost,
        })
    }

    fn capabilities(&self) -> DeviceCapabilities {
        self.nic.capabilities()
    }
}

struct MaybeSending<'a> {
    token: <PacketNic as Device>::TxToken<'a>,
    lost: bool,
}

impl TxToken for MaybeSending<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, length: usize, fill: F) -> R {
        if self.lost {
            fill(&mut vec![0; length])
        } else {
            self.token.consume(length, fill)
        }
    }
}

/// The box's loop in a thread of its own, and a door that serves each caller with `serve`.
struct Running {
    stop: Arc<AtomicBool>,
    loops: JoinHandle<Report>,
}

fn start(cable: &Cable, address: IpAddr, serve: fn(UnixStream)) -> Running {
    start_lossy(cable, address, serve, 0)
}

fn start_lossy(cable: &Cable, address: IpAddr, serve: fn(UnixStream), loss: u64) -> Running {
    let (socket, index, mac) = cable.packet_socket();
    let (to_doors, doors) = Channel::pair().unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = stop.clone();
    let (up, wait_up) = mpsc::channel();
    let loops = thread::spawn(move || {
        let started = Instant::now();
        let now =
            || smoltcp::time::Instant::from_micros(i64::try_from(started.elapsed().as_micros()).unwrap());
        let nic = Lossy {
            nic: PacketNic::new(socket, index, 1500).unwrap(),
            loss,
            random: 7,
        };
        let mut stack = Stack::new(nic, mac, PORT, now()).unwrap();
        assert!(stack.configure(Network::Static {
            address,
            prefix: 24,
            gateway: None
        }));
        up.send(()).unwrap();
        while !stopped.load(Ordering::Relaxed) && stack.nic().link() != Link::Gone {
            stack.poll(now(), &to_doors);
            let delay = stack
                .delay(now())
                .map_or(Duration::from_millis(50), Duration::from);
            let delay = Timespec::try_from(delay.min(Duration::from_millis(50))).unwrap();
            let nic = PollFd::from_borrowed_fd(stack.nic().nic.as_fd(), PollFlags::IN);
            let mut set = [nic, PollFd::from_borrowed_fd(stack.as_fd(), PollFlags::IN)];
            rustix::event::poll(&mut set, Some(&delay)).unwrap();
        }
        (stack.nic().link(), stack.nic().nic.counters())
    });
    thread::spawn(move || {
        while let Ok((_, mut descriptors)) = doors.receive::<Connection>() {
            let stream: OwnedFd = descriptors.pop().unwrap();
            thread::spawn(move || serve(UnixStream::from(stream)));
        }
    });
    wait_up.recv().unwrap();
    Running { stop, loops }
}

impl Running {
    fn stop(self) -> Report {
        self.stop.store(true, Ordering::Relaxed);
        self.loops.join().unwrap()
    }
}

fn echo(mut stream: UnixStream) {
    let mut out = stream.try_clone().unwrap();
    let _ = std::io::copy(&mut stream, &mut out);
    let _ = out.shutdown(Shutdown::Write);
}

/// Sends and gets back `length` bytes over a kernel connection.
fn echoed(cable: &Cable, address: IpAddr, length: usize) {
    cable.in_peer(move || {
        let mut stream = TcpStream::connect_timeout(&SocketAddr::new(address, PORT), Duration::from_secs(10))
            .expect("the box does not answer");
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        let bytes = pattern(9, length);
        let mut sender = stream.try_clone().unwrap();
        let sent = bytes.clone();
        let sending = thread::spawn(move || {
            sender.write_all(&sent).unwrap();
            sender.shutdown(Shutdown::Write).unwrap();
        });
        let mut got = Vec::new();
        stream.read_to_end(&mut got).unwrap();
        sending.join().unwrap();
        assert!(
            got == bytes,
            "{} of {length} bytes came back, or not the same",
            got.len()
        );
    });
}

#[test]
fn kernel_tcp_with_offloads_on() {
    let cable = Cable::new("on");
    let running = start(&cable, BOX, echo);
    echoed(&cable, BOX, 30_000_000);
    let (link, counters) = running.stop();
    assert_eq!(
        (link, counters.damaged, counters.oversized),
        (Link::Up, 0, 0),
        "{counters:?}"
    );
    // 30 MB in frames of 1448 bytes would be 20,000: joined frames were taken as they are.
    assert!(counters.received < 15_000, "{counters:?}");
}

#[test]
fn kernel_tcp_with_offloads_off() {
    let cable = Cable::new("off");
    cable.switch_offloads_off();
    let running = start(&cable, BOX, echo);
    echoed(&cable, BOX, 30_000_000);
    let (link, counters) = running.stop();
    assert_eq!(
        (link, counters.damaged, counters.oversized),
        (Link::Up, 0, 0),
        "{counters:?}"
    );
    assert!(counters.received > 20_000, "{counters:?}");
}

#[test]
fn kernel_tcp_though_frames_are_lost_both_ways() {
    let cable = Cable::new("loss");
    cable.switch_offloads_off();
    let running = start_lossy(&cable, BOX, echo, 500);
    echoed(&cable, BOX, 2_000_000);
    running.stop();
}

#[test]
fn kernel_tcp_over_ipv6() {
    let cable = Cable::new("v6");
    let running = start(&cable, BOX6, echo);
    echoed(&cable, BOX6, 3_000_000);
    running.stop();
}

#[test]
fn the_kernel_gets_an_echo_reply() {
    let cable = Cable::new("ping");
    let running = start(&cable, BOX, echo);
    assert!(cable.echo(Ipv4Addr::new(10, 77, 0, 1)));
    running.stop();
}

#[test]
fn a_link_that_is_switched_off_and_on_is_a_state() {
    let cable = Cable::new("down");
    let running = start(&cable, BOX, echo);
    echoed(&cable, BOX, 1000);
    cable.set_box_link(false);
    thread::sleep(Duration::from_millis(300));
    cable.set_box_link(true);
    echoed(&cable, BOX, 1_000_000);
    assert_eq!(running.stop().0, Link::Up);
}

#[test]
fn an_interface_that_vanishes_is_a_state() {
    let cable = Cable::new("gone");
    let running = start(&cable, BOX, echo);
    echoed(&cable, BOX, 1000);
    cable.remove_interfaces();
    // The stack notices at the first frame it wants to send: here a keep-alive or an advertisement.
    let (link, _) = running.stop();
    assert_ne!(link, Link::Up);
}

/// Bytes a second, printed: `cargo test --release -p spindle-net --test veth -- --ignored --nocapture`.
#[test]
#[ignore = "a measurement, to be read by people"]
fn throughput() {
    const LENGTH: u64 = 2_000_000_000;
    fn sink(mut stream: UnixStream) {
        let mut buffer = vec![0; 256 << 10];
        while stream.read(&mut buffer).is_ok_and(|count| count > 0) {}
        let _ = stream.write_all(b"k");
    }
    fn source(mut stream: UnixStream) {
        let block = vec![7; 256 << 10];
        while stream.write_all(&block).is_ok() {}
    }
    for offloads in [true, false] {
        for (name, serve) in [("in", sink as fn(UnixStream)), ("out", source)] {
            let cable = Cable::new("speed");
            if !offloads {
                cable.switch_offloads_off();
            }
            let running = start(&cable, BOX, serve);
            let elapsed = cable.in_peer(move || {
                let mut stream = TcpStream::connect((BOX, PORT)).unwrap();
                let mut buffer = vec![0; 256 << 10];
                let (start, mut left) = (Instant::now(), LENGTH);
                while left > 0 {
                    let count = match name {
                        "in" => stream.write(&buffer).unwrap(),
                        _ => stream.read(&mut buffer).unwrap(),
                    };
                    left = left.saturating_sub(u64::try_from(count).unwrap());
                }
                if name == "in" {
                    stream.shutdown(Shutdown::Write).unwrap();
                    stream.read_exact(&mut [0]).unwrap();
                }
                start.elapsed()
            });
            let (_, counters) = running.stop();
            let gigabits = LENGTH as f64 * 8e-9 / elapsed.as_secs_f64();
            println!("{name:4} offloads {offloads:5}: {gigabits:6.2} Gbit/s  {counters:?}");
        }
    }
}
