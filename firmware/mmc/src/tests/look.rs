//! Identity, disc, tray, and the reading of sense data.

use super::model::{Answer, CAPACITY, Model, drive};
use crate::{
    DiscStatus, Error, Event, Profile, Reaction, Sense, SessionState, patience, transport::Transport,
};
use core::time::Duration;
use std::boxed::Box;
use std::string::ToString;

#[test]
fn a_drive_is_identified() {
    let mut drive = drive(Model::blank(0x41));
    let identity = drive.identity();
    assert_eq!(
        (identity.vendor.as_str(), identity.product.as_str()),
        ("SPINDLE", "BD-MODEL")
    );
    assert_eq!(
        (identity.revision.as_str(), identity.serial.as_str()),
        ("1.00", "SN42")
    );
    assert_eq!(
        (identity.buffer_kib, identity.loads, identity.ejects),
        (64, true, true)
    );
    assert_eq!(drive.profile(), Ok(Profile::BD_R));
}

#[test]
fn a_transport_may_be_boxed_or_borrowed() {
    let mut model = Model::blank(0x41);
    let borrowed: &mut dyn Transport = &mut model;
    assert!(crate::Drive::identify(borrowed, super::model::Ear::default()).is_ok());
    #[cfg(feature = "std")]
    {
        let boxed: Box<dyn Transport + Send> = Box::new(model);
        assert!(crate::Drive::identify(boxed, super::model::Ear::default()).is_ok());
    }
    #[cfg(not(feature = "std"))]
    let _ = Box::new(model);
}

#[test]
fn a_blank_disc_is_described() {
    let mut drive = drive(Model::blank(0x41));
    let disc = drive.disc().unwrap();
    assert_eq!(
        (disc.status, disc.last_session),
        (DiscStatus::Blank, SessionState::Empty)
    );
    assert_eq!(
        (disc.sessions, disc.next_writable(), disc.free_blocks()),
        (0, Some(0), CAPACITY)
    );
    assert_eq!((disc.capacity, disc.readable), (CAPACITY, 0));
}

#[test]
fn an_unknown_profile_is_shown_not_refused() {
    let disc = drive(Model::blank(0x1234)).disc().unwrap();
    assert_eq!(disc.profile.to_string(), "unknown kind of disc (profile 1234h)");
    assert_eq!(disc.open, None);
}

#[test]
fn attentions_and_spin_up_are_waited_out() {
    let faults = [
        (0x12, 0, Answer::Sense(6, 0x29, 0)),
        (0x00, 0, Answer::Sense(6, 0x28, 0)),
        (0x00, 1, Answer::Sense(2, 0x04, 1)),
        (0x00, 2, Answer::Sense(2, 0x04, 2)),
        (0x51, 0, Answer::Sense(2, 0x04, 1)),
    ];
    let mut drive = drive(Model::blank(0x41).with(&faults));
    let before = drive.generation();
    assert!(drive.disc().is_ok());
    assert_ne!(
        drive.generation(),
        before,
        "a new medium makes earlier descriptions stale"
    );
    assert_eq!(drive.transport.count(0x1B), 1, "a stopped disc is started");
    assert!(
        drive
            .host
            .events
            .iter()
            .any(|event| matches!(event, Event::Waiting { .. }))
    );
}

#[test]
fn an_empty_drive_says_so_and_a_tray_moves() {
    let mut drive = drive(Model::blank(0x41));
    drive.eject().unwrap();
    assert_eq!(drive.disc(), Err(Error::NoDisc));
    assert!(
        !drive.media_status().unwrap().present,
        "without the event command TEST UNIT READY tells"
    );
    drive.load().unwrap();
    assert!(drive.disc().is_ok());
    assert!(drive.media_status().unwrap().present);
}

#[test]
fn patience_ends() {
    let busy: std::vec::Vec<_> = (0..2000)
        .map(|nth| (0x00, nth, Answer::Sense(2, 0x04, 1)))
        .collect();
    let mut drive = drive(Model::blank(0x41).with(&busy));
    let Err(Error::StillBusy { command, waited }) = drive.ready() else {
        panic!("patience did not end")
    };
    assert_eq!(command, "TEST UNIT READY");
    assert!(
        waited >= patience(0x00).completion && waited < patience(0x00).completion + Duration::from_secs(1)
    );
}

#[test]
fn sense_data_is_decoded_in_both_formats() {
    let fixed = [0xF0, 0, 3, 0, 0, 3, 0x20, 10, 0, 0, 0, 0, 0x11, 5, 0, 0, 0, 0];
    let expected = Sense {
        information: Some(0x320),
        ..Sense::new(3, 0x11, 5)
    };
    assert_eq!(Sense::decode(&fixed), Some(expected));
    let descriptors = [
        0x72, 3, 0x11, 5, 0, 0, 0, 12, 0, 10, 0x80, 0, 0, 0, 0, 0, 0, 0, 3, 0x20,
    ];
    assert_eq!(Sense::decode(&descriptors), Some(expected));
    let progress = [0x70, 0, 2, 0, 0, 0, 0, 10, 0, 0, 0, 0, 0x04, 7, 0, 0x80, 0x40, 0];
    assert_eq!(Sense::decode(&progress).unwrap().progress, Some(0x4000));
    let progress = [0x72, 2, 0x04, 7, 0, 0, 0, 8, 2, 6, 0, 0, 0x80, 0x40, 0, 0];
    assert_eq!(Sense::decode(&progress).unwrap().progress, Some(0x4000));
    assert!(
        Sense::decode(&[0x71, 0, 3, 0, 0, 0, 0, 10, 0, 0, 0, 0, 0x0C])
            .unwrap()
            .deferred
    );
    assert_eq!(Sense::decode(&[0; 18]), None);
}

#[test]
fn the_taxonomy_is_that_of_the_drives() {
    for (triple, reaction) in [
        ((2, 0x04, 0x01), Reaction::Wait),
        ((2, 0x04, 0x04), Reaction::Wait),
        ((2, 0x04, 0x07), Reaction::Wait),
        ((2, 0x04, 0x08), Reaction::Wait),
        ((2, 0x04, 0x03), Reaction::Stop),
        ((2, 0x3A, 0x01), Reaction::Stop),
        ((6, 0x28, 0x00), Reaction::Retry),
        ((6, 0x29, 0x00), Reaction::Retry),
        ((5, 0x20, 0x00), Reaction::Degrade),
        ((5, 0x21, 0x02), Reaction::Stop),
        ((3, 0x0C, 0x00), Reaction::Stop),
        ((3, 0x73, 0x03), Reaction::Stop),
        ((4, 0x08, 0x00), Reaction::Retry),
        ((0xB, 0x00, 0x00), Reaction::Retry),
    ] {
        let sense = Sense::new(triple.0, triple.1, triple.2);
        assert_eq!(sense.reaction(), reaction, "{sense}");
        assert!(!sense.diagnosis().cause.is_empty() && !sense.diagnosis().remedy.is_empty());
    }
    let aborted_earlier = Sense {
        deferred: true,
        ..Sense::new(0xB, 0, 0)
    };
    assert_eq!(
        aborted_earlier.reaction(),
        Reaction::Stop,
        "what is lost is not brought back by a repetition"
    );
    assert_eq!(
        Sense::new(3, 0x0C, 0).to_string(),
        "medium error: write error (sense 3/0C/00)"
    );
}
