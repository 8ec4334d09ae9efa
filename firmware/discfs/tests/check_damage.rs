//! Every class of damage to ISO 9660, done to a sound disc, is found and named.
#![expect(clippy::unwrap_used, reason = "a test that cannot set itself up has failed")]
mod check_support;
mod common;

use check_support::damage::{PRIMARY, bridge, demand, entry, named, put_both, root, second, tables};
use check_support::{BLOCK, le32, put16, put32};
use discfs::Fault;

#[test]
fn volume_descriptors_and_path_tables() {
    demand(
        &bridge(),
        &[
            ("no terminator", Fault::NoTerminator, |b| b[18 * BLOCK + 1] = 0),
            ("no primary", Fault::NoPrimary, |b| b[PRIMARY] = 3),
            ("unknown descriptor", Fault::UnknownDescriptor, |b| {
                b[17 * BLOCK] = 77
            }),
            ("half a field", Fault::EndiansDiffer, |b| b[PRIMARY + 84] ^= 1),
            ("half a short field", Fault::EndiansDiffer, |b| {
                b[PRIMARY + 122] ^= 1
            }),
            ("block size", Fault::BadField, |b| {
                put16(b, PRIMARY + 128, 1024);
                b[PRIMARY + 130..PRIMARY + 132].copy_from_slice(&1024_u16.to_be_bytes());
            }),
            ("volume size", Fault::VolumeTooLarge, |b| {
                put_both(b, PRIMARY + 80, 999_999)
            }),
            ("small volume", Fault::PastVolume, |b| {
                let end = u32::try_from(root(b)).unwrap() + 1;
                put_both(b, PRIMARY + 80, end);
            }),
            ("month 99", Fault::BadDate, |b| {
                b[PRIMARY + 817..PRIMARY + 819].fill(b'9')
            }),
            ("top directory's size", Fault::RootsDiffer, |b| {
                put_both(b, PRIMARY + 166, 4096)
            }),
            ("big-endian table", Fault::PathTablesDiffer, |b| {
                let place = second(tables(b)[1]) + 5;
                b[place] ^= 1;
            }),
            ("size of tables", Fault::PathTableDamaged, |b| {
                put_both(b, PRIMARY + 132, 2000)
            }),
            ("place of tables", Fault::PathTableDamaged, |b| {
                put32(b, PRIMARY + 140, 9_999_999)
            }),
            ("directory's place", Fault::PathTableWrong, |b| {
                let place = second(tables(b)[0]) + 2;
                b[place] ^= 0x40;
            }),
            ("directory's name", Fault::PathTableWrong, |b| {
                for table in tables(b) {
                    b[second(table) + 8] = b'X';
                }
            }),
            ("a directory listed twice", Fault::PathTableLacks, |b| {
                let [little, big] = tables(b).map(second);
                let third = little + 8 + usize::from(b[little]).next_multiple_of(2);
                b.copy_within(third + 2..third + 6, little + 2);
                let third = big + 8 + usize::from(b[big]).next_multiple_of(2);
                b.copy_within(third + 2..third + 6, big + 2);
            }),
            ("directory's parent", Fault::PathTableParent, |b| {
                let [little, big] = tables(b).map(second);
                b[little + 6] = 2;
                b[big + 7] = 2;
            }),
            ("order of tables", Fault::PathTableOrder, |b| {
                let [little, big] = tables(b).map(second);
                b[little + 6] = 200;
                b[big + 7] = 200;
            }),
        ],
    );
}

#[test]
fn directory_records() {
    demand(
        &bridge(),
        &[
            ("length", Fault::RecordLength, |b| {
                let place = named(b, b"ALPHA");
                b[place] = 20;
            }),
            ("length past the block", Fault::RecordLength, |b| {
                let place = named(b, b"/TWO");
                b[place + 32] = 250;
            }),
            ("no record of itself", Fault::NoOwnRecords, |b| {
                let place = root(b) * BLOCK + 33;
                b[place] = b'Q';
            }),
            ("record of itself", Fault::OwnRecordDiffers, |b| {
                let directory = le32(b, named(b, b"SUB") + 2) as usize * BLOCK;
                put_both(b, directory + 10, 4096);
            }),
            ("record of the parent", Fault::ParentDiffers, |b| {
                let directory = le32(b, named(b, b"SUB") + 2) as usize * BLOCK;
                let parent = directory + usize::from(b[directory]);
                put_both(b, parent + 2, 17);
            }),
            ("order", Fault::RecordOrder, |b| {
                let place = named(b, b"ALPHA") + 33;
                b[place] = b'X';
            }),
            ("hidden records", Fault::RecordsHidden, |b| {
                let place = (root(b) + 1) * BLOCK - 3;
                b[place] = 7;
            }),
            ("part of a block", Fault::DirectoryNotWhole, |b| {
                let place = named(b, b"SUB") + 10;
                put_both(b, place, 2047);
            }),
            ("past the disc", Fault::PastEnd, |b| {
                let place = named(b, b"ALPHA") + 2;
                put_both(b, place, 5_000_000);
            }),
            ("shared blocks", Fault::Overlap, |b| {
                let (alpha, betas) = (named(b, b"ALPHA"), named(b, b"BETAS"));
                let other = le32(b, alpha + 2);
                put_both(b, betas + 2, other);
            }),
            ("shared with a directory", Fault::Overlap, |b| {
                let (alpha, other) = (named(b, b"ALPHA"), root(b));
                put_both(b, alpha + 2, u32::try_from(other).unwrap());
            }),
            ("a directory within itself", Fault::DirectoryMetTwice, |b| {
                let (place, other) = (named(b, b"SUB"), root(b));
                put_both(b, place + 2, u32::try_from(other).unwrap());
            }),
            ("sections without end", Fault::SectionsOpen, |b| {
                let place = named(b, b"BETAS");
                b[place + 25] |= 0x80;
            }),
            ("a section of part of a block", Fault::SectionNotWhole, |b| {
                let place = named(b, b"BETAS");
                b[place + 25] |= 0x80;
            }),
            ("interleaved", Fault::Interleaved, |b| {
                let place = named(b, b"BETAS");
                b[place + 26] = 1;
            }),
            ("date", Fault::BadDate, |b| {
                let place = named(b, b"BETAS");
                b[place + 19] = 13;
            }),
            ("half a field", Fault::EndiansDiffer, |b| {
                let place = named(b, b"/ONE");
                b[place + 9] ^= 4;
            }),
        ],
    );
}

#[test]
fn rock_ridge() {
    demand(
        &bridge(),
        &[
            ("length of an entry", Fault::SystemUseLength, |b| {
                let place = entry(b, named(b, b"ALPHA"), b"PX");
                b[place + 2] = 3;
            }),
            ("an entry too long", Fault::SystemUseLength, |b| {
                let place = entry(b, named(b, b"ALPHA"), b"NM");
                b[place + 2] = 200;
            }),
            ("half a field of an entry", Fault::EndiansDiffer, |b| {
                let place = entry(b, named(b, b"ALPHA"), b"PX");
                b[place + 15] ^= 1;
            }),
            ("continuation", Fault::Continuation, |b| {
                let place = entry(b, named(b, b"NNN"), b"CE");
                put_both(b, place + 12, 2000);
            }),
            ("type", Fault::RockRidgeType, |b| {
                let place = entry(b, named(b, b"ALPHA"), b"PX");
                put_both(b, place + 4, 0o040_755);
            }),
            ("no attributes", Fault::NoRockRidge, |b| {
                let place = entry(b, named(b, b"ALPHA"), b"PX");
                b[place..place + 2].copy_from_slice(b"XX");
            }),
            ("same name", Fault::SameName, |b| {
                let place = entry(b, named(b, b"BETAS"), b"NM");
                b[place + 5..place + 10].copy_from_slice(b"alpha");
            }),
            ("a moved directory", Fault::Relocation, |b| {
                let place = entry(b, named(b, b"ALPHA"), b"TF");
                b[place..place + 4].copy_from_slice(b"CL\x0C\x01");
                put_both(b, place + 4, 20);
            }),
        ],
    );
}
