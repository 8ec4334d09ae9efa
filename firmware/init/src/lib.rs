//! PID 1: mounts, supervision, hotplug, clock, power.
//!
//! Init starts the other roles by running its own executable again, hands them the descriptors they work
//! with, restarts those that die or stand still, and ends the box in order. It is one thread and one poll
//! loop. Whatever may wait for a disk (mounting, syncing) runs in a thread of its own with a time limit,
//! whatever may wait for the console is dropped and counted.
//!
//! Principles:
//!
//! - it never exits: a failure is a line on the console and the loop goes on;
//! - a role knows only what it was given: descriptors, and messages of [`seam::FromInit`];
//! - a role that is started again is told everything again;
//! - nothing is trusted because of who sent it: what a role may ask is checked against its name.
//!
//! Limits: one network configuration for all interfaces; one data partition.

mod backoff;
mod command_line;
mod console;
mod data;
mod death;
mod failure;
#[cfg(feature = "faults")]
mod faults;
mod hotplug;
mod interface;
mod lines;
mod mounts;
mod pid1;
mod power;
mod process;
mod seat;
pub mod signals;
pub mod spawn;
pub mod supervisor;
mod sys;
mod typed;
mod uevent;

pub use failure::Failure;
pub use pid1::run;
