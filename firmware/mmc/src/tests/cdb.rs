//! Command blocks are those that xorriso, cdrskin and growisofs were seen to send.

use std::format;
use std::string::String;
use std::vec::Vec;

use crate::command::{
    AddressType, CloseFunction, CloseTrackSession, Command, GetConfiguration, GetEventStatus, GetPerformance,
    Inquiry, ModeSense, PreventAllow, Query, Read10, Read12, ReadBufferCapacity, ReadCapacity,
    ReadDiscInformation, ReadDiscStructure, ReadFormatCapacities, ReadTrackInformation, RequestSense,
    ReserveTrack, SetCdSpeed, SetStreaming, StartStop, StreamingDescriptor, SynchronizeCache, TestUnitReady,
    Tray, Write10,
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
            read: 0xFFFF,
            write: 17_982,
        },
        "BB 00 FF FF 46 3E 00 00 00 00 00 00",
    );
}
