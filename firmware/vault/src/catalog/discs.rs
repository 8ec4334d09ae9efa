//! Discs the box burned, found again by what their descriptors hash to.

use wire::ByteString;

use super::{Catalog, CatalogError, DISCS, DiscRecord, EventRecord, FINGERPRINTS, Record, events, get};

impl Catalog {
    /// The disc whose newest session's descriptors have this digest.
    pub(crate) fn find_disc(
        &self,
        fingerprint: [u8; 32],
    ) -> Result<Option<([u8; 16], DiscRecord)>, CatalogError> {
        let transaction = self.read()?;
        let Some(id) = transaction
            .open_table(FINGERPRINTS)?
            .get(fingerprint)?
            .map(|id| id.value())
        else {
            return Ok(None);
        };
        let disc = get(&transaction.open_table(DISCS)?, id)?;
        Ok(disc.map(|disc| (id, disc)))
    }

    /// A disc.
    pub(crate) fn disc(&self, id: [u8; 16]) -> Result<Option<DiscRecord>, CatalogError> {
        get(&self.read()?.open_table(DISCS)?, id)
    }

    /// Remembers a successful verification.
    pub(crate) fn disc_verified(&self, id: [u8; 16], at: i64) -> Result<(), CatalogError> {
        self.write(|transaction| {
            let mut discs = transaction.open_table(DISCS)?;
            let mut disc: DiscRecord = get(&discs, id)?.ok_or(CatalogError::Missing)?;
            disc.verified = at;
            discs.insert(id, disc.encode()?.as_slice())?;
            Ok(())
        })
    }

    /// What was on a disc is not there any more: it is known as one that has nothing.
    pub(crate) fn disc_destroyed(&self, id: [u8; 16]) -> Result<(), CatalogError> {
        self.write(|transaction| {
            let mut discs = transaction.open_table(DISCS)?;
            let mut disc: DiscRecord = get(&discs, id)?.ok_or(CatalogError::Missing)?;
            (disc.verified, disc.sessions) = (0, Vec::new());
            discs.insert(id, disc.encode()?.as_slice())?;
            let mut fingerprints = transaction.open_table(FINGERPRINTS)?;
            fingerprints.retain(|_, disc| disc != id)?;
            let what = format!(
                "the disc {} holds nothing any more",
                ByteString::from(&disc.label[..])
            );
            events::add(transaction, &EventRecord::note("discs", what))
        })
    }
}
