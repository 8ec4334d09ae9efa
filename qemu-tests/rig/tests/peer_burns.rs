//! Programs everybody uses burn to the emulated burner, and Linux reads back what they burned.
//!
//! Each test prints its part of the table of programs and media. Where a program gives up, the table holds the
//! program's own words, which it has to say.

mod peer_matrix;

use anyhow::Result;
use burner::{
    BD_R, BD_R_DL, BD_RE, CD_R, CD_RW, DVD_PLUS_R, DVD_PLUS_R_DL, DVD_PLUS_RW, DVD_R, DVD_R_DL, DVD_RAM,
    DVD_RW, DVD_RW_RESTRICTED, Profile,
};
use peer_matrix::{Act, BOTH, Ending, FIRST, Holds, ISO, SECOND, Story, prove};
use rig::peer::Program::{self, Cdrskin, Growisofs, Wodim, Xorriso};

/// What can be recorded, in the order of the table.
static MEDIA: [&Profile; 13] = [
    &CD_R,
    &CD_RW,
    &DVD_R,
    &DVD_R_DL,
    &DVD_RW,
    &DVD_RW_RESTRICTED,
    &DVD_PLUS_R,
    &DVD_PLUS_R_DL,
    &DVD_PLUS_RW,
    &DVD_RAM,
    &BD_R,
    &BD_R_DL,
    &BD_RE,
];

/// What a program does not do with a medium, and its own words for it.
static EXCEPTIONS: &[(Program, &Profile, &str, &str)] = &[
    (
        Growisofs,
        &CD_R,
        "burn",
        "media is not recognized as recordable DVD",
    ),
    (
        Growisofs,
        &CD_RW,
        "burn",
        "media is not recognized as recordable DVD",
    ),
    // It takes the address of layer 0's end for its size, so that no small image is worth two layers.
    (
        Growisofs,
        &DVD_R_DL,
        "burn",
        "more than 50% of space will be *wasted*",
    ),
    (
        Xorriso,
        &DVD_R_DL,
        "append",
        "DVD-R DL media can only be written with -close \"on\"",
    ),
    (Wodim, &DVD_RW_RESTRICTED, "burn", "Cannot open new session"),
    (Wodim, &DVD_RAM, "burn", "Found unsupported DVD-RAM media"),
    (Wodim, &BD_RE, "burn", "medium not formatted"),
];

/// A program burns a new disc, and appends to it if it can.
fn burned(program: Program, medium: &'static Profile) -> Story {
    let mut acts = Vec::new();
    if (program, medium.number) == (Wodim, DVD_PLUS_RW.number) {
        // It leaves the formatting of new discs to others.
        acts.push(Act::new("format", "dvd+rw-format -force $drive", Ending::Well));
    }
    acts.push(Act::begin("burn", program, medium, Holds::First));
    if let Some(commands) = program.append(medium, SECOND) {
        acts.push(Act::new("append", commands, Ending::Shows(Holds::Both, ISO)));
    }
    for (number, act) in acts.iter_mut().enumerate() {
        let exception = |(who, on, what, _): &&(Program, &Profile, &str, &str)| {
            (*who, on.name, *what) == (program, medium.name, act.name)
        };
        if let Some((.., words)) = EXCEPTIONS.iter().find(exception) {
            act.ending = Ending::Fails(words);
            acts.truncate(number + 1);
            break;
        }
    }
    Story::new(program.name(), medium, acts)
}

/// Every program once at least, and every family of media.
#[test]
fn others_burn_and_linux_reads_every_byte() -> Result<()> {
    let cells = [
        (Growisofs, &BD_R),
        (Growisofs, &DVD_PLUS_RW),
        (Growisofs, &DVD_R),
        (Growisofs, &DVD_RW_RESTRICTED),
        (Xorriso, &DVD_PLUS_R),
        (Xorriso, &BD_RE),
        (Xorriso, &CD_RW),
        (Cdrskin, &CD_R),
        (Cdrskin, &DVD_R_DL),
        (Cdrskin, &DVD_RAM),
        (Wodim, &CD_RW),
        (Wodim, &DVD_PLUS_R_DL),
        (Wodim, &DVD_RW),
    ];
    prove(
        "peer-burns",
        cells.map(|(program, medium)| burned(program, medium)).into(),
    )
}

fn every_medium(program: Program) -> Result<()> {
    let stories = MEDIA.iter().map(|medium| burned(program, medium));
    prove(&format!("peer-burns-{}", program.name()), stories.collect())
}

#[test]
#[ignore = "full: every medium, one minute"]
fn growisofs_burns_every_medium() -> Result<()> {
    every_medium(Growisofs)
}

#[test]
#[ignore = "full: every medium, one minute"]
fn xorriso_burns_every_medium() -> Result<()> {
    every_medium(Xorriso)
}

#[test]
#[ignore = "full: every medium, one minute"]
fn cdrskin_burns_every_medium() -> Result<()> {
    every_medium(Cdrskin)
}

#[test]
#[ignore = "full: every medium, one minute"]
fn wodim_burns_every_medium() -> Result<()> {
    every_medium(Wodim)
}

/// Burned, made blank or formatted by some program, burned again with other files.
#[test]
#[ignore = "full: twelve discs burned twice, one minute"]
fn erased_discs_are_burned_again() -> Result<()> {
    let ways: [(Program, &Profile, &str); 12] = [
        (Wodim, &CD_RW, "wodim gracetime=2 dev=$drive blank=fast"),
        (Wodim, &CD_RW, "wodim gracetime=2 dev=$drive blank=all"),
        (Cdrskin, &CD_RW, "cdrskin dev=$drive blank=fast"),
        (Cdrskin, &CD_RW, "cdrskin dev=$drive blank=all"),
        (Xorriso, &CD_RW, "xorriso -outdev $drive -blank fast"),
        (Growisofs, &DVD_RW, "dvd+rw-format -blank=full $drive"),
        (Growisofs, &DVD_RW, "dvd+rw-format -force $drive"),
        (Growisofs, &DVD_RW_RESTRICTED, "dvd+rw-format -blank=full $drive"),
        (Cdrskin, &DVD_RW, "cdrskin dev=$drive blank=deformat_sequential"),
        (Xorriso, &DVD_RW, "xorriso -outdev $drive -blank all"),
        (Wodim, &DVD_RW, "wodim gracetime=2 dev=$drive blank=all"),
        (Xorriso, &BD_RE, "xorriso -outdev $drive -format by_index_0"),
    ];
    let story = |(program, medium, erase): (Program, &'static Profile, &str)| {
        let acts = vec![
            Act::begin("burn", program, medium, Holds::First),
            Act::new("erase", erase, Ending::Well),
            Act::begin("burn", program, medium, Holds::Second),
        ];
        Story::new(erase.split(" $drive").next().unwrap_or(erase), medium, acts)
    };
    prove("peer-erased", ways.map(story).into())
}

/// Media that need no erasing hold the second disc where the first was.
#[test]
#[ignore = "full: twelve discs burned twice, one minute"]
fn overwritten_discs_hold_what_came_last() -> Result<()> {
    let media = [&DVD_PLUS_RW, &BD_RE, &DVD_RAM, &DVD_RW_RESTRICTED];
    let story = |program, medium| {
        let acts = vec![
            Act::begin("burn", program, medium, Holds::First),
            Act::begin("again", program, medium, Holds::Second),
        ];
        Story::new(Program::name(program), medium, acts)
    };
    let stories = [Growisofs, Xorriso, Cdrskin]
        .iter()
        .flat_map(|program| media.map(|medium| story(*program, medium)));
    prove("peer-overwritten", stories.collect())
}

/// Growisofs closes the disc for players that want it so, and then takes it for what it is.
#[test]
#[ignore = "full: four discs, half a minute"]
fn growisofs_closes_discs_for_players() -> Result<()> {
    let media = [&DVD_R, &DVD_RW, &DVD_PLUS_R, &DVD_PLUS_R_DL];
    let story = |medium: &'static Profile| {
        let mut burn = Act::begin("burn", Growisofs, medium, Holds::First);
        burn.commands = burn.commands.replace("growisofs ", "growisofs -dvd-compat ");
        let append = Growisofs.append(medium, SECOND).unwrap_or_default();
        let append = Act::new("append", append, Ending::Fails("media is not appendable"));
        Story::new("growisofs -dvd-compat", medium, vec![burn, append])
    };
    prove("peer-compatible", media.map(story).into())
}

/// A DVD-R DL is worth its second layer to growisofs only when it is filled, which takes 776 MiB at least.
#[test]
#[ignore = "full: 776 MiB, two to five minutes"]
fn growisofs_fills_both_layers() -> Result<()> {
    let make =
        "mkdir -p /tmp/large && cp -r /tmp/sources/first /tmp/large && truncate -s 776M /tmp/large/zeros";
    let burn = Growisofs.begin(&DVD_R_DL, "/tmp/large");
    let compare = "mkdir -p $own/mnt && mount -t LAYOUT -o ro $drive $own/mnt && cd /tmp/large && \
                   find . -type f | while read -r name; do cmp \"$name\" \"$own/mnt/$name\" || exit 1; done && \
                   cd / && umount $own/mnt";
    let compare = |layout: &str| compare.replace("LAYOUT", layout);
    let acts = vec![
        Act::new("make", make, Ending::Well),
        Act::new("burn", burn, Ending::Well),
        Act::new("as iso9660", compare("iso9660"), Ending::Well),
        Act::new("as udf", compare("udf"), Ending::Well),
        Act::new(
            "append",
            Growisofs.append(&DVD_R_DL, SECOND).unwrap_or_default(),
            Ending::Fails("media is not appendable"),
        ),
    ];
    let mut story = Story::new("growisofs", &DVD_R_DL, acts);
    story.blocks = 400_000;
    prove("peer-two-layers", vec![story])
}

/// What growisofs makes of a BD-R when nobody tells it otherwise: spare areas and pseudo-overwrite, which it alone
/// can go on with.
#[test]
#[ignore = "full: four discs, half a minute"]
fn growisofs_formats_blank_bd_r_in_its_own_way() -> Result<()> {
    let xorriso = Xorriso.append(&BD_R, SECOND).unwrap_or_default();
    let story = |(medium, spare): (&'static Profile, &str)| {
        let with = |commands: String| commands.replace(",spare:none", spare);
        let mut burn = Act::begin("burn", Growisofs, medium, Holds::First);
        burn.commands = with(burn.commands);
        let append = with(Growisofs.append(medium, SECOND).unwrap_or_default());
        let acts = vec![
            burn,
            Act::new("append", append, Ending::Shows(Holds::Both, ISO)),
            Act::new(
                "xorriso",
                xorriso.clone(),
                Ending::Fails("May not write to Pseudo Overwrite formatted BD-R medium"),
            ),
        ];
        Story::new(&format!("growisofs{}", spare.replace(',', " ")), medium, acts)
    };
    let ways = [
        (&BD_R, ""),
        (&BD_R, ",spare:min"),
        (&BD_R_DL, ""),
        (&BD_R_DL, ",spare:min"),
    ];
    prove("peer-pseudo-overwrite", ways.map(story).into())
}

/// The ways to write a CD or DVD-R that the programs do not take by themselves.
#[test]
#[ignore = "full: ten discs, one minute"]
fn write_types_that_have_to_be_asked_for() -> Result<()> {
    let image = format!("genisoimage -quiet -input-charset utf-8 -R -J -udf -o $own/disc.iso {FIRST}");
    let story = |(medium, burn): (&'static Profile, &str)| {
        let mut act = Act::new(
            "burn",
            format!("{image} && {burn}"),
            Ending::Shows(Holds::First, BOTH),
        );
        act.image = true;
        Story::new(burn.split(" $own").next().unwrap_or(burn), medium, vec![act])
    };
    let ways = [
        (&CD_R, "wodim gracetime=2 dev=$drive -sao $own/disc.iso"),
        (&CD_R, "cdrskin dev=$drive -tao $own/disc.iso"),
        (&CD_R, "wodim gracetime=2 dev=$drive -tao -multi $own/disc.iso"),
        (&CD_R, "cdrskin dev=$drive -sao -multi $own/disc.iso"),
        (&DVD_R, "wodim gracetime=2 dev=$drive -dao $own/disc.iso"),
        (&DVD_R, "cdrskin dev=$drive -sao $own/disc.iso"),
        (&DVD_R, "cdrskin dev=$drive -tao -multi $own/disc.iso"),
        (&DVD_PLUS_R, "cdrskin dev=$drive -tao -multi $own/disc.iso"),
        (&DVD_PLUS_R, "cdrskin dev=$drive -sao $own/disc.iso"),
        (&BD_R, "cdrskin dev=$drive -sao $own/disc.iso"),
    ];
    prove("peer-write-types", ways.map(story).into())
}
