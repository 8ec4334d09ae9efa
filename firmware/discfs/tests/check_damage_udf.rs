//! Every class of damage to UDF, and between the views, done to a sound disc, is found and named.
#![expect(clippy::unwrap_used, reason = "a test that cannot set itself up has failed")]
mod check_support;
mod common;

use check_support::damage::{
    INTEGRITY, bridge, demand, file_entry, identifier, named, patch, patch_all, patch_entry,
    patch_identifier, put_both,
};
use check_support::{BLOCK, at, descriptors, image, le16, le32, put16, put32, seal, shapes, unpack};
use common::{Sample, options};
use discfs::{Fault, Format, Options, UdfRevision};

#[test]
fn udf_volume_structures() {
    demand(
        &bridge(),
        &[
            ("recognition", Fault::Recognition, |b| {
                b[20 * BLOCK + 1..20 * BLOCK + 6].copy_from_slice(b"XXXXX")
            }),
            ("other edition", Fault::Recognition, |b| b[20 * BLOCK + 5] ^= 1),
            ("one anchor", Fault::FewAnchors, |b| {
                let last = b.len() - BLOCK;
                b[last..].fill(0);
            }),
            ("damaged anchor", Fault::TagCrc, |b| b[256 * BLOCK + 100] ^= 1),
            ("no anchor at all", Fault::NotReadable, |b| {
                let last = b.len() - BLOCK;
                b[last..].fill(0);
                b[at(256)].fill(0);
            }),
            ("another anchor", Fault::AnchorsDiffer, |b| {
                let last = b.len() - BLOCK;
                patch(b, last, |anchor| put32(anchor, 20, 70));
            }),
            ("checksum of a tag", Fault::TagChecksum, |b| {
                b[32 * BLOCK + 4] ^= 1
            }),
            ("CRC of a descriptor", Fault::TagCrc, |b| b[32 * BLOCK + 30] ^= 1),
            ("place of a descriptor", Fault::TagLocation, |b| {
                patch(b, 32 * BLOCK, |tag| put32(tag, 12, 99))
            }),
            ("kind of a descriptor", Fault::TagKind, |b| {
                patch(b, 33 * BLOCK, |tag| put16(tag, 0, 300))
            }),
            ("version of a descriptor", Fault::TagVersion, |b| {
                patch(b, 33 * BLOCK, |tag| put16(tag, 2, 9))
            }),
            ("reserve", Fault::SequencesDiffer, |b| {
                patch(b, 50 * BLOCK, |partition| put32(partition, 192, 5))
            }),
            ("volume set identifier", Fault::SetIdentifiersDiffer, |b| {
                patch(b, 48 * BLOCK, |primary| primary[75] ^= 1)
            }),
            ("no terminator", Fault::SequenceOpen, |b| b[at(37)].fill(0)),
            ("lacking descriptor", Fault::DescriptorMissing, |b| {
                patch_all(b, 7, |tag| put16(tag, 0, 4))
            }),
            ("unknown partition map", Fault::NotReadable, |b| {
                patch_all(b, 6, |logical| logical[440] = 9)
            }),
            ("partition size", Fault::PartitionTooLarge, |b| {
                patch_all(b, 5, |partition| put32(partition, 192, 9_999_999))
            }),
            ("domain", Fault::BadField, |b| {
                patch_all(b, 6, |logical| logical[220] = b'?')
            }),
            ("no integrity", Fault::NoIntegrity, |b| {
                b[INTEGRITY..INTEGRITY + BLOCK].fill(0)
            }),
            ("open integrity", Fault::NotClosed, |b| {
                patch(b, INTEGRITY, |integrity| put32(integrity, 28, 0))
            }),
            ("number of files", Fault::IntegrityCounts, |b| {
                patch(b, INTEGRITY, |integrity| put32(integrity, 88 + 32, 99))
            }),
            ("number of directories", Fault::IntegrityCounts, |b| {
                patch(b, INTEGRITY, |integrity| put32(integrity, 88 + 36, 9))
            }),
            ("size of the partition", Fault::IntegritySize, |b| {
                patch(b, INTEGRITY, |integrity| put32(integrity, 84, 9))
            }),
            ("next identifier", Fault::UniqueId, |b| {
                patch(b, INTEGRITY, |integrity| put32(integrity, 40, 17))
            }),
            ("file set", Fault::NotReadable, |b| b[257 * BLOCK + 20] ^= 1),
        ],
    );
}

#[test]
fn udf_directories_and_file_entries() {
    demand(
        &bridge(),
        &[
            ("damaged identifier", Fault::IdentifierDamaged, |b| {
                let place = identifier(b, Some("betas"));
                b[place + 30] ^= 1;
            }),
            ("damaged length of an identifier", Fault::IdentifierDamaged, |b| {
                let place = identifier(b, Some("betas"));
                b[place + 19] = 255;
            }),
            ("parent", Fault::IdentifierParent, |b| {
                patch_identifier(b, None, |parent| put32(parent, 24, 3))
            }),
            ("no parent", Fault::IdentifierParent, |b| {
                patch_identifier(b, None, |parent| parent[18] = 4 | 2)
            }),
            ("directory flag", Fault::IdentifierKind, |b| {
                patch_identifier(b, Some("alpha"), |found| found[18] |= 2)
            }),
            ("place in the tag", Fault::TagLocation, |b| {
                patch_identifier(b, Some("alpha"), |found| put32(found, 12, 1))
            }),
            ("unique identifier", Fault::UniqueIdsDiffer, |b| {
                patch_identifier(b, Some("alpha"), |found| put32(found, 32, 5))
            }),
            ("compression of a name", Fault::BadField, |b| {
                patch_identifier(b, Some("alpha"), |found| found[38] = 9)
            }),
            ("same name", Fault::SameName, |b| {
                patch_identifier(b, Some("betas"), |found| found[39..44].copy_from_slice(b"alpha"));
            }),
            ("a directory within itself", Fault::DirectoryMetTwice, |b| {
                patch_identifier(b, Some("sub"), |found| put32(found, 24, 2));
            }),
            ("leads nowhere", Fault::TagKind, |b| {
                let end = b.len() / BLOCK - 260;
                patch_identifier(b, Some("alpha"), |found| {
                    put32(found, 24, u32::try_from(end).unwrap())
                });
            }),
            ("leads out of all partitions", Fault::PastPartition, |b| {
                patch_identifier(b, Some("alpha"), |found| put16(found, 28, 3));
            }),
            ("links", Fault::LinkCount, |b| {
                patch_entry(b, "alpha", |found| put16(found, 48, 3))
            }),
            ("length", Fault::FileLength, |b| {
                patch_entry(b, "alpha", |found| put32(found, 56, 1_000_000))
            }),
            ("embedded length", Fault::FileLength, |b| {
                patch_entry(b, "link", |found| put32(found, 56, 3))
            }),
            ("recorded blocks", Fault::RecordedBlocks, |b| {
                patch_entry(b, "alpha", |found| put32(found, 64, 9))
            }),
            ("lengths within", Fault::DescriptorCut, |b| {
                patch_entry(b, "alpha", |found| put32(found, 172, 5000))
            }),
            ("extent past the partition", Fault::PastPartition, |b| {
                patch_entry(b, "alpha", |found| put32(found, 180, 5_000_000));
            }),
            ("shared blocks", Fault::Overlap, |b| {
                let other = le32(b, file_entry(b, "betas") + 180);
                patch_entry(b, "alpha", |found| put32(found, 180, other));
            }),
            ("unique identifiers", Fault::UniqueId, |b| {
                let other = le32(b, file_entry(b, "betas") + 160);
                patch_entry(b, "alpha", |found| put32(found, 160, other));
            }),
            ("part of a block", Fault::ExtentNotWhole, |b| {
                patch_entry(b, "alpha", |found| {
                    let block = le32(found, 180);
                    put32(found, 172, 16);
                    put32(found, 176, 1000);
                    put32(found, 184, 4000);
                    put32(found, 188, block);
                    put16(found, 10, 176);
                });
            }),
            ("form of descriptors", Fault::BadField, |b| {
                patch_entry(b, "alpha", |found| put16(found, 34, 2))
            }),
            ("huge directory", Fault::DirectoryTooLarge, |b| {
                patch_entry(b, "sub", |found| {
                    put32(found, 176, 0x8000_0000 | 0x3FFF_F800);
                    put32(found, 56, 0x3FFF_F800);
                });
            }),
            ("damaged file entry", Fault::TagCrc, |b| {
                let place = file_entry(b, "alpha");
                b[place + 50] ^= 1;
            }),
        ],
    );
}

#[test]
fn views_and_digests() {
    demand(
        &bridge(),
        &[
            ("size in one view", Fault::SizesDiffer, |b| {
                let place = named(b, b"ALPHA") + 10;
                put_both(b, place, 4999);
            }),
            ("missing in a view", Fault::MissingInView, |b| {
                patch_identifier(b, Some("alpha"), |found| found[18] |= 4);
            }),
            ("a byte of a file", Fault::DigestWrong, |b| {
                let place = le32(b, named(b, b"ALPHA") + 2) as usize * BLOCK;
                b[place + 4998] ^= 1;
            }),
            ("a digest", Fault::DigestWrong, |b| {
                list(b, b"  alpha", |line| line[0] ^= 1)
            }),
            ("a name in the list", Fault::DigestWithoutFile, |b| {
                list(b, b"  alpha", |line| line[66] = b'b')
            }),
            ("a name not in the list", Fault::FileWithoutDigest, |b| {
                list(b, b"  alpha", |line| line[66] = b'b')
            }),
            ("a line of the list", Fault::DigestLine, |b| {
                list(b, b"  alpha", |line| line[5] = b'x')
            }),
        ],
    );
}

/// Changes the line of the digest list that ends in some bytes.
fn list(bytes: &mut [u8], end: &[u8], change: impl FnOnce(&mut [u8])) {
    let needle = [end, b"\n"].concat();
    let place = bytes
        .windows(needle.len())
        .position(|found| found == needle)
        .unwrap();
    change(&mut bytes[place - 64..place + end.len()]);
}

/// Space that is free and in use is known on volumes that can be written again, as Linux leaves them.
#[test]
fn free_space() {
    const BITMAP: fn(&[u8]) -> usize = |bytes| descriptors(bytes, 264)[0];
    let sound = unpack(include_bytes!("images/linux-dvdram150-long.zst"));
    demand(
        &sound,
        &[
            ("a block in use is free", Fault::UsedButFree, |b| {
                let place = BITMAP(b);
                let mut byte = 24;
                while b[place + byte] == 0 {
                    byte += 1;
                }
                b[place + byte - 1] = 0xFF;
            }),
            ("lost blocks", Fault::LostBlocks, |b| {
                let place = BITMAP(b) + 24 + 120;
                assert_eq!(b[place], 0xFF);
                b[place] = 0;
            }),
            ("free blocks counted", Fault::IntegrityFree, |b| {
                let place = descriptors(b, 9)[0];
                patch(b, place, |integrity| put32(integrity, 80, 1));
            }),
            ("bits", Fault::SpaceDamaged, |b| {
                let place = BITMAP(b);
                put32(b, place + 16, 5);
                let length = usize::from(le16(b, place + 10)) + 16;
                seal(&mut b[place..place + length.max(24)]);
            }),
        ],
    );
    let sound = unpack(include_bytes!("images/linux-dvdram200-table.zst"));
    demand(
        &sound,
        &[
            ("a free extent in use", Fault::UsedButFree, |b| {
                let place = descriptors(b, 263)[0];
                patch(b, place, |table| put32(table, 44, 0));
            }),
            ("a free extent past the partition", Fault::SpaceDamaged, |b| {
                let place = descriptors(b, 263)[0];
                patch(b, place, |table| put32(table, 44, 9_999_999));
            }),
        ],
    );
}

#[test]
fn what_partitions_stand_on() {
    let mut sample = Sample::default();
    (0..20).for_each(|number| sample.file(format!("d/{number}"), 100 * number));
    let options = Options {
        format: Format::Udf,
        udf_revision: UdfRevision::V2_01,
        ..options()
    };
    let plain = image(&sample, &options);
    demand(
        &shapes::with_metadata_partition(&plain),
        &[("mirror", Fault::MirrorDiffers, |b| {
            let place = b.len() - 1;
            b[place] ^= 1;
        })],
    );
    demand(
        &shapes::with_spared_packet(&plain),
        &[
            ("tables differ", Fault::SparingTables, |b| {
                patch(b, shapes::TABLES[1] * BLOCK, |table| {
                    put32(table, 64, 0xFFFF_FFF0)
                });
            }),
            ("a table is damaged", Fault::SparingTables, |b| {
                b[shapes::TABLES[1] * BLOCK + 60] ^= 1
            }),
        ],
    );
    demand(
        &shapes::with_vat(&plain, true),
        &[("an entry", Fault::VirtualTable, |b| {
            // The last entry of the table stands before the zeros that fill its last block.
            let end = b.len() - BLOCK;
            let last = (0..end).rev().find(|&at| b[at] != 0).unwrap() / 4 * 4;
            put32(b, last, 5_000_000);
        })],
    );
}
