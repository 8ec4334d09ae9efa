//! Patience, speeds, repairs and words for everything that can go wrong.

use core::ops::ControlFlow;
use core::time::Duration;
use std::format;
use std::vec::Vec;

use super::model::{Answer, Fault, Model, drive, image};
use crate::sense_table::diagnosis;
use crate::transport::TransportError;
use crate::{
    BLOCK, Close, Effort, Error, Event, Intent, Pace, Profile, Reaction, Sense, TooShort, patience,
    patience_on,
};

/// Every sense named by the reference programs and the standard's tables for MM drives, with what is done
/// about it.
const SENSES: &[(u8, u8, u8, Reaction)] = &[
    (1, 0x0C, 0x01, Reaction::Retry),
    (1, 0x73, 0x01, Reaction::Retry),
    (2, 0x04, 0x00, Reaction::Wait),
    (2, 0x04, 0x01, Reaction::Wait),
    (2, 0x04, 0x02, Reaction::Retry),
    (2, 0x04, 0x03, Reaction::Stop),
    (2, 0x04, 0x04, Reaction::Wait),
    (2, 0x04, 0x07, Reaction::Wait),
    (2, 0x04, 0x08, Reaction::Wait),
    (2, 0x04, 0x09, Reaction::Wait),
    (2, 0x30, 0x00, Reaction::Stop),
    (2, 0x31, 0x00, Reaction::Stop),
    (2, 0x3A, 0x01, Reaction::Stop),
    (2, 0x3A, 0x02, Reaction::Stop),
    (2, 0x3E, 0x00, Reaction::Wait),
    (2, 0x53, 0x02, Reaction::Stop),
    (3, 0x02, 0x00, Reaction::Stop),
    (3, 0x0C, 0x00, Reaction::Stop),
    (3, 0x0C, 0x02, Reaction::Stop),
    (3, 0x0C, 0x07, Reaction::Stop),
    (3, 0x0C, 0x08, Reaction::Stop),
    (3, 0x0C, 0x09, Reaction::Stop),
    (3, 0x11, 0x05, Reaction::Stop),
    (3, 0x31, 0x00, Reaction::Stop),
    (3, 0x72, 0x00, Reaction::Stop),
    (3, 0x72, 0x01, Reaction::Stop),
    (3, 0x72, 0x02, Reaction::Stop),
    (3, 0x73, 0x02, Reaction::Stop),
    (3, 0x73, 0x03, Reaction::Stop),
    (3, 0x73, 0x05, Reaction::Stop),
    (4, 0x02, 0x00, Reaction::Retry),
    (4, 0x08, 0x00, Reaction::Retry),
    (4, 0x44, 0x00, Reaction::Stop),
    (4, 0x47, 0x00, Reaction::Retry),
    (5, 0x1A, 0x00, Reaction::Degrade),
    (5, 0x20, 0x00, Reaction::Degrade),
    (5, 0x21, 0x00, Reaction::Stop),
    (5, 0x21, 0x02, Reaction::Stop),
    (5, 0x21, 0x03, Reaction::Stop),
    (5, 0x24, 0x00, Reaction::Degrade),
    (5, 0x26, 0x00, Reaction::Degrade),
    (5, 0x27, 0x00, Reaction::Stop),
    (5, 0x2C, 0x00, Reaction::Stop),
    (5, 0x2E, 0x00, Reaction::Stop),
    (5, 0x30, 0x02, Reaction::Stop),
    (5, 0x30, 0x06, Reaction::Stop),
    (5, 0x30, 0x10, Reaction::Stop),
    (5, 0x39, 0x00, Reaction::Degrade),
    (5, 0x53, 0x02, Reaction::Stop),
    (5, 0x63, 0x00, Reaction::Stop),
    (5, 0x64, 0x00, Reaction::Stop),
    (5, 0x6F, 0x03, Reaction::Stop),
    (5, 0x72, 0x03, Reaction::Stop),
    (5, 0x72, 0x04, Reaction::Stop),
    (5, 0x72, 0x05, Reaction::Stop),
    (5, 0x73, 0x17, Reaction::Stop),
    (6, 0x28, 0x00, Reaction::Retry),
    (6, 0x29, 0x00, Reaction::Retry),
    (6, 0x2A, 0x01, Reaction::Retry),
    (6, 0x2E, 0x00, Reaction::Retry),
    (7, 0x27, 0x00, Reaction::Stop),
    (8, 0x00, 0x00, Reaction::Stop),
    (0xB, 0x08, 0x00, Reaction::Retry),
    (0xB, 0x4B, 0x00, Reaction::Retry),
    (0xD, 0x00, 0x00, Reaction::Stop),
    (0xE, 0x1D, 0x00, Reaction::Stop),
];

#[test]
fn every_known_sense_has_its_row_and_its_words() {
    for (key, code, qualifier, reaction) in SENSES.iter().copied() {
        let sense = Sense::new(key, code, qualifier);
        assert_eq!(sense.reaction(), reaction, "{sense}");
        let catch_all = diagnosis(key, 0x7E, 0x7E);
        let general = matches!(key, 0x1 | 0x6 | 0x8 | 0xB | 0xD | 0xE);
        assert!(
            general || !core::ptr::eq(sense.diagnosis(), catch_all),
            "{sense} is only caught by its key"
        );
    }
    for key in 0..16 {
        for code in 0..=255 {
            let known = diagnosis(key, code, 0);
            assert!(!known.text.is_empty() && !known.cause.is_empty() && !known.remedy.is_empty());
        }
    }
}

#[test]
fn every_error_says_what_why_and_what_to_do() {
    let sense = Sense::new(3, 0x0C, 0);
    let (command, profile) = ("WRITE (10)", Profile::BD_R);
    let mut errors = std::vec![
        Error::Refused { command, sense },
        Error::Unreadable { address: 1, sense },
        Error::WriteFailed { address: 1, sense },
        Error::Displaced {
            expected: 1,
            found: 2
        },
        Error::AddressUnknown,
        Error::BurnInterrupted { address: 1 },
        Error::DiscChanged,
        Error::CloseUnfinished { command },
        Error::Status {
            command,
            status: 0x18
        },
        Error::StillBusy {
            command,
            waited: Duration::from_secs(1),
        },
        Error::Malformed {
            command,
            error: TooShort { needed: 2, got: 1 },
        },
        Error::NotAnOpticalDrive { device_type: 0 },
        Error::NoDisc,
        Error::CannotWrite { profile },
        Error::Finalised,
        Error::OpenTrack { track: 1, start: 0 },
        Error::TooLarge { needed: 2, free: 1 },
        Error::BlockSize(512),
        Error::Incomplete {
            written: 1,
            planned: 2
        },
        Error::Failed,
        Error::Misaligned {
            address: 1,
            cluster: 16
        },
        Error::NotFinalisable { profile },
        Error::OnlyAtOnce { profile },
        Error::NotAtOnce { profile },
        Error::NotErasable { profile },
        Error::FormatUnavailable { profile },
        Error::NotOverwritable { profile },
        Error::Blank,
        Error::NoOpenSession { profile },
        Error::BeyondRepair {
            track: 1,
            kept: 0,
            sense,
        },
    ];
    errors.extend(
        [
            TransportError::Timeout,
            TransportError::Interrupted,
            TransportError::Hung,
            TransportError::Reset,
            TransportError::Gone,
            TransportError::Adapter(1),
        ]
        .map(|error| Error::Transport { command, error }),
    );
    for error in errors {
        let words = [format!("{error}"), error.cause().into(), error.remedy().into()];
        assert!(words.iter().all(|words| words.len() > 5), "{words:?}");
    }
}

#[test]
fn patience_depends_on_the_disc() {
    let completion = |code, profile| patience_on(code, Profile(profile)).completion.as_secs();
    // CLOSE TRACK SESSION: a CD is done soon; a DVD of two layers may have one to fill up.
    assert!(completion(0x5B, 0x09) < completion(0x5B, 0x41));
    assert!(completion(0x5B, 0x41) < completion(0x5B, 0x15));
    assert_eq!(completion(0x5B, 0x15), completion(0x5B, 0x2B));
    // FORMAT UNIT: hours for BD-RE, less for DVD.
    assert!(
        completion(0x04, 0x14) < completion(0x04, 0x12) && completion(0x04, 0x12) < completion(0x04, 0x43)
    );
    assert!(completion(0xA1, 0x14) < completion(0xA1, 0x0A));
    // An unknown medium gets what any might need, but for BD-RE's format.
    assert_eq!(patience(0x5B).completion.as_secs(), 3600);
    assert_eq!(patience(0x99).answer.as_secs(), 30);
    for code in 0..=255u8 {
        for profile in [
            0x00, 0x09, 0x0A, 0x11, 0x12, 0x13, 0x14, 0x15, 0x1A, 0x1B, 0x2B, 0x41, 0x43,
        ] {
            let patience = patience_on(code, Profile(profile));
            assert!(patience.answer <= patience.completion && patience.answer.as_secs() >= 30);
        }
    }
    // The drive uses that of the disc it saw.
    let busy: Vec<Fault> = (0..9000).map(|nth| (0x5B, nth, Answer::Sense(2, 4, 7))).collect();
    let mut drive = drive(Model::blank(0x41).with(&busy));
    let plan = drive.plan(&Intent::new(0, 32)).unwrap();
    let mut recorder = drive.record(plan).unwrap();
    recorder.write(&image(32)).unwrap();
    let Err(Error::StillBusy { waited, .. }) = recorder.finish() else {
        panic!("patience did not end")
    };
    assert!((3600..3602).contains(&waited.as_secs()), "{waited:?}");
}

fn recorded(blocks: u32, model: Model) -> crate::Drive<Model, super::model::Ear> {
    let blocks = image(blocks);
    let blocks = blocks.chunks(BLOCK).map(|block| block.try_into().unwrap());
    drive(Model {
        blocks: blocks.collect(),
        finalised: true,
        sessions: 1,
        ..model
    })
}

#[test]
fn a_drive_without_set_streaming_is_slowed_by_set_cd_speed_and_speeded_up_again() {
    let model = Model {
        bad: std::vec![40],
        ..Model::blank(0x41)
    };
    let mut drive = recorded(4096, model);
    let speeds = |drive: &crate::Drive<Model, super::model::Ear>| {
        let log = drive.transport.log.iter().filter(|cdb| cdb[0] == 0xBB);
        log.map(|cdb| u16::from_be_bytes([cdb[2], cdb[3]]))
            .collect::<Vec<_>>()
    };
    let mut buffer = std::vec![0; 64 * BLOCK];
    assert!(drive.reader().read(0, &mut buffer).is_err());
    assert_eq!(speeds(&drive), [8_992], "slower, once");
    for cluster in 2..70 {
        drive
            .reader()
            .read(cluster * 32, &mut buffer[..32 * BLOCK])
            .unwrap();
    }
    assert_eq!(
        speeds(&drive),
        [8_992, 0xFFFF],
        "and back after 4 MiB without trouble"
    );
    let slow = |event: &&Event| matches!(event, Event::ReadingSlowly(_));
    assert_eq!(drive.host.events.iter().filter(slow).count(), 2);
    // What was asked for last comes back, and an effort that forbids it leaves the speed alone.
    drive.set_speeds(Pace::AtMost(12_000), Pace::Fastest).unwrap();
    let plain = Effort {
        slow_down: false,
        ..Effort::default()
    };
    assert!(drive.reader().with(plain).read(32, &mut buffer).is_err());
    assert_eq!(speeds(&drive).split_off(2), [12_000]);
    let salvage = drive.reader().rescue(0..96, 0, |_| ControlFlow::Continue(()));
    assert_eq!(salvage.unwrap().bad_ranges[0], 40..41);
    assert_eq!(speeds(&drive).split_off(2), [12_000, 8_992, 12_000]);
}

#[test]
fn a_bad_block_takes_bounded_time_and_a_silent_drive_is_not_waited_for_forever() {
    // Never written: one look is enough.
    let blank: Vec<Fault> = (0..40).map(|nth| (0x28, nth, Answer::Sense(8, 0, 0))).collect();
    let mut drive = recorded(64, Model::blank(0x41).with(&blank));
    let salvage = drive.reader().rescue(0..32, 0, |_| ControlFlow::Continue(()));
    assert_eq!(salvage.unwrap().bad, 32);
    assert_eq!(
        drive.transport.count(0x28),
        33,
        "the cluster, then each block once"
    );
    // No answer: the cluster is given up, at the third time the drive.
    let mut drive = recorded(
        256,
        Model::blank(0x41).with(&[(0x28, 0, Answer::Dropped), (0x28, 2, Answer::Dropped)]),
    );
    let mut senses = Vec::new();
    let salvage = drive.reader().rescue(0..128, 0, |piece| {
        if let crate::Piece::Bad { sense, .. } = piece {
            senses.push(sense);
        }
        ControlFlow::Continue(())
    });
    assert_eq!((salvage.unwrap().bad, senses.len()), (64, 2));
    let silent: Vec<Fault> = (0..9).map(|nth| (0x28, nth, Answer::Dropped)).collect();
    let mut drive = recorded(256, Model::blank(0x41).with(&silent));
    let given_up = drive.reader().rescue(0..256, 0, |_| ControlFlow::Continue(()));
    assert!(matches!(given_up, Err(Error::Transport { .. })), "{given_up:?}");
    assert_eq!(drive.transport.count(0x28), 3);
    // What must not be read is no damage.
    let mut drive = recorded(
        64,
        Model::blank(0x41).with(&[(0x28, 1, Answer::Sense(5, 0x6F, 3))]),
    );
    let refused = drive.reader().rescue(0..64, 0, |_| ControlFlow::Continue(()));
    assert!(matches!(refused, Err(Error::Refused { sense, .. }) if sense.asc == 0x6F));
}

#[test]
fn a_begun_track_is_repaired_even_if_the_drive_wants_more_than_one_command() {
    // Refused as not allowed, and again after one cluster more: then it is filled to its end.
    let faults = [
        (0x5B, 0, Answer::Sense(5, 0x72, 4)),
        (0x5B, 1, Answer::Sense(5, 0x72, 4)),
    ];
    let model = Model {
        blocks: std::vec![[1; BLOCK]; 6400 - 96],
        ..Model::blank(0x41)
    };
    let mut drive = drive(model.with(&faults));
    let condition = drive.diagnose().unwrap();
    assert_eq!((condition.state, condition.kept), (crate::State::Begun, 0));
    let disc = drive.repair(Close::Appendable).unwrap();
    assert_eq!(disc.sessions, 1);
    assert_eq!(drive.transport.count(0x2A), 3, "one cluster, then the other two");
    assert_eq!(drive.transport.count(0x58), 0, "REPAIR TRACK is for DVD-R");
}
