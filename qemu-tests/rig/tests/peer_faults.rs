//! What goes wrong in the drive, and what programs everybody uses make of it, on DVD+R.
//!
//! The table is the measured truth, and every cell is demanded: whether the disc holds everything afterwards, and the
//! program's own words. It warns those who believe an exit code: growisofs ends with 0 after a failed WRITE.

mod peer_matrix;

use anyhow::Result;
use burner::{DVD_PLUS_R, Fault};
use peer_matrix::{Act, Ending, FIRST, Holds, ISO, Story, prove};
use rig::peer::Program;

/// A fault and what each program makes of it, in the order of [`Program::ALL`].
type Row = (&'static str, Vec<Fault>, [Ending; 4]);

/// Everything is on the disc.
const EQUAL: Ending = Ending::Shows(Holds::First, ISO);

/// The program says this, and the disc does not hold everything.
const fn spoiled(words: &'static str) -> Ending {
    Ending::Spoils(words)
}

/// The program says this although everything is on the disc.
const fn closed_badly(words: &'static str) -> Ending {
    Ending::SaysYetShows(words, Holds::First)
}

/// A unit attention: the disc may have been changed.
fn attention(opcode: Option<u8>, times: u32) -> Fault {
    Fault::UnitAttention {
        opcode,
        code: 0x28,
        qualifier: 0,
        times: Some(times),
    }
}

/// The faults everybody has met: a full buffer, an attention, a slow close, a bad block. Linux takes attentions for
/// itself when a program opens the drive, so that all of them survive a dozen.
fn usual() -> Vec<Row> {
    let long_writes = (0..120).map(|block| Fault::LongWrite {
        at: block * 16,
        times: Some(4),
    });
    vec![
        (
            "4 of 5 WRITEs: long write",
            long_writes.collect(),
            [EQUAL, EQUAL, EQUAL, EQUAL],
        ),
        (
            "12 unit attentions",
            vec![attention(None, 12)],
            [EQUAL, EQUAL, EQUAL, EQUAL],
        ),
        (
            "busy 3 times after CLOSE",
            vec![Fault::SlowClose { times: 3 }],
            [EQUAL, EQUAL, EQUAL, EQUAL],
        ),
        // Not the unit but the command itself is busy, which growisofs does not ask again.
        (
            "CLOSE is busy 3 times",
            vec![Fault::Refusal {
                opcode: Some(0x5B),
                key: 2,
                code: 4,
                qualifier: 7,
                times: Some(3),
            }],
            [closed_badly("CLOSE TRACK failed with SK=2h"), EQUAL, EQUAL, EQUAL],
        ),
        (
            "write error at 800",
            vec![Fault::WriteError { at: 800, times: None }],
            [
                spoiled("WRITE@LBA=320h failed with SK=3h/WRITE ERROR"),
                spoiled("[3 0C 00] Medium error. Write error."),
                spoiled("[3 0C 00] Medium error. Write error."),
                spoiled("A write error occured"),
            ],
        ),
    ]
}

/// The others.
fn unusual() -> Vec<Row> {
    const BECOMING_READY: &str =
        "READ DISC INFORMATION failed with SK=2h/LOGICAL UNIT IS IN PROCESS OF BECOMING READY";
    let write = 0x2A;
    vec![
        (
            "not ready 12 times",
            vec![Fault::BecomingReady { times: 12 }],
            [spoiled(BECOMING_READY), EQUAL, EQUAL, EQUAL],
        ),
        (
            "write error once",
            vec![Fault::WriteError {
                at: 800,
                times: Some(1),
            }],
            [
                spoiled("WRITE@LBA=320h failed with SK=3h/WRITE ERROR"),
                spoiled("[3 0C 00] Medium error. Write error."),
                spoiled("[3 0C 00] Medium error. Write error."),
                spoiled("A write error occured"),
            ],
        ),
        (
            "CLOSE fails",
            vec![Fault::FailClose { times: None }],
            [
                closed_badly("CLOSE TRACK failed with SK=3h/SESSION FIXATION ERROR"),
                closed_badly("Failed to close track (1). SCSI error : [3 72 00]"),
                closed_badly("Failed to close track (1). SCSI error : [3 72 00]"),
                closed_badly("close track/session scsi sendcmd"),
            ],
        ),
        // Nobody looks whether it was done.
        (
            "CLOSE does nothing",
            vec![Fault::LyingClose { times: None }],
            [EQUAL, EQUAL, EQUAL, EQUAL],
        ),
        (
            "tray opens at 800",
            vec![Fault::TrayOpens { at: 800 }],
            [
                spoiled("WRITE@LBA=320h failed with SK=2h/MEDIUM NOT PRESENT - TRAY OPEN"),
                spoiled("[2 3A 02] Drive not ready. Medium not present, tray open."),
                spoiled("[2 3A 02] Drive not ready. Medium not present, tray open."),
                spoiled("Cannot fixate disk"),
            ],
        ),
        (
            "power cut at 800",
            vec![Fault::PowerCut { at: 800 }],
            [
                spoiled("WRITE@LBA=320h failed with SK=6h/POWER ON"),
                spoiled("[5 21 02] Illegal request. Invalid address for write."),
                spoiled("[5 21 02] Illegal request. Invalid address for write."),
                spoiled("write track data: error after 1587200 bytes"),
            ],
        ),
        (
            "a WRITE's answer is lost",
            vec![Fault::LostReply {
                opcode: write,
                times: Some(1),
            }],
            [
                spoiled("WRITE@LBA=0h failed with SK=6h/POWER ON"),
                spoiled("[5 21 02] Illegal request. Invalid address for write."),
                spoiled("[5 21 02] Illegal request. Invalid address for write."),
                spoiled("write track data: error after 0 bytes"),
            ],
        ),
        (
            "bus reset for a WRITE",
            vec![Fault::BusReset {
                opcode: write,
                times: Some(1),
            }],
            [
                spoiled("WRITE@LBA=0h failed with SK=6h/BUS DEVICE RESET FUNCTION OCCURRED"),
                EQUAL,
                EQUAL,
                spoiled("A write error occured"),
            ],
        ),
        // Two programs go on with whatever disc is there now.
        (
            "disc swapped at a WRITE",
            vec![Fault::Swap {
                opcode: write,
                disc: "other".into(),
                silent: false,
            }],
            [
                spoiled("WRITE@LBA=0h failed with SK=6h/NOT READY TO READY CHANGE"),
                EQUAL,
                EQUAL,
                spoiled("A write error occured"),
            ],
        ),
        (
            "no power calibration",
            vec![Fault::OpcFails { times: None }],
            [EQUAL, EQUAL, EQUAL, spoiled("OPC failed")],
        ),
        (
            "buffer said to be full",
            vec![Fault::FalseBuffer { free: 0, times: None }],
            [EQUAL, EQUAL, EQUAL, EQUAL],
        ),
        (
            "no disc",
            vec![Fault::NoDisc {}],
            [
                spoiled("media is not recognized as recordable DVD: 0"),
                spoiled("No media detected in drive"),
                spoiled("There is no disc at all in the drive"),
                spoiled("No disk / Wrong disk!"),
            ],
        ),
        (
            "10 answers 0.2 s late",
            vec![Fault::ReplyDelay {
                opcode: write,
                milliseconds: 200,
                times: Some(10),
            }],
            [EQUAL, EQUAL, EQUAL, EQUAL],
        ),
    ]
}

/// One disc for each program and fault.
fn stories(rows: Vec<Row>) -> Vec<Story> {
    let story = |what, program: Program, faults, ending| {
        let mut burn = Act::begin(program.name(), program, &DVD_PLUS_R, Holds::First);
        (burn.faults, burn.ending, burn.image) = (faults, ending, false);
        Story::new(what, &DVD_PLUS_R, vec![burn])
    };
    let row = |(what, faults, endings): Row| {
        let each = Program::ALL.into_iter().zip(endings);
        each.map(move |(program, ending)| story(what, program, faults.clone(), ending))
            .collect::<Vec<_>>()
    };
    rows.into_iter().flat_map(row).collect()
}

/// What Linux reads of a disc that has become bad: it asks once more for a part of what failed.
fn reading() -> Story {
    let image = format!("genisoimage -quiet -R -J -o $own/disc.iso {FIRST}");
    let burn = format!("{image} && cdrskin dev=$drive $own/disc.iso");
    let read = |name, ending, fault| {
        let commands = "head -c $(stat -c %s $own/disc.iso) $drive | cmp - $own/disc.iso";
        let mut act = Act::new(name, commands, ending);
        act.faults = vec![fault];
        act
    };
    let weak = Fault::ReadError {
        at: 900,
        blocks: Some(4),
        tries: Some(1),
    };
    let lost = Fault::ReadError {
        at: 900,
        blocks: Some(4),
        tries: None,
    };
    let rotten = Fault::Rot {
        at: 900,
        blocks: Some(1),
    };
    let acts = vec![
        Act::new("burn", burn, EQUAL),
        read("weak blocks", Ending::Well, weak),
        read("lost blocks", Ending::Fails("Input/output error"), lost),
        read("a rotten block", Ending::Fails("differ"), rotten),
    ];
    Story::new("reading", &DVD_PLUS_R, acts)
}

#[test]
fn programs_meet_the_usual_faults_as_they_are_known_to() -> Result<()> {
    let mut stories = stories(usual());
    stories.push(reading());
    prove("peer-faults", stories)
}

#[test]
#[ignore = "full: fifty-two discs, three minutes"]
fn programs_meet_all_other_faults_as_they_are_known_to() -> Result<()> {
    prove("peer-all-faults", stories(unusual()))
}
