//! Command blocks are those that xorriso, cdrskin and growisofs were seen to send.

use std::format;
use std::string::String;
use std::vec::Vec;

use crate::command::{
    AddressType, BlankDisc, CloseFunction, CloseTrackSession, Command, CueSheet, FormatDescriptor,
    FormatUnit, GetConfiguration, GetEventStatus, GetPerformance, Inquiry, ModeSense, PreventAllow, Query,
    Read10, Read12, ReadBufferCapacity, ReadCapacity, ReadDiscInformation, ReadDiscStructure,
    ReadFormatCapacities, ReadTrackInformation, RequestSense, ReserveTrack, SelectWriteParameters,
    SendCueSheet, SendLayerBreak, SenseWriteParameters, SetCdSpeed, SetStreaming, StartStop,
    StreamingDescriptor, SynchronizeCache, TestUnitReady, Tray, Write10, WriteParameters, WriteType,
    format_type,
};

fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .map(|byte| format!("{byte:02X}"))
        .collect::<Vec<_>>()
        .join(" ")
}

fn assert_cdb(command: &impl Command, expected: &str) {
    assert_eq!(hex(command.cdb().as_bytes()), expected);
}

#[test]
fn recorded_blocks_are_reproduced() {
    assert_cdb(&TestUnitReady, "00 00 00 00 00 00");
    assert_cdb(&Inquiry, "12 00 00 00 24 00");
    assert_cdb(
        &GetConfiguration { allocation: 8 },
        "46 00 00 00 00 00 00 00 08 00",
    );
    assert_cdb(
        &GetConfiguration { allocation: 0x144 },
        "46 00 00 00 00 00 00 01 44 00",
    );
    assert_cdb(&ModeSense, "5A 00 2A 00 00 00 00 00 1E 00");
    assert_cdb(&PreventAllow { prevent: true }, "1E 00 00 00 01 00");
    assert_cdb(&PreventAllow { prevent: false }, "1E 00 00 00 00 00");
    let start_stop = |action, immediate| StartStop { action, immediate };
    assert_cdb(&start_stop(Tray::Load, false), "1B 00 00 00 03 00");
    assert_cdb(&start_stop(Tray::Start, true), "1B 01 00 00 01 00");
    assert_cdb(&start_stop(Tray::Stop, true), "1B 01 00 00 00 00");
    assert_cdb(&ReadDiscInformation, "51 00 00 00 00 00 00 00 22 00");
    assert_cdb(&ReadCapacity, "25 00 00 00 00 00 00 00 00 00");
    let track = ReadTrackInformation {
        by: AddressType::Track,
        number: 2,
    };
    assert_cdb(&track, "52 01 00 00 00 02 00 00 22 00");
    assert_cdb(&ReserveTrack { blocks: 1824 }, "53 00 00 00 00 00 00 07 20 00");
    assert_cdb(
        &SynchronizeCache { immediate: true },
        "35 02 00 00 00 00 00 00 00 00",
    );
    assert_cdb(
        &SynchronizeCache { immediate: false },
        "35 00 00 00 00 00 00 00 00 00",
    );
    let close = |function| CloseTrackSession {
        function,
        immediate: true,
    };
    assert_cdb(&close(CloseFunction::Track(1)), "5B 01 01 00 00 01 00 00 00 00");
    assert_cdb(&close(CloseFunction::Session), "5B 01 02 00 00 00 00 00 00 00");
    assert_cdb(
        &close(CloseFunction::FinaliseMinimumRadius),
        "5B 01 05 00 00 00 00 00 00 00",
    );
    assert_cdb(&close(CloseFunction::Finalise), "5B 01 06 00 00 00 00 00 00 00");
    assert_cdb(
        &Read10 {
            address: 0x20,
            blocks: 32,
        },
        "28 00 00 00 00 20 00 00 20 00",
    );
    assert_cdb(&SetStreaming, "B6 00 00 00 00 00 00 00 00 00 1C 00");
}

#[test]
fn a_speed_request_is_the_recorded_parameter_list() {
    let descriptor = StreamingDescriptor {
        restore_defaults: false,
        rotation: 0,
        last_block: 0xBA_73FF,
        read: 0x15F39,
        write: 0x463C,
    };
    let recorded = "00000000 00000000 00BA73FF 00015F39 000003E8 0000463C 000003E8";
    assert_eq!(
        hex(&descriptor.to_bytes()).replace(' ', ""),
        recorded.replace(' ', "")
    );
}

#[test]
fn what_prepares_a_disc_is_as_recorded() {
    let page = |kind, more| {
        let parameters = WriteParameters::default().with(kind, more);
        hex(parameters.as_bytes().get(8..24).unwrap())
    };
    // cdrskin, CD: track at once, session at once.
    let track = "05 32 41 04 08 00 00 00 00 00 00 00 00 00 00 96";
    assert_eq!(page(WriteType::TrackAtOnce, false), track);
    let session = "05 32 42 00 00 00 00 00 00 00 00 00 00 00 00 96";
    assert_eq!(page(WriteType::SessionAtOnce, false), session);
    // xorriso, with more sessions to come.
    assert_eq!(
        page(WriteType::SessionAtOnce, true),
        session.replacen("42 00", "42 C0", 1)
    );
    // growisofs -dvd-compat, DVD-R.
    let incremental = "05 32 60 25 08 10 00 00 00 00 00 00 00 10 00 96";
    assert_eq!(page(WriteType::Incremental, false), incremental);
    assert_eq!(
        page(WriteType::Incremental, true),
        incremental.replacen("25", "E5", 1)
    );
    assert_eq!(
        page(WriteType::DiscAtOnce, false),
        "05 32 42 05 08 00 00 00 00 00 00 00 00 00 00 96"
    );
    assert_cdb(&SelectWriteParameters, "55 10 00 00 00 00 00 00 3C 00");
    assert_cdb(&SenseWriteParameters, "5A 08 05 00 00 00 00 00 3C 00");
    // cdrskin: a session of 1651 blocks.
    assert_cdb(&SendCueSheet, "5D 00 00 00 00 00 00 00 20 00");
    let recorded = "41000014000000004101001000000000410101100000020041AA011400001801";
    let sheet = CueSheet { blocks: 1651 }.to_bytes().unwrap();
    assert_eq!(hex(&sheet).replace(' ', ""), recorded);
    assert_eq!(
        CueSheet { blocks: 450_000 }.to_bytes(),
        None,
        "100 minutes are too long"
    );
    let list = |blocks, kind, parameter| {
        let descriptor = FormatDescriptor {
            blocks,
            kind,
            parameter,
        };
        hex(&descriptor.to_bytes(true))
    };
    assert_cdb(&FormatUnit, "04 11 00 00 00 00");
    // xorriso, DVD+RW; growisofs, DVD-RW ("quick grow") and BD-RE.
    let all = FormatDescriptor::ALL;
    assert_eq!(
        list(all, format_type::DVD_PLUS_RW, 0),
        "00 02 00 08 FF FF FF FF 98 00 00 00"
    );
    assert_eq!(
        list(0, format_type::DVD_RW_QUICK_GROW, 16),
        "00 02 00 08 00 00 00 00 4C 00 00 10"
    );
    assert_eq!(
        list(0x00B8_7400, format_type::BD_RE_SPARES, 0),
        "00 02 00 08 00 B8 74 00 C0 00 00 00"
    );
    let blank = |minimal| BlankDisc {
        minimal,
        immediate: true,
    };
    assert_cdb(&blank(true), "A1 11 00 00 00 00 00 00 00 00 00 00");
    assert_cdb(&blank(false), "A1 10 00 00 00 00 00 00 00 00 00 00");
    assert_cdb(&SendLayerBreak, "BF 00 00 00 00 00 00 20 00 0C 00 00");
}

#[test]
fn a_drives_own_write_parameters_are_kept_where_nothing_is_decided() {
    let mut answer = [0; 60];
    answer[1] = 58;
    (answer[8], answer[9]) = (0x85, 0x32); // savable
    answer[10..60].fill(0xAA);
    let own = SenseWriteParameters::response(&answer).unwrap();
    let ours = own.with(WriteType::TrackAtOnce, true);
    let page = hex(ours.as_bytes().get(8..26).unwrap());
    assert_eq!(page, "05 32 41 C4 08 00 AA AA 00 AA 00 00 00 00 00 96 AA AA");
    assert!(!own.agrees(&ours) && ours.agrees(&own.with(WriteType::TrackAtOnce, true)));
    answer[8] = 0x2A;
    let other = SenseWriteParameters::response(&answer).unwrap();
    assert_eq!(
        other,
        WriteParameters::default(),
        "another page is not taken for it"
    );
}

#[test]
fn other_blocks_follow_the_standard() {
    assert_cdb(
        &Write10 {
            address: 0x0102_0304,
            blocks: 0x0506,
        },
        "2A 00 01 02 03 04 00 05 06 00",
    );
    let forced = Read12 {
        address: 0x0102_0304,
        blocks: 32,
        force_unit_access: true,
    };
    assert_cdb(&forced, "A8 08 01 02 03 04 00 00 00 20 00 00");
    assert_cdb(&RequestSense, "03 00 00 00 12 00");
    assert_cdb(&GetEventStatus, "4A 01 00 00 10 00 00 00 08 00");
    assert_cdb(&ReadFormatCapacities, "23 00 00 00 00 00 00 00 FC 00");
    assert_cdb(&ReadBufferCapacity, "5C 00 00 00 00 00 00 00 0C 00");
    assert_cdb(
        &ReadDiscStructure {
            media_type: 1,
            format: 0,
        },
        "AD 01 00 00 00 00 00 00 00 74 00 00",
    );
    assert_cdb(&GetPerformance, "AC 00 00 00 00 00 00 00 00 10 03 00");
    assert_eq!(GetPerformance.allocation(), 264);
    assert_cdb(
        &SetCdSpeed {
            rotation: 0,
            read: 0xFFFF,
            write: 17_982,
        },
        "BB 00 FF FF 46 3E 00 00 00 00 00 00",
    );
}
