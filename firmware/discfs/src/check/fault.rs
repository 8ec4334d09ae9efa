//! What can be wrong with a disc, in words.

use displaydoc::Display;

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Display)]
pub enum Severity {
    /// note
    Note,
    /// warning
    Warning,
    /// error
    Error,
}

/// What is wrong. Its display is the finding in words, without the place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Display)]
#[non_exhaustive]
pub enum Fault {
    /// a block cannot be read
    Unreadable,
    /// an address lies past the end of the disc
    PastEnd,
    /// there are more entries than this check looks at; the rest is not checked
    TooManyEntries,
    /// a directory is met a second time: it lies within itself or has two names
    DirectoryMetTwice,
    /// a directory is larger than the disc
    DirectoryTooLarge,
    /// two entries of a directory have the same name
    SameName,
    /// files or structures share blocks
    Overlap,

    /// the volume descriptors do not end with a terminator
    NoTerminator,
    /// there is no primary volume descriptor
    NoPrimary,
    /// a volume descriptor has a type or version that is not of the standard
    UnknownDescriptor,
    /// the two halves of a both-endian field do not agree
    EndiansDiffer,
    /// a field has a value that the standard does not allow
    BadField,
    /// the volume says it is larger than the disc is
    VolumeTooLarge,
    /// a date is none of the calendar
    BadDate,
    /// a file reaches past the end that the volume descriptor states
    PastVolume,
    /// the records of the top directory, in it and in the volume descriptor, do not agree
    RootsDiffer,

    /// a path table cannot be followed: its records do not fit its size
    PathTableDamaged,
    /// the path tables for little- and big-endian machines do not agree
    PathTablesDiffer,
    /// a path table leads to a directory that is not there, or calls it otherwise
    PathTableWrong,
    /// a directory is missing from the path table
    PathTableLacks,
    /// a path table gives a directory another parent
    PathTableParent,
    /// the records of a path table are not in the order of the standard
    PathTableOrder,

    /// a directory record has an impossible length
    RecordLength,
    /// a directory does not begin with records of itself and of its parent
    NoOwnRecords,
    /// the record a directory has of itself does not agree with that in its parent
    OwnRecordDiffers,
    /// the record a directory has of its parent does not lead there
    ParentDiffers,
    /// the record a directory has of its parent leads to the directory itself, as some writers have it in Joliet
    ParentIsItself,
    /// directory records are not in the order of the standard
    RecordOrder,
    /// bytes behind the last directory record of a block are not zero
    RecordsHidden,
    /// a directory is not of whole blocks
    DirectoryNotWhole,
    /// the directories are more than eight levels deep, which old readers do not follow
    TooDeep,
    /// a file is interleaved, which few readers follow
    Interleaved,
    /// the sections of a file do not end
    SectionsOpen,
    /// a section of a file that is not the last is not of whole blocks
    SectionNotWhole,

    /// an entry of a system use area has an impossible length
    SystemUseLength,
    /// a continuation area leaves its block, or areas continue without end
    Continuation,
    /// an entry has no Rock Ridge attributes, though others have
    NoRockRidge,
    /// Rock Ridge calls a directory what is none, or the other way round
    RockRidgeType,
    /// a directory that was moved up is not where the record of it says
    Relocation,
    /// a directory that was moved up is that of an earlier session, as it was then
    RelocationEarlier,

    /// the volume recognition sequence does not announce UDF as it should
    Recognition,
    /// the disc has fewer than two anchors
    FewAnchors,
    /// the anchors do not agree
    AnchorsDiffer,
    /// the checksum of a descriptor's tag is wrong
    TagChecksum,
    /// the CRC of a descriptor is wrong
    TagCrc,
    /// a descriptor says it belongs elsewhere
    TagLocation,
    /// a descriptor is not of the kind that should be here
    TagKind,
    /// a descriptor is of another edition of the standard than the volume
    TagVersion,
    /// a descriptor is cut off or its lengths do not fit
    DescriptorCut,
    /// the main and the reserve volume descriptors do not agree
    SequencesDiffer,
    /// the main and the reserve volume descriptors give the volume set different identifiers, as some writers do
    SetIdentifiersDiffer,
    /// a volume descriptor sequence has no terminator
    SequenceOpen,
    /// a volume descriptor sequence lacks a descriptor that it must have
    DescriptorMissing,
    /// the volume cannot be read at all
    NotReadable,
    /// a partition reaches past the end of the disc
    PartitionTooLarge,
    /// there is no sound logical volume integrity descriptor
    NoIntegrity,
    /// the volume was not closed after the last change
    NotClosed,
    /// the integrity descriptor counts other files or directories than there are
    IntegrityCounts,
    /// the integrity descriptor states a size that is not that of the partition
    IntegritySize,
    /// the integrity descriptor counts other free space than the partition says
    IntegrityFree,

    /// a UDF directory has a damaged entry
    IdentifierDamaged,
    /// a UDF directory does not begin with its parent, or names another
    IdentifierParent,
    /// a UDF directory entry and what it leads to do not agree on being a directory
    IdentifierKind,
    /// a file entry has another number of names than it says
    LinkCount,
    /// a file is longer or shorter than its extents
    FileLength,
    /// a file entry counts other recorded blocks than it has
    RecordedBlocks,
    /// an extent that is not the last of its file is not of whole blocks
    ExtentNotWhole,
    /// an extent leaves its partition
    PastPartition,
    /// two file entries have the same unique identifier, or one that is still to be given
    UniqueId,
    /// a directory entry and its file entry have different unique identifiers
    UniqueIdsDiffer,
    /// named streams are not checked
    StreamsNotChecked,
    /// blocks are in use that the volume says are free
    UsedButFree,
    /// blocks are taken that nothing leads to
    LostBlocks,
    /// the space bitmap or table is damaged
    SpaceDamaged,
    /// the metadata file and its mirror do not agree
    MirrorDiffers,
    /// the sparing tables do not agree, or one cannot be read
    SparingTables,
    /// the virtual allocation table leads out of its partition
    VirtualTable,

    /// a file of one view is in no other
    MissingInView,
    /// a file has different sizes in two views
    SizesDiffer,

    /// a file is not what its digest was made of
    DigestWrong,
    /// the digest list names a file that is not there
    DigestWithoutFile,
    /// a file is not in the digest list
    FileWithoutDigest,
    /// a line of the digest list is damaged
    DigestLine,
    /// the signature is not of this digest list
    SignatureBad,
    /// the signature is by a key that is not known here
    SignatureUnknown,
}

impl Fault {
    /// How bad it is: an error when files may be lost or differ between readers, a warning when a rule is broken that
    /// readers live with, a note for what is worth knowing.
    #[must_use]
    pub fn severity(self) -> Severity {
        match self {
            Self::TooDeep
            | Self::ParentIsItself
            | Self::RelocationEarlier
            | Self::SetIdentifiersDiffer
            | Self::UnknownDescriptor
            | Self::StreamsNotChecked
            | Self::SignatureUnknown
            | Self::UniqueIdsDiffer
            | Self::PathTableOrder
            | Self::RecordOrder
            | Self::BadDate
            | Self::TagVersion => Severity::Note,
            Self::TooManyEntries
            | Self::PastVolume
            | Self::RecordsHidden
            | Self::Interleaved
            | Self::NoRockRidge
            | Self::FewAnchors
            | Self::SequenceOpen
            | Self::NotClosed
            | Self::IntegrityCounts
            | Self::IntegrityFree
            | Self::RecordedBlocks
            | Self::LostBlocks
            | Self::MissingInView
            | Self::FileWithoutDigest => Severity::Warning,
            _ => Severity::Error,
        }
    }
}
