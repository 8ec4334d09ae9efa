//! The record of every command, in a form two runs can be compared by.

use std::{fmt, time::Duration};

use crate::{drive::Status, sense::Sense};

/// One command and how it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The command descriptor block, cut to its group's length.
    pub cdb: Vec<u8>,
    /// Bytes that came with the command.
    pub data_out: usize,
    /// Bytes returned.
    pub data_in: usize,
    /// How it ended.
    pub status: Status,
    /// Why, if not well.
    pub sense: Option<Sense>,
    /// When it arrived, from the drive's power-on.
    pub at: Duration,
    /// How long it took, late answers included, without the transport.
    pub took: Duration,
}

/// `cdb | out bytes | in bytes | outcome | seconds + microseconds`: cut the last column to compare runs.
impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, byte) in self.cdb.iter().enumerate() {
            write!(f, "{}{byte:02X}", if index == 0 { "" } else { " " })?;
        }
        write!(f, " | out {} | in {} | ", self.data_out, self.data_in)?;
        match self.sense {
            None => f.write_str("good")?,
            Some(sense) => write!(f, "{sense}")?,
        }
        write!(
            f,
            " | {:.3} s + {} us",
            self.at.as_secs_f64(),
            self.took.as_micros()
        )
    }
}
