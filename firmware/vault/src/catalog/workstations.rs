//! The box's own key, and the workstations whose keys it knows.

use redb::{ReadableTable, TableDefinition};
use serde::{Deserialize, Serialize};

use super::{Catalog, CatalogError, Record, random};

/// Public key to [`WorkstationRecord`].
pub(super) const WORKSTATIONS: TableDefinition<'_, [u8; 32], &[u8]> = TableDefinition::new("workstations");

/// The fact that is the box's private key, X25519.
const SECRET: &str = "private key";

/// Workstations a box knows at most.
pub(crate) const WORKSTATIONS_MAX: usize = 1000;

/// A workstation whose key the box knows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct WorkstationRecord {
    /// What it is called.
    pub name: String,
    /// The highest role it may have.
    pub role: u16,
    /// When its key was taken, in seconds since 1970.
    pub since: i64,
}

impl Record for WorkstationRecord {
    fn what() -> &'static str {
        "workstation"
    }
}

impl Catalog {
    /// The box's private key, made when it is first asked for.
    pub(crate) fn secret(&self) -> Result<[u8; 32], CatalogError> {
        if let Some(secret) = self.fact(SECRET)? {
            return secret.try_into().map_err(|_| CatalogError::Damaged(SECRET));
        }
        let mut secret = [0; 32];
        random(&mut secret)?;
        self.set_fact(SECRET, &secret)?;
        Ok(secret)
    }

    /// What the box knows of a key.
    pub(crate) fn workstation(&self, key: [u8; 32]) -> Result<Option<WorkstationRecord>, CatalogError> {
        let table = self.read()?.open_table(WORKSTATIONS)?;
        let found = table.get(key)?;
        found
            .map(|bytes| WorkstationRecord::decode(bytes.value()))
            .transpose()
    }

    /// Every workstation, in the order of the keys.
    pub(crate) fn workstations(&self) -> Result<Vec<([u8; 32], WorkstationRecord)>, CatalogError> {
        let table = self.read()?.open_table(WORKSTATIONS)?;
        let mut all = Vec::new();
        for row in table.iter()?.take(WORKSTATIONS_MAX) {
            let (key, bytes) = row?;
            all.push((key.value(), WorkstationRecord::decode(bytes.value())?));
        }
        Ok(all)
    }

    /// Takes a key in, or changes what is known of it; false when there are too many.
    pub(crate) fn admit_workstation(
        &self,
        key: [u8; 32],
        record: &WorkstationRecord,
    ) -> Result<bool, CatalogError> {
        self.write(|transaction| {
            let mut table = transaction.open_table(WORKSTATIONS)?;
            let known = table.get(key)?.is_some();
            if !known && table.iter()?.count() >= WORKSTATIONS_MAX {
                return Ok(false);
            }
            table.insert(key, record.encode()?.as_slice())?;
            Ok(true)
        })
    }

    /// Forgets a key; false when it was not known.
    pub(crate) fn revoke_workstation(&self, key: [u8; 32]) -> Result<bool, CatalogError> {
        self.write(|transaction| Ok(transaction.open_table(WORKSTATIONS)?.remove(key)?.is_some()))
    }
}
