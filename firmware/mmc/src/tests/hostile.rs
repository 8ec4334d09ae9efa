//! Whatever bytes a drive sends, decoders end and say something.

use core::ops::ControlFlow;
use core::time::Duration;
use std::format;
use std::vec::Vec;

use proptest::prelude::{ProptestConfig, Strategy, any, prop, proptest};

use super::model::{Answer, Ear, Fault, Model, drive, image};
use crate::command::{
    GetConfiguration, GetCurrentPerformance, GetEventStatus, GetPerformance, Inquiry, ModeSense,
    ModeSenseSpeeds, Query, ReadBufferCapacity, ReadCapacity, ReadDiscInformation, ReadDiscStructure,
    ReadFormatCapacities, ReadFullToc, ReadToc, ReadTrackInformation, RequestSense, SenseWriteParameters,
};
use crate::transport::{Completion, Data, Transport, TransportError};
use crate::{BLOCK, Drive, Error, Intent, Interrupted, Pace, Reload, Sense, Track};

/// Every view over these bytes, every accessor of it.
fn look_at_all(raw: &[u8]) {
    if let Some(sense) = Sense::decode(raw) {
        assert!(!format!("{sense}{:?}", sense.reaction()).is_empty());
    }
    let _ = RequestSense::response(raw);
    let _ = ReadCapacity::response(raw);
    let _ = ReadBufferCapacity::response(raw);
    let _ = ReadTrackInformation::response(raw).map(Track::from);
    if let Ok(view) = Inquiry::response(raw) {
        assert_eq!(
            (view.vendor().len(), view.product().len(), view.revision().len()),
            (8, 16, 4)
        );
    }
    if let Ok(view) = GetConfiguration::response(raw) {
        let total: usize = view.features().map(|feature| 4 + feature.data.len()).sum();
        assert!(total + 8 <= raw.len());
    }
    if let Ok(view) = ReadDiscInformation::response(raw) {
        let _ = (
            view.status(),
            view.last_session_state(),
            view.sessions(),
            view.last_track(),
        );
        let _ = (
            view.first_track(),
            view.first_track_in_last_session(),
            view.erasable(),
        );
    }
    if let Ok(view) = ReadFormatCapacities::response(raw) {
        assert!(view.formats().count() * 8 + 12 <= raw.len());
        let _ = (view.blocks(), view.block_size(), view.descriptor_type());
    }
    if let Ok(view) = GetPerformance::response(raw) {
        assert!(view.speeds().count() * 16 + 8 <= raw.len());
        let _ = view.last_block();
    }
    let _ = GetCurrentPerformance::response(raw).map(|view| view.fastest());
    if let Ok(view) = ModeSenseSpeeds::response(raw) {
        assert!(view.speeds().count() * 4 + 32 <= raw.len());
        let _ = (view.fastest_reading(), view.reading(), view.writing());
    }
    if let Ok(view) = SenseWriteParameters::response(raw) {
        assert_eq!(view.as_bytes().len(), 60);
    }
    if let Ok(view) = ReadToc::response(raw) {
        assert!(view.entries().count() * 8 + 4 <= raw.len());
    }
    if let Ok(view) = ReadFullToc::response(raw) {
        assert!(view.entries().count() * 11 + 4 <= raw.len());
    }
    if let Ok(view) = ReadDiscStructure::response(raw) {
        assert!(view.field(100, 6).len() <= 6);
    }
    let _ = ModeSense::response(raw).map(|view| view.buffer_kib());
    let _ = GetEventStatus::response(raw).map(|view| (view.is_media(), view.code(), view.tray_open()));
}

/// A drive that is right most of the time; else its answer has wrong bytes, is sense data of noise, or is
/// lost.
struct Noise {
    model: Model,
    bytes: Vec<u8>,
    at: usize,
}

impl Noise {
    fn next(&mut self) -> u8 {
        self.at += 1;
        // The position goes in, so that the noise does not repeat with the period of the input.
        let turned = u8::try_from(self.at / self.bytes.len() % 256).unwrap_or(0);
        self.bytes[self.at % self.bytes.len()]
            .wrapping_mul(167)
            .wrapping_add(turned)
    }
}

impl Transport for Noise {
    fn execute(
        &mut self,
        cdb: &[u8],
        mut data: Data<'_>,
        timeout: Duration,
    ) -> Result<Completion, TransportError> {
        let lent = match &mut data {
            Data::None => Data::None,
            Data::In(buffer) => Data::In(buffer),
            Data::Out(bytes) => Data::Out(bytes),
        };
        let completion = self.model.execute(cdb, lent, timeout)?;
        match self.next() {
            0..=3 => Err(TransportError::Timeout),
            4..=10 => {
                let mut sense = [0; 24];
                sense.fill_with(|| self.next());
                sense[0] = 0x70 | self.next() & 0x83;
                Ok(Completion::check_condition(&sense))
            }
            11..=25 => {
                if let Data::In(buffer) = data {
                    let wrong = usize::from(self.next() % 8);
                    let place = usize::from(self.next()) % buffer.len().min(40);
                    buffer
                        .iter_mut()
                        .skip(place)
                        .take(wrong)
                        .for_each(|byte| *byte = self.next());
                }
                Ok(completion)
            }
            _ => Ok(completion),
        }
    }
}

/// Everything a caller can do, as far as the noise lets him.
fn use_drive(noise: Noise) -> Result<(), Error> {
    let mut drive = Drive::identify(noise, Ear::default())?;
    let _ = drive.media_status();
    let _ = drive.speeds();
    let disc = drive.disc()?;
    let mut reader = drive.reader();
    let _ = reader.read(0, &mut [0; 40 * BLOCK]);
    let _ = reader.defeat_cache(0..1000, Reload::Allowed);
    let _ = reader.defeat_cache(0..1000, Reload::Forbidden);
    if let Ok(salvage) = reader.rescue(0..200, 2, |_| ControlFlow::Continue(())) {
        assert_eq!(salvage.read + salvage.bad + salvage.run_out, 200);
    }
    if let Ok(layout) = drive.layout() {
        assert!(layout.sessions() <= layout.tracks.len());
    }
    let _ = drive.diagnose();
    let _ = drive.set_speeds(Pace::AtMost(1), Pace::Fastest);
    let _ = drive.resume(&Interrupted {
        intent: Intent::new(disc.next_writable().unwrap_or(0), 640),
        journalled: 320,
    });
    let plan = drive.plan(&Intent::new(disc.next_writable().unwrap_or(0), 64))?;
    let cluster = usize::try_from(plan.cluster_blocks()).unwrap() * BLOCK;
    let mut recorder = drive.record(plan)?;
    for _ in 0..4 {
        recorder.write(&std::vec![0; cluster])?;
    }
    recorder.finish().map(drop)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn views_survive_random_bytes(raw in prop::collection::vec(any::<u8>(), 0..400)) {
        look_at_all(&raw);
    }

    #[test]
    fn sense_survives_random_bytes(
        mut raw in prop::collection::vec(any::<u8>(), 1..80),
        code in 0x70u8..=0x73,
    ) {
        raw[0] = raw[0] & 0x80 | code;
        look_at_all(&raw);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn the_driver_survives_a_drive_that_answers_noise(bytes in prop::collection::vec(any::<u8>(), 64..256)) {
        let blocks = std::vec![[1; BLOCK]; 96];
        let model = Model { blocks, track_start: 96, sessions: 1, track: 2, ..Model::blank(0x41) };
        if let Err(error) = use_drive(Noise { model, bytes, at: 0 }) {
            assert!(!format!("{error}").is_empty());
        }
    }
}

/// Any fault, at any of the first commands of the kinds a burn consists of.
fn fault() -> impl Strategy<Value = Fault> {
    let code =
        prop::sample::select(&[0x00u8, 0x1E, 0x2A, 0x2A, 0x2A, 0x35, 0x46, 0x51, 0x52, 0x5B, 0x5C][..]);
    let triple = prop::sample::select(
        &[
            (0, 0, 0),
            (1, 0x17, 1),
            (2, 4, 1),
            (2, 4, 7),
            (2, 4, 8),
            (3, 0x0C, 0),
            (5, 0x21, 2),
            (5, 0x24, 0),
        ][..],
    );
    let attention = prop::sample::select(&[(6, 0x28, 0), (6, 0x29, 0), (0xB, 0x08, 0), (5, 0x2C, 0)][..]);
    (code, 0usize..6, triple.clone(), attention, 0u32..2, 0..7).prop_map(
        |(code, nth, triple, attention, lost, kind)| {
            let answer = match kind {
                0 | 1 => Answer::Sense(triple.0, triple.1, triple.2),
                2 => Answer::Sense(attention.0, attention.1, attention.2),
                3 => Answer::Deferred(triple.0, triple.1, triple.2),
                4 => Answer::Lost,
                // Only what is still in the buffer can be lost.
                5 if matches!(code, 0x2A | 0x35) && nth > 0 => Answer::Reset(lost * 32),
                _ => Answer::Dropped,
            };
            (code, nth, answer)
        },
    )
}

/// Burns 150 blocks; `Ok` means that the driver calls the burn good.
fn burn(drive: &mut Drive<Model, Ear>) -> Result<(), Error> {
    let plan = drive.plan(&Intent::new(0, 150))?;
    let mut recorder = drive.record(plan)?;
    for part in image(150).chunks(32 * BLOCK) {
        recorder.write(part)?;
    }
    recorder.finish().map(drop)
}

/// The same on an overwritable disc, committed in front.
fn overwrite(drive: &mut Drive<Model, Ear>) -> Result<(), Error> {
    let plan = drive.plan(&Intent::new(288, 150))?;
    let mut recorder = drive.record(plan)?;
    for part in image(150).chunks(32 * BLOCK) {
        recorder.write(part)?;
    }
    recorder.rewrite(&[(256, [0xF0; BLOCK]), (16, [0xF0; BLOCK])])?;
    recorder.finish().map(drop)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn a_burn_called_good_is_on_the_disc(faults in prop::collection::vec(fault(), 0..5)) {
        let mut drive = drive(Model::blank(0x41));
        drive.transport.seen = [0; 256];
        drive.transport.faults = faults.into_iter().collect();
        if burn(&mut drive).is_ok() {
            let model = &drive.transport;
            assert_eq!((model.blocks.len(), model.sessions, model.finalised), (160, 1, false));
            assert!(model.blocks[..150].concat() == image(150));
        }
    }

    #[test]
    fn what_is_overwritten_and_called_good_is_on_the_disc(faults in prop::collection::vec(fault(), 0..5)) {
        let mut model = Model::blank(0x43);
        model.blocks[..288].fill([0xAA; BLOCK]);
        let mut drive = drive(model);
        drive.transport.seen = [0; 256];
        drive.transport.faults = faults.into_iter().collect();
        let burned = overwrite(&mut drive).is_ok();
        let blocks = &drive.transport.blocks;
        if burned {
            assert!(blocks[288..438].concat() == image(150));
            assert!([16, 256].iter().all(|at| blocks[*at] == [0xF0; BLOCK]));
        }
        let others = (0..288).filter(|at| ![16, 256].contains(at));
        assert!(others.into_iter().all(|at| blocks[at] == [0xAA; BLOCK]), "the neighbours are as they were");
    }
}
