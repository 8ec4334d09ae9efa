//! The system calls that rustix does not have, or that need a promise.
#![allow(unsafe_code, reason = "libc calls, each with its own note")]

use std::io;
use std::mem::{size_of, zeroed};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::process::CommandExt;
use std::process::Command;

use rustix::fs::Mode;
use rustix::process::{Resource, Rlimit};
use rustix::thread::{CapabilitySet, CapabilitySets};

use crate::spawn::{FIRST_INHERITED, INHERITED_MAX, Identity, Limits};

fn check(result: libc::c_int) -> io::Result<libc::c_int> {
    if result < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(result)
    }
}

/// The signals init answers to.
const SIGNALS: [libc::c_int; 4] = [libc::SIGCHLD, libc::SIGTERM, libc::SIGINT, libc::SIGPWR];

/// Blocks the signals init answers to and gives a non-blocking descriptor they are read from.
pub(crate) fn signals() -> io::Result<OwnedFd> {
    // SAFETY: an all-zero sigset_t is a valid object and sigemptyset initialises it; the pointers are to
    // locals that live through the calls.
    unsafe {
        let mut set: libc::sigset_t = zeroed();
        libc::sigemptyset(&raw mut set);
        for signal in SIGNALS {
            check(libc::sigaddset(&raw mut set, signal))?;
        }
        check(libc::sigprocmask(
            libc::SIG_BLOCK,
            &raw const set,
            std::ptr::null_mut(),
        ))?;
        let descriptor = check(libc::signalfd(
            -1,
            &raw const set,
            libc::SFD_CLOEXEC | libc::SFD_NONBLOCK,
        ))?;
        // SAFETY: the kernel has just made it and nothing else owns it.
        Ok(OwnedFd::from_raw_fd(descriptor))
    }
}

/// Lets every signal through again: masks survive exec.
fn unblock_signals() -> io::Result<()> {
    // SAFETY: as in `signals`; sigprocmask is async-signal-safe.
    unsafe {
        let mut set: libc::sigset_t = zeroed();
        libc::sigemptyset(&raw mut set);
        check(libc::sigprocmask(
            libc::SIG_SETMASK,
            &raw const set,
            std::ptr::null_mut(),
        ))?;
    }
    Ok(())
}

/// Kills every process but init itself and its threads: PID 1 before it unmounts.
pub(crate) fn kill_all() {
    // Everywhere but in PID 1 this would end the user's session.
    if std::process::id() == 1 {
        // SAFETY: kill takes numbers only.
        unsafe { libc::kill(-1, libc::SIGKILL) };
    }
}

/// Arranges that the command's process is prepared between fork and exec.
///
/// `sources` become the descriptors from [`FIRST_INHERITED`] on; they must be numbers above those.
pub(crate) fn prepare(
    command: &mut Command,
    sources: [Option<RawFd>; INHERITED_MAX],
    identity: Option<Identity>,
    limits: Limits,
) {
    let prepare = move || {
        let mut next = FIRST_INHERITED;
        for (target, source) in (FIRST_INHERITED..).zip(sources.into_iter().flatten()) {
            // SAFETY: dup2 takes numbers only. The target may belong to nobody: in this process there is
            // nothing left but the way to exec, and `spawn` keeps these numbers away from the standard
            // library's own descriptors.
            check(unsafe { libc::dup2(source, target) })?;
            next = target + 1;
        }
        keep_no_descriptor_from(next)?;
        unblock_signals()?;
        rustix::process::setsid()?;
        rustix::process::umask(Mode::from_raw_mode(0o077));
        limit(Resource::Core, 0)?;
        limit(Resource::Nofile, limits.descriptors)?;
        if let Some(data) = limits.data {
            limit(Resource::Data, data)?;
        }
        // Only root may raise a rank; a role without it works as well, if not as soon.
        let _ = rustix::process::setpriority_process(None, limits.nice);
        if let Some(identity) = identity {
            become_nobody_but(identity)?;
        }
        rustix::thread::set_no_new_privs(true)?;
        Ok(())
    };
    // SAFETY: the closure runs in the child of a fork. It makes system calls only: it neither allocates,
    // locks nor panics, and its captures are numbers.
    unsafe { command.pre_exec(prepare) };
}

/// Has exec close every descriptor from this number on, whoever opened it and how.
fn keep_no_descriptor_from(number: RawFd) -> io::Result<()> {
    let first = libc::c_uint::try_from(number).map_err(|_| io::ErrorKind::InvalidInput)?;
    let flags = libc::CLOSE_RANGE_CLOEXEC.cast_signed();
    // SAFETY: close_range takes numbers only and is async-signal-safe; with this flag nothing is closed
    // under anybody's feet before exec.
    check(unsafe { libc::close_range(first, libc::c_uint::MAX, flags) }).map(drop)
}

fn limit(resource: Resource, most: u64) -> io::Result<()> {
    let limit = Rlimit {
        current: Some(most),
        maximum: Some(most),
    };
    Ok(rustix::process::setrlimit(resource, limit)?)
}

/// Takes the identity, and gives up every capability for ever.
fn become_nobody_but(identity: Identity) -> io::Result<()> {
    for capability in 0..64 as libc::c_ulong {
        // SAFETY: prctl with numbers only. The first unknown capability ends the list (EINVAL).
        if unsafe { libc::prctl(libc::PR_CAPBSET_DROP, capability, 0, 0, 0) } < 0 {
            match io::Error::last_os_error().raw_os_error() {
                Some(libc::EINVAL) => break,
                _ => return Err(io::Error::last_os_error()),
            }
        }
    }
    let (uid, gid) = (identity.uid(), identity.gid());
    rustix::thread::set_thread_groups(&[])?;
    rustix::thread::set_thread_res_gid(gid, gid, gid)?;
    rustix::thread::set_thread_res_uid(uid, uid, uid)?;
    let none = CapabilitySets {
        effective: CapabilitySet::empty(),
        permitted: CapabilitySet::empty(),
        inheritable: CapabilitySet::empty(),
    };
    Ok(rustix::thread::set_capabilities(None, none)?)
}

/// Raises a network interface: sets IFF_UP, netdevice(7).
///
/// Without kernel TCP/IP there is no AF_INET socket to ask; every socket family passes this one on.
pub(crate) fn raise_link(socket: impl AsFd, name: &str) -> io::Result<()> {
    // SAFETY: an all-zero ifreq is a valid object.
    let mut request: libc::ifreq = unsafe { zeroed() };
    // The last byte stays zero: the name is a C string.
    let room = request.ifr_name.len() - 1;
    if name.len() > room {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    for (to, from) in request.ifr_name.iter_mut().zip(name.bytes()) {
        *to = from.cast_signed();
    }
    let socket = socket.as_fd().as_raw_fd();
    // SAFETY: both requests take a pointer to an ifreq, and this one lives through the calls; the flags
    // member of the union is the one SIOCGIFFLAGS fills.
    unsafe {
        check(libc::ioctl(socket, libc::SIOCGIFFLAGS, &raw mut request))?;
        request.ifr_ifru.ifru_flags |= UP;
        check(libc::ioctl(socket, libc::SIOCSIFFLAGS, &raw mut request))?;
    }
    Ok(())
}

/// IFF_UP in the width of the ifreq's flags.
const UP: libc::c_short = 1;

/// Sets an option of a packet socket whose value is an int, packet(7).
pub(crate) fn set_packet_option(socket: impl AsFd, option: PacketOption) -> io::Result<()> {
    let on: libc::c_int = 1;
    let (socket, length) = (socket.as_fd().as_raw_fd(), int_length(size_of::<libc::c_int>())?);
    // SAFETY: the value is an int that lives through the call, and its length is given.
    let result = unsafe {
        libc::setsockopt(
            socket,
            libc::SOL_PACKET,
            option as libc::c_int,
            (&raw const on).cast(),
            length,
        )
    };
    check(result).map(drop)
}

/// The packet socket options init turns on, with the kernel's numbers (linux/if_packet.h).
#[derive(Clone, Copy)]
pub(crate) enum PacketOption {
    /// Each frame is preceded by a virtio_net_hdr: checksum offload.
    VirtioHeader = 15,
    /// What this host sends is not received again.
    IgnoreOutgoing = 23,
}

/// Binds a packet socket to all frames of one interface, packet(7).
pub(crate) fn bind_packet(socket: impl AsFd, index: u32) -> io::Result<()> {
    // SAFETY: an all-zero sockaddr_ll is a valid object.
    let mut address: libc::sockaddr_ll = unsafe { zeroed() };
    address.sll_family = PACKET_FAMILY;
    address.sll_protocol = ALL_PROTOCOLS.to_be();
    address.sll_ifindex = i32::try_from(index).map_err(|_| io::ErrorKind::InvalidInput)?;
    let (socket, length) = (
        socket.as_fd().as_raw_fd(),
        int_length(size_of::<libc::sockaddr_ll>())?,
    );
    // SAFETY: the address lives through the call and its length is given.
    check(unsafe { libc::bind(socket, (&raw const address).cast(), length) }).map(drop)
}

/// AF_PACKET in the width of the address's family.
const PACKET_FAMILY: libc::sa_family_t = 17;

/// ETH_P_ALL in the width of the address's protocol.
const ALL_PROTOCOLS: u16 = 3;

fn int_length(length: usize) -> io::Result<libc::socklen_t> {
    libc::socklen_t::try_from(length).map_err(|_| io::ErrorKind::InvalidInput.into())
}

#[cfg(test)]
mod tests {
    #[test]
    fn narrow_constants_equal_the_systems_own() {
        assert_eq!(i32::from(super::UP), libc::IFF_UP);
        assert_eq!(i32::from(super::PACKET_FAMILY), libc::AF_PACKET);
        assert_eq!(i32::from(super::ALL_PROTOCOLS), libc::ETH_P_ALL);
        assert_eq!(super::PacketOption::VirtioHeader as i32, libc::PACKET_VNET_HDR);
    }
}
