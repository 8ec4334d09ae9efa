//! What init does to open a packet socket, and ethtool's requests.
#![allow(unsafe_code, reason = "socket options and ioctls that take pointers")]

use std::ffi::CStr;
use std::io;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command};

fn check(result: libc::c_int) -> io::Result<libc::c_int> {
    if result < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(result)
    }
}

fn set(socket: &OwnedFd, level: i32, option: i32, value: i32) -> io::Result<()> {
    let size = libc::socklen_t::try_from(size_of_val(&value)).unwrap();
    // SAFETY: the value is an int of that size.
    let result =
        unsafe { libc::setsockopt(socket.as_raw_fd(), level, option, (&raw const value).cast(), size) };
    check(result).map(drop)
}

fn request(name: &CStr) -> libc::ifreq {
    // SAFETY: an ifreq is numbers, pointers and unions of them; all zero is valid.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(name.to_bytes_with_nul()) {
        *to = libc::c_char::try_from(*from).unwrap();
    }
    request
}

/// AF_PACKET, SOCK_RAW, all protocols, virtio-net headers, bound; with the index and Ethernet address.
pub fn packet_socket(name: &CStr) -> io::Result<(OwnedFd, u32, [u8; 6])> {
    let kind = libc::SOCK_RAW | libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
    // SAFETY: no pointers; the descriptor returned is owned by nobody else.
    let socket = unsafe { OwnedFd::from_raw_fd(check(libc::socket(libc::AF_PACKET, kind, 0))?) };
    set(&socket, libc::SOL_PACKET, libc::PACKET_VNET_HDR, 1)?;
    set(&socket, libc::SOL_PACKET, 23, 1)?; // PACKET_IGNORE_OUTGOING
    set(&socket, libc::SOL_SOCKET, libc::SO_RCVBUFFORCE, 8 << 20)?;
    let mut request = request(name);
    // SAFETY: both ioctls read the name of the ifreq and write their answer into it.
    let (index, address) = unsafe {
        check(libc::ioctl(
            socket.as_raw_fd(),
            libc::SIOCGIFINDEX,
            &raw mut request,
        ))?;
        let index = request.ifr_ifru.ifru_ifindex;
        check(libc::ioctl(
            socket.as_raw_fd(),
            libc::SIOCGIFHWADDR,
            &raw mut request,
        ))?;
        (index, request.ifr_ifru.ifru_hwaddr.sa_data)
    };
    // SAFETY: all zero is a valid sockaddr_ll.
    let mut link: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
    link.sll_family = u16::try_from(libc::AF_PACKET).unwrap();
    link.sll_protocol = u16::try_from(libc::ETH_P_ALL).unwrap().to_be();
    link.sll_ifindex = index;
    let size = libc::socklen_t::try_from(size_of_val(&link)).unwrap();
    // SAFETY: the address is a sockaddr_ll of that size.
    check(unsafe { libc::bind(socket.as_raw_fd(), (&raw const link).cast(), size) })?;
    let mac = std::array::from_fn(|at| address[at].to_ne_bytes()[0]);
    Ok((socket, u32::try_from(index).unwrap(), mac))
}

/// A raw socket for ICMP.
pub fn icmp_socket() -> io::Result<OwnedFd> {
    // SAFETY: no pointers; the descriptor returned is owned by nobody else.
    unsafe {
        let socket = libc::socket(
            libc::AF_INET,
            libc::SOCK_RAW | libc::SOCK_CLOEXEC,
            libc::IPPROTO_ICMP,
        );
        Ok(OwnedFd::from_raw_fd(check(socket)?))
    }
}

/// ethtool -K name rx off tx off sg off tso off gso off gro off.
pub fn switch_offloads_off(name: &CStr) -> io::Result<()> {
    #[repr(C)]
    struct Value {
        command: u32,
        data: u32,
    }
    // SAFETY: no pointers; the descriptor returned is owned by nobody else.
    let socket = unsafe { OwnedFd::from_raw_fd(check(libc::socket(libc::AF_UNIX, libc::SOCK_DGRAM, 0))?) };
    for command in [0x2C, 0x24, 0x1F, 0x19, 0x17, 0x15] {
        let mut value = Value { command, data: 0 }; // ETHTOOL_SGRO, SGSO, STSO, SSG, STXCSUM, SRXCSUM
        let mut request = request(name);
        request.ifr_ifru.ifru_data = (&raw mut value).cast();
        // SAFETY: the ifreq points to an ethtool_value that outlives the call.
        check(unsafe { libc::ioctl(socket.as_raw_fd(), 0x8946, &raw mut request) })?; // SIOCETHTOOL
    }
    Ok(())
}

/// Starts a program with these two as its descriptors 3 and 4.
pub fn spawn_with(program: &Path, arguments: &[&str], three: &impl AsFd, four: &impl AsFd) -> Child {
    // Numbers that neither dup2 below overwrites before it is copied.
    let high = |fd: &dyn AsFd| rustix::io::fcntl_dupfd_cloexec(fd.as_fd(), 10).unwrap();
    let (three, four) = (high(three), high(four));
    let (from_three, from_four) = (three.as_raw_fd(), four.as_raw_fd());
    let mut command = Command::new(program);
    command.args(arguments);
    // SAFETY: dup2 is async-signal-safe, and both descriptors live until the child was started.
    unsafe {
        command.pre_exec(move || {
            check(libc::dup2(from_three, 3))?;
            check(libc::dup2(from_four, 4)).map(drop)
        });
    }
    command.spawn().unwrap()
}

/// Memory of a process that is really there.
pub fn resident_kilobytes(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .unwrap();
    line.trim().trim_end_matches("kB").trim().parse().unwrap()
}
