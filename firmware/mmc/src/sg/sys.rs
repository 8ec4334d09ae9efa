//! The SG_IO ioctl.
#![allow(unsafe_code)]

use core::ffi::c_void;
use core::ptr;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use rustix::io::{Errno, Result};
use rustix::ioctl::{Ioctl, IoctlOutput, Opcode, ioctl};

use crate::transport::Data;

/// `SG_IO` (include/scsi/sg.h); older than the encoding of direction and size into such numbers.
const SG_IO: Opcode = 0x2285;

const TO_DEVICE: i32 = -2;
const FROM_DEVICE: i32 = -3;
const NO_DATA: i32 = -1;

/// `struct sg_io_hdr` (include/scsi/sg.h), version 3 of the interface.
#[repr(C)]
struct Header {
    interface_id: i32,
    direction: i32,
    command_length: u8,
    sense_room: u8,
    scatter_gather_count: u16,
    data_length: u32,
    data: *mut c_void,
    command: *const u8,
    sense: *mut u8,
    timeout: u32,
    flags: u32,
    pack_id: i32,
    user_pointer: *mut c_void,
    status: u8,
    masked_status: u8,
    message_status: u8,
    sense_written: u8,
    host_status: u16,
    driver_status: u16,
    residual: i32,
    duration: u32,
    info: u32,
}

// The kernel reads exactly this many bytes on 64-bit machines.
#[cfg(target_pointer_width = "64")]
const _: () = assert!(size_of::<Header>() == 88);

/// What the kernel says about a finished command.
pub(super) struct Outcome {
    pub(super) status: u8,
    pub(super) host_status: u16,
    pub(super) driver_status: u16,
    pub(super) transferred: usize,
}

/// The ioctl's argument; a header whose pointers are valid for as long as this lives.
struct SgIo<'a> {
    header: &'a mut Header,
}

// SAFETY: SG_IO takes a pointer to `struct sg_io_hdr`, which `Header` mirrors field by field, and writes only
// into it, into `data` (at most `data_length` bytes, only with FROM_DEVICE) and into `sense` (at most
// `sense_room` bytes). The only place that makes a `SgIo` is `sg_io`, which takes those pointers from buffers
// it has borrowed accordingly for the length of the call, so what the kernel reads and writes is valid. The
// request is synchronous: when a signal ends the wait the kernel keeps its own pages and does not touch the
// buffers afterwards (SG_FLAG_DIRECT_IO is not set). `IS_MUTATING` is true, as it must be.
unsafe impl Ioctl for SgIo<'_> {
    type Output = ();

    const IS_MUTATING: bool = true;

    fn opcode(&self) -> Opcode {
        SG_IO
    }

    fn as_ptr(&mut self) -> *mut c_void {
        ptr::from_mut(self.header).cast()
    }

    unsafe fn output_from_ptr(_: IoctlOutput, _: *mut c_void) -> Result<()> {
        Ok(())
    }
}

/// Sends one command and waits for its end.
pub(super) fn sg_io(
    device: &impl AsFd,
    command: &[u8],
    data: Data<'_>,
    sense: &mut [u8],
    timeout: Duration,
) -> Result<Outcome> {
    let (direction, data, length) = match data {
        Data::None => (NO_DATA, ptr::null_mut(), 0),
        Data::In(buffer) => (FROM_DEVICE, buffer.as_mut_ptr().cast::<c_void>(), buffer.len()),
        // The kernel only reads through this pointer when the direction is TO_DEVICE.
        Data::Out(bytes) => (TO_DEVICE, bytes.as_ptr().cast_mut().cast::<c_void>(), bytes.len()),
    };
    let mut header = Header {
        interface_id: i32::from(b'S'),
        direction,
        command_length: u8::try_from(command.len()).map_err(|_| Errno::INVAL)?,
        sense_room: u8::try_from(sense.len()).unwrap_or(u8::MAX),
        scatter_gather_count: 0,
        data_length: u32::try_from(length).map_err(|_| Errno::INVAL)?,
        data,
        command: command.as_ptr(),
        sense: sense.as_mut_ptr(),
        timeout: u32::try_from(timeout.as_millis()).unwrap_or(u32::MAX),
        flags: 0,
        pack_id: 0,
        user_pointer: ptr::null_mut(),
        status: 0,
        masked_status: 0,
        message_status: 0,
        sense_written: 0,
        host_status: 0,
        driver_status: 0,
        residual: 0,
        duration: 0,
        info: 0,
    };
    let device: BorrowedFd<'_> = device.as_fd();
    // SAFETY: `SgIo`'s implementation of `Ioctl` states the protocol of SG_IO; all pointers in the header
    // come from slices borrowed until this function returns, with their true lengths. A descriptor that is no
    // SCSI generic device answers ENOTTY, or takes the same request with the same meaning (block devices do).
    unsafe { ioctl(device, SgIo { header: &mut header }) }?;
    let residual = usize::try_from(header.residual).unwrap_or(0);
    Ok(Outcome {
        status: header.status,
        host_status: header.host_status,
        driver_status: header.driver_status,
        transferred: length.saturating_sub(residual),
    })
}
