//! Tests against a scripted drive.

mod burn;
mod cdb;
mod hostile;
mod look;
mod model;
mod odd;
mod overwrite;
mod read;
mod readers;
mod trouble;
