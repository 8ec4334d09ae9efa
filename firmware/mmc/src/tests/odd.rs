//! Drives with the peculiarities of the table, acted out by the model.

use core::time::Duration;
use std::vec::Vec;

use super::model::{Ear, Model, image};
use crate::quirk::{PECULIARITIES, Peculiarity};
use crate::transport::{Completion, Data, Transport, TransportError};
use crate::{Drive, Error, Event, Intent, Pace, Quirks};

type Outcome = Option<Result<Completion, TransportError>>;
/// What the drive does otherwise than the model; `None` leaves it to the model.
type Act = fn(&mut Stage, &mut Model, &[u8], &mut Data<'_>) -> Outcome;
/// What shows that the driver copes.
type Check = fn(&mut Drive<Odd, Ear>);

/// What an act remembers.
#[derive(Default)]
struct Stage {
    pending: u32,
    flag: bool,
    /// Lengths of the data sent with commands, by operation code.
    sent: Vec<(u8, usize)>,
}

struct Odd {
    model: Model,
    name: (&'static str, &'static str),
    act: Act,
    stage: Stage,
}

impl Transport for Odd {
    fn execute(
        &mut self,
        cdb: &[u8],
        mut data: Data<'_>,
        timeout: Duration,
    ) -> Result<Completion, TransportError> {
        if let Data::Out(bytes) = &data {
            self.stage.sent.push((cdb[0], bytes.len()));
        }
        if let Some(outcome) = (self.act)(&mut self.stage, &mut self.model, cdb, &mut data) {
            return outcome;
        }
        if cdb[0] != 0x12 {
            return self.model.execute(cdb, data, timeout);
        }
        let Data::In(buffer) = data else { unreachable!() };
        let completion = self.model.execute(cdb, Data::In(buffer), timeout);
        buffer[8..32].fill(b' ');
        buffer[8..8 + self.name.0.len()].copy_from_slice(self.name.0.as_bytes());
        buffer[16..16 + self.name.1.len()].copy_from_slice(self.name.1.as_bytes());
        completion
    }
}

fn sense(key: u8, code: u8, qualifier: u8) -> Outcome {
    let sense = [
        0x70, 0, key, 0, 0, 0, 0, 10, 0, 0, 0, 0, code, qualifier, 0, 0, 0, 0,
    ];
    Some(Ok(Completion::check_condition(&sense)))
}

fn good() -> Outcome {
    Some(Ok(Completion::GOOD))
}

fn answer(data: &mut Data<'_>, bytes: &[u8]) -> Outcome {
    if let Data::In(buffer) = data {
        for (to, from) in buffer.iter_mut().zip(bytes) {
            *to = *from;
        }
    }
    good()
}

fn nothing(_: &mut Stage, _: &mut Model, _: &[u8], _: &mut Data<'_>) -> Outcome {
    None
}

fn odd(row: &Peculiarity, profile: u16, act: Act) -> Drive<Odd, Ear> {
    let odd = Odd {
        model: Model::blank(profile),
        name: (row.vendor, row.products.first().copied().unwrap_or("MODEL")),
        act,
        stage: Stage::default(),
    };
    Drive::identify(odd, Ear::default()).unwrap()
}

/// Burns three clusters; the disc holds them.
fn burns(drive: &mut Drive<Odd, Ear>) {
    let plan = drive.plan(&Intent::new(0, 96)).unwrap();
    let cluster = usize::try_from(plan.cluster_blocks()).unwrap() * crate::BLOCK;
    let mut recorder = drive.record(plan).unwrap();
    for part in image(96).chunks(cluster) {
        recorder.write(part).unwrap();
    }
    recorder.finish().unwrap();
    let kept: Vec<u8> = drive.transport.model.blocks.concat();
    assert!(kept == image(96));
}

fn flushes(drive: &Drive<Odd, Ear>) -> Vec<u8> {
    let log = drive.transport.model.log.iter();
    log.filter(|cdb| cdb[0] == 0x35).map(|cdb| cdb[1]).collect()
}

/// What the drive does and how the driver shows that it copes, by the name of the row: kind of disc, act and
/// check.
fn play(name: &str) -> Option<(u16, Act, Check)> {
    Some(match name {
        "early start" => (
            0x41,
            |stage, _, cdb, _| match cdb[..2] {
                [0x00, _] if !stage.flag => sense(2, 4, 2),
                [0x1B, 0] => {
                    stage.flag = true;
                    good()
                }
                [0x1B, _] => good(),
                _ => None,
            },
            |drive| {
                drive.ready().unwrap();
                drive.quirks = Quirks::default();
                drive.transport.stage.flag = false;
                assert!(
                    matches!(drive.ready(), Err(Error::Refused { .. })),
                    "the act bites"
                );
            },
        ),
        "flush falls through" => (
            0x41,
            |stage, _, cdb, _| match cdb[0] {
                0x35 if cdb[1] & 2 != 0 => {
                    stage.pending = 3;
                    good()
                }
                0x00 => None,
                _ if stage.pending > 0 => {
                    stage.pending -= 1;
                    sense(2, 4, 7)
                }
                _ => None,
            },
            |drive| {
                burns(drive);
                assert_eq!(flushes(drive), [0], "without Immed");
            },
        ),
        "ready while closing" => (
            0x41,
            |stage, model, cdb, _| match cdb[0] {
                0x5B => {
                    stage.pending = 5;
                    None
                }
                0x51 | 0x52 if stage.pending > 0 => {
                    stage.pending -= 1;
                    let _ = model;
                    sense(2, 4, 7)
                }
                _ => None,
            },
            burns,
        ),
        "before zero" => (
            0x41,
            |_, model, cdb, data| match cdb[0] {
                0x52 if model.blocks.is_empty() => {
                    let mut track = [0; 34];
                    (track[1], track[2], track[3], track[6], track[7]) = (32, 1, 1, 0x40, 1);
                    track[12..16].copy_from_slice(&150u32.wrapping_neg().to_be_bytes());
                    track[16..20].copy_from_slice(&6400u32.to_be_bytes());
                    answer(data, &track)
                }
                _ => None,
            },
            burns,
        ),
        "asynchronous load" => (
            0x41,
            |_, _, cdb, _| match cdb[0] {
                0x1B if cdb[4] & 3 == 3 => {
                    assert_eq!(cdb[1] & 1, 0, "loaded with Immed");
                    None
                }
                _ => None,
            },
            |drive| {
                drive.eject().unwrap();
                drive.load().unwrap();
            },
        ),
        "whole descriptor" => (
            0x41,
            |_, _, cdb, data| match (cdb[0], data) {
                (0xB6, Data::Out(bytes)) if bytes.len() < 28 || cdb[10] < 28 => sense(5, 0x26, 0),
                (0xB6, _) => good(),
                _ => None,
            },
            |drive| {
                drive
                    .set_speeds(Pace::AtMost(9_000), Pace::AtMost(9_000))
                    .unwrap();
                assert!(drive.transport.stage.sent.contains(&(0xB6, 28)));
                assert_eq!(drive.transport.model.count(0xBB), 0);
            },
        ),
        "belated buffer" => (
            0x41,
            |_, _, cdb, data| match cdb[0] {
                0x5C => answer(data, &[0, 10, 0, 0, 0, 0, 0, 1, 0xFF, 0xFF, 0xFF, 0xFF]),
                _ => None,
            },
            burns,
        ),
        "64 KiB" => (
            0x41,
            |_, _, cdb, _| {
                assert!(cdb[0] != 0xAA, "stream recording");
                assert!(cdb[0] != 0x2A || cdb[8] == 32, "not a cluster: {cdb:?}");
                None
            },
            burns,
        ),
        "longer than told" => (
            0x1B,
            |_, _, cdb, data| match cdb[0] {
                0xAD => answer(data, &[[0, 2, 0, 0].as_slice(), &[b'X'; 35]].concat()),
                _ => None,
            },
            |drive| assert_eq!(drive.disc().unwrap().media_id, ""),
        ),
        "none is one" => (
            0x41,
            |_, _, cdb, _| {
                assert!(cdb[0] != 0xAC || cdb[9] > 1);
                None
            },
            |drive| assert_eq!(drive.speeds().unwrap().write.len(), 0),
        ),
        "speed zero" => (
            0x41,
            |_, _, cdb, data| match (cdb[0], cdb.get(10)) {
                (0xAC, Some(3)) => {
                    let mut list = [0; 8 + 32];
                    list[3] = 36;
                    list[8 + 12..8 + 16].copy_from_slice(&5_540u32.to_be_bytes());
                    answer(data, &list)
                }
                _ => None,
            },
            |drive| {
                let speeds = drive.speeds().unwrap().write;
                assert_eq!(
                    speeds.iter().map(|one| one.kilobytes).collect::<Vec<_>>(),
                    [5_540]
                );
            },
        ),
        "speeds of CDs" => (
            0x41,
            |_, _, cdb, data| match (cdb[0], cdb.get(8), cdb.get(10)) {
                (0xAC, _, Some(3)) => {
                    let mut list = [0; 24];
                    list[3] = 20;
                    list[20..].copy_from_slice(&17_982u32.to_be_bytes());
                    answer(data, &list)
                }
                (0x5A, Some(104), _) => answer(data, &speed_page()),
                _ => None,
            },
            |drive| {
                let speeds = drive.speeds().unwrap();
                assert_eq!(
                    speeds.write.iter().map(|one| one.kilobytes).collect::<Vec<_>>(),
                    [17_982]
                );
                assert_eq!(
                    (speeds.reading, speeds.writing),
                    (4_234, 7_056),
                    "better than nothing"
                );
            },
        ),
        "locks up" => (
            0x08,
            |_, _, cdb, _| (cdb[0] == 0xAD).then_some(Err(TransportError::Hung)),
            |drive| {
                drive.disc().unwrap();
                assert!(!drive.is_hung());
            },
        ),
        "repeats commands" => (
            0x41,
            |_, model, cdb, data| match (cdb[0], data) {
                (0x2A, Data::Out(bytes)) => {
                    let _ = model.execute(cdb, Data::Out(bytes), Duration::ZERO);
                    sense(5, 0x21, 2)
                }
                _ => None,
            },
            burns,
        ),
        "silent progress" => (
            0x41,
            |stage, _, cdb, data| match cdb[0] {
                0x35 => {
                    stage.pending = 3;
                    good()
                }
                0x03 => answer(
                    data,
                    &[0x70, 0, 2, 0, 0, 0, 0, 10, 0, 0, 0, 0, 4, 7, 0, 0x80, 0x40, 0],
                ),
                0x00 if stage.pending > 0 => {
                    stage.pending -= 1;
                    sense(2, 4, 7)
                }
                _ => None,
            },
            |drive| {
                burns(drive);
                let told = |event: &Event| {
                    matches!(
                        event,
                        Event::Waiting {
                            progress: Some(0x4000),
                            ..
                        }
                    )
                };
                assert!(drive.host.events.iter().any(told));
            },
        ),
        "full disc" => (
            0x41,
            |_, _, cdb, _| match cdb[0] {
                0x52 => sense(5, 0x24, 0),
                _ => None,
            },
            |drive| {
                assert_eq!(drive.disc().unwrap().open, None);
                assert_eq!(drive.plan(&Intent::new(0, 1)), Err(Error::AddressUnknown));
            },
        ),
        "page length" => (
            0x41,
            |_, _, cdb, data| match cdb[0] {
                0x5A => {
                    let mut page = speed_page();
                    (page[0], page[1], page[9]) = (0xFF, 0xFF, 0xFF);
                    answer(data, &page)
                }
                _ => None,
            },
            |drive| {
                assert_eq!(drive.identity().buffer_kib, 2048);
                assert_eq!(drive.speeds().unwrap().write.len(), 2);
            },
        ),
        "wrong residue" => (0x41, nothing, |drive| {
            drive.transport.act = |_, model, cdb, data| {
                let lent = match data {
                    Data::None => Data::None,
                    Data::In(buffer) => Data::In(buffer),
                    Data::Out(bytes) => Data::Out(bytes),
                };
                let done = model.execute(cdb, lent, Duration::ZERO);
                Some(done.map(|done| Completion {
                    transferred: Some(1),
                    ..done
                }))
            };
            burns(drive);
        }),
        "address stands still" => (
            0x1B,
            |stage, model, cdb, data| match cdb[0] {
                0x5B => {
                    stage.flag = true;
                    None
                }
                0x52 if !stage.flag && !model.blocks.is_empty() => {
                    let mut track = [0; 34];
                    (track[1], track[2], track[3], track[7]) = (32, 1, 1, 1);
                    track[16..20].copy_from_slice(&6400u32.to_be_bytes());
                    answer(data, &track)
                }
                _ => None,
            },
            burns,
        ),
        "old format field" => (
            0x08,
            |stage, model, cdb, data| match cdb[0] {
                0x51 | 0x52 => sense(5, 0x20, 0),
                0x43 if cdb[9] >> 6 == 0 => {
                    let toc = [
                        0, 18, 1, 1, 0, 0x14, 1, 0, 0, 0, 0, 0, 0, 0x14, 0xAA, 0, 0, 0, 0, 64,
                    ];
                    answer(data, &toc)
                }
                0x43 => {
                    stage.flag = true;
                    let _ = model;
                    sense(5, 0x24, 0)
                }
                _ => None,
            },
            |drive| {
                let layout = drive.layout().unwrap();
                assert_eq!(layout.tracks[0].range(), 0..64);
                assert!(drive.transport.stage.flag, "the full table was asked for first");
            },
        ),
        _ => return None,
    })
}

/// Mode page 2Ah with 2 MiB of buffer and the speeds of a CD.
fn speed_page() -> [u8; 8 + 32 + 8] {
    let mut page = [0; 48];
    page[1] = 46;
    (page[8], page[9]) = (0x2A, 38);
    let mut put = |at: usize, value: u16| page[8 + at..10 + at].copy_from_slice(&value.to_be_bytes());
    put(8, 8_467);
    put(12, 2048);
    put(14, 4_234);
    put(28, 7_056);
    put(30, 2);
    put(34, 7_056);
    put(38, 3_528);
    page
}

#[test]
fn every_peculiarity_of_the_table_is_acted_out_and_coped_with() {
    for row in PECULIARITIES {
        let (profile, act, check) = play(row.name).unwrap_or_else(|| panic!("{} is not acted out", row.name));
        assert!(!row.does.is_empty() && !row.source.is_empty());
        check(&mut odd(row, profile, act));
    }
    let mut names: Vec<_> = PECULIARITIES.iter().map(|row| row.name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), PECULIARITIES.len());
}

#[test]
fn quirks_go_by_model() {
    assert!(Quirks::of("PIONEER", "DVD-RW  DVR-216D").synchronous_start);
    assert!(!Quirks::of("PIONEER", "DVD-RW  DVR-216D").synchronous_flush);
    assert!(Quirks::of("PIONEER", "DVD-RW  DVR-106D").synchronous_flush);
    assert_eq!(Quirks::of("SPINDLE", "BD-MODEL"), Quirks::default());
}
