//! From a directory to the blocks of a disc image, on all cores.
//!
//! [`walk`] tells a directory to a [`discfs::Tree`] or [`discfs::Revision`] and remembers where the bytes of its files are ([`Files`]).
//! [`master`] produces a planned image from its first block to its last into a sink: cores read and digest pieces of it
//! ahead of the one that hands them on in order. That is possible because any block of an image can be produced
//! alone; what a file spans several pieces for is digested in their order.
//!
//! Whoever keeps files elsewhere implements [`Supply`], and nothing else of it changes.
//!
//! Limits: memory is bounded by [`Settings::ahead`] and a table of 36 bytes a file, whatever the sizes.
#![forbid(unsafe_code)]

mod assemble;
mod files;
mod names;
mod platform;
mod supply;
mod walk;

pub use assemble::{MasterError, Settings, Sink, master};
pub use files::Files;
pub use supply::Supply;
pub use walk::{LeftOut, Receiver, WalkOptions, Walked, walk};
