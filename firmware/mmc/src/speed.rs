//! Speeds: which there are, asking for one, and what the drive made of it.

use crate::command::{
    GetCurrentPerformance, GetPerformance, ModeSenseSpeeds, ReadCapacity, SetCdSpeed, SetStreaming,
    StreamingDescriptor,
};
use crate::drive::Drive;
use crate::error::Error;
use crate::profile::Profile;
use crate::sense::Reaction;
use crate::transport::{Data, Host, Transport};

/// A speed to ask for, in 1000 bytes a second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Pace {
    /// What the drive thinks best: its maximum, mostly.
    #[default]
    Fastest,
    /// At most this; the drive takes the nearest it has.
    AtMost(u32),
}

/// How the disc turns while it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rotation {
    /// The medium's default: constant linear velocity, in zones or not.
    Linear,
    /// Constant angular velocity: slow inside, fast outside.
    Angular,
    /// Another value of the field.
    Other(u8),
}

impl Rotation {
    fn code(self) -> u8 {
        match self {
            Self::Linear => 0,
            Self::Angular => 1,
            Self::Other(code) => code,
        }
    }
}

impl From<u8> for Rotation {
    fn from(code: u8) -> Self {
        match code {
            0 => Self::Linear,
            1 => Self::Angular,
            other => Self::Other(other),
        }
    }
}

/// A speed at which the drive writes the disc that is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WriteSpeed {
    /// In 1000 bytes a second.
    pub kilobytes: u32,
    /// How the disc turns.
    pub rotation: Rotation,
}

/// What a drive tells of its speeds for the disc that is in, in 1000 bytes a second; 0 where it does not tell.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Speeds {
    /// All write speeds, fastest first.
    pub write: heapless::Vec<WriteSpeed, 16>,
    /// The reading speed it is set to.
    pub reading: u32,
    /// The writing speed it is set to.
    pub writing: u32,
}

/// "Not offered" is no failure where something else can answer.
fn offered<R>(answer: Result<R, Error>) -> Result<Option<R>, Error> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(Error::Malformed { .. }) => Ok(None),
        Err(error) if error.reaction() == Reaction::Degrade => Ok(None),
        Err(error) => Err(error),
    }
}

impl<T: Transport, H: Host> Drive<T, H> {
    /// The speeds for the disc that is in. GET PERFORMANCE counts, since mode page 2Ah has room for 65 MB/s
    /// only and on some drives tells of CDs whatever disc is in; where the former is silent the latter speaks.
    ///
    /// # Errors
    /// What the commands brought; that the drive has none of them is no error.
    pub fn speeds(&mut self) -> Result<Speeds, Error> {
        let mut speeds = Speeds::default();
        let listed = |rotation: u8, kilobytes| WriteSpeed {
            kilobytes,
            rotation: rotation.into(),
        };
        let mut answer = [0; 264];
        if let Some(list) = offered(self.query(&GetPerformance, &mut answer))? {
            let all = list.speeds().map(|one| listed(one.rotation, one.speed));
            speeds.write = all.take(16).collect();
        }
        for (writing, current) in [(false, &mut speeds.reading), (true, &mut speeds.writing)] {
            let now = offered(self.query(&GetCurrentPerformance { writing }, &mut answer))?;
            *current = now.and_then(|now| now.fastest()).unwrap_or(0);
        }
        if speeds.write.is_empty() || speeds.reading == 0 || speeds.writing == 0 {
            let mut answer = [0; 104];
            if let Some(page) = offered(self.query(&ModeSenseSpeeds, &mut answer))? {
                if speeds.write.is_empty() {
                    let all = page.speeds().map(|one| listed(one.rotation, one.speed));
                    speeds.write = all.take(16).collect();
                }
                let or = |told: u32, page: u32| if told == 0 { page } else { told };
                speeds.reading = or(speeds.reading, page.reading());
                speeds.writing = or(speeds.writing, page.writing());
            }
        }
        speeds
            .write
            .sort_unstable_by_key(|speed| core::cmp::Reverse(speed.kilobytes));
        Ok(speeds)
    }

    /// Asks for a reading and a writing speed, and tells what the drive took. It keeps them until the next
    /// disc at most; a drive that cannot be told keeps its own.
    ///
    /// # Errors
    /// What the commands brought.
    pub fn set_speeds(&mut self, read: Pace, write: Pace) -> Result<Speeds, Error> {
        let offered = self.speeds()?;
        self.paces = (read, write);
        self.apply_paces(read, write, &offered)?;
        self.speeds()
    }

    /// Reads at most at the speed at which damaged discs of this kind read best: low enough for servo and
    /// decoder, fast enough to turn evenly.
    pub(crate) fn slow_down(&mut self) -> Result<(), Error> {
        let careful = match self.profile()? {
            Profile(0x00..=0x0A) => 1_411, // CD at 8x
            Profile(0x10..=0x2F) => 5_540, // DVD at 4x
            _ => 8_992,                    // BD at 2x
        };
        let write = self.paces.1;
        self.apply_paces(Pace::AtMost(careful), write, &Speeds::default())
    }

    /// Back to the speeds asked for last.
    pub(crate) fn restore_speed(&mut self) -> Result<(), Error> {
        let (read, write) = self.paces;
        self.apply_paces(read, write, &Speeds::default())
    }

    /// The disc's last block, which SET STREAMING wants and some drives check: as the speed descriptors have
    /// it, blank discs included, else as READ CAPACITY does.
    fn last_block(&mut self) -> Result<u32, Error> {
        let mut answer = [0; 264];
        let listed = offered(self.query(&GetPerformance, &mut answer))?;
        if let Some(last) = listed.and_then(|list| list.last_block()) {
            return Ok(last);
        }
        match self.query(&ReadCapacity, &mut [0; 8]) {
            Ok(capacity) => Ok(capacity.last_block),
            Err(error @ (Error::Transport { .. } | Error::NoDisc)) => Err(error),
            Err(_) => Ok(0),
        }
    }

    /// SET STREAMING, else SET CD SPEED; a drive without both is taken as it is.
    fn apply_paces(&mut self, read: Pace, write: Pace, offered: &Speeds) -> Result<(), Error> {
        // Faster than any drive, and far from overflow inside one.
        const BOUNDLESS: u32 = 0x0100_0000;
        let number = |pace| match pace {
            Pace::Fastest => BOUNDLESS,
            Pace::AtMost(speed) => speed,
        };
        let chosen = offered
            .write
            .iter()
            .find(|speed| speed.kilobytes <= number(write));
        let rotation = chosen.map_or(0, |speed| speed.rotation.code());
        let descriptor = StreamingDescriptor {
            restore_defaults: (read, write) == (Pace::Fastest, Pace::Fastest),
            rotation,
            last_block: self.last_block()?,
            read: number(read),
            write: number(write),
        };
        match self.run(&SetStreaming, Data::Out(&descriptor.to_bytes())) {
            Err(error) if error.reaction() == Reaction::Degrade => {}
            other => return other,
        }
        let short = |pace| match pace {
            Pace::Fastest => u16::MAX,
            Pace::AtMost(speed) => u16::try_from(speed).unwrap_or(u16::MAX),
        };
        let command = SetCdSpeed {
            rotation,
            read: short(read),
            write: short(write),
        };
        match self.run(&command, Data::None) {
            Err(error) if error.reaction() == Reaction::Degrade => Ok(()),
            other => other,
        }
    }
}
