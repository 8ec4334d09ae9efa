//! The calls that rustix does not have: many frames at once, multicast, the allocator's threshold.
#![allow(
    unsafe_code,
    reason = "the only place of this crate with system calls that take pointers"
)]

use std::os::fd::{AsFd, AsRawFd};
use std::{io, mem, ptr};

/// Most frames in one call.
pub(crate) const FRAMES: usize = 32;

/// Makes the allocator map every block of 64 KiB and more by itself.
///
/// So a socket's zeroed buffers take no memory before they are used, and give it back when dropped.
/// Without this glibc raises its threshold at the first such drop, for ever.
pub(crate) fn map_large_buffers() {
    // SAFETY: mallopt takes two numbers.
    unsafe { libc::mallopt(libc::M_MMAP_THRESHOLD, 64 << 10) };
}

/// Asks for all multicast frames: neighbour solicitations come to group addresses the NIC would filter.
pub(crate) fn receive_multicast(socket: impl AsFd, index: u32) -> io::Result<()> {
    let membership = libc::packet_mreq {
        mr_ifindex: i32::try_from(index).map_err(io::Error::other)?,
        mr_type: u16::try_from(libc::PACKET_MR_ALLMULTI).map_err(io::Error::other)?,
        mr_alen: 0,
        mr_address: [0; 8],
    };
    let size = libc::socklen_t::try_from(size_of_val(&membership)).map_err(io::Error::other)?;
    // SAFETY: the option's value is a packet_mreq of the given size, read only during the call.
    let result = unsafe {
        libc::setsockopt(
            socket.as_fd().as_raw_fd(),
            libc::SOL_PACKET,
            libc::PACKET_ADD_MEMBERSHIP,
            ptr::from_ref(&membership).cast(),
            size,
        )
    };
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// The headers of one call: one vector of bytes each.
struct Headers {
    vectors: [libc::iovec; FRAMES],
    messages: [libc::mmsghdr; FRAMES],
}

impl Headers {
    fn new() -> Self {
        // SAFETY: both are C structures of numbers and pointers; all zero is their empty value.
        unsafe { mem::zeroed() }
    }

    /// Lets each message point to one buffer; returns how many there are.
    fn point(&mut self, buffers: impl Iterator<Item = (*mut u8, usize)>) -> u32 {
        let mut count = 0;
        let each = self.vectors.iter_mut().zip(&mut self.messages).zip(buffers);
        for ((vector, message), (bytes, length)) in each {
            *vector = libc::iovec {
                iov_base: bytes.cast(),
                iov_len: length,
            };
            message.msg_hdr.msg_iov = vector;
            message.msg_hdr.msg_iovlen = 1;
            count += 1;
        }
        count
    }
}

/// Receives up to [`FRAMES`] frames into slots of equal size without waiting.
///
/// Writes each frame's real length to `lengths`, also when it is longer than a slot; returns how many.
pub(crate) fn receive_frames(
    socket: impl AsFd,
    slots: &mut [u8],
    slot_size: usize,
    lengths: &mut [usize; FRAMES],
) -> io::Result<usize> {
    let mut headers = Headers::new();
    let count = headers.point(
        slots
            .chunks_exact_mut(slot_size)
            .map(|slot| (slot.as_mut_ptr(), slot.len())),
    );
    // SAFETY: `count` messages are set up, each with one vector over its own slot; slots and headers
    // outlive the call.
    let received = unsafe {
        libc::recvmmsg(
            socket.as_fd().as_raw_fd(),
            headers.messages.as_mut_ptr(),
            count,
            libc::MSG_DONTWAIT | libc::MSG_TRUNC,
            ptr::null_mut(),
        )
    };
    let received = usize::try_from(received).map_err(|_| io::Error::last_os_error())?;
    for (length, message) in lengths.iter_mut().zip(&headers.messages).take(received) {
        *length = usize::try_from(message.msg_len).unwrap_or(usize::MAX);
    }
    Ok(received)
}

/// Sends up to [`FRAMES`] frames without waiting; returns how many were taken.
pub(crate) fn send_frames<'a>(
    socket: impl AsFd,
    frames: impl Iterator<Item = &'a [u8]>,
) -> io::Result<usize> {
    let mut headers = Headers::new();
    let count = headers.point(frames.map(|frame| (frame.as_ptr().cast_mut(), frame.len())));
    // SAFETY: as above; the kernel only reads what the vectors of a sendmmsg point to.
    let sent = unsafe {
        libc::sendmmsg(
            socket.as_fd().as_raw_fd(),
            headers.messages.as_mut_ptr(),
            count,
            libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL,
        )
    };
    usize::try_from(sent).map_err(|_| io::Error::last_os_error())
}
