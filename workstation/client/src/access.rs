//! Whom the box knows: requests of its administrator.

use noise::Public;
use wire::{Allow, PairBegin, PairCode, Reply, Request, Revoke, Role, Workstation};

use crate::Error;
use crate::connection::{Connection, unexpected};

impl Connection {
    /// Which workstations does the box know?
    pub fn workstations(&mut self) -> Result<Vec<Workstation>, Error> {
        match self.ask(&Request::Workstations(()))? {
            Reply::Workstations(known) => Ok(known.workstations),
            other => Err(unexpected(&other)),
        }
    }

    /// Lets one further workstation pair: the code to carry there.
    pub fn begin_pairing(&mut self, role: Role, name: &str) -> Result<PairCode, Error> {
        let begin = PairBegin {
            role: role.number(),
            name: name.into(),
        };
        match self.ask(&Request::PairBegin(begin))? {
            Reply::PairCode(code) => Ok(code),
            other => Err(unexpected(&other)),
        }
    }

    /// Takes in a workstation whose key is known already, or changes its role or name.
    pub fn allow(&mut self, key: Public, role: Role, name: &str) -> Result<(), Error> {
        let (role, name) = (role.number(), name.into());
        self.done(&Request::Allow(Allow {
            key: key.0,
            role,
            name,
        }))
    }

    /// Forgets a workstation; sessions it has now are ended.
    pub fn revoke(&mut self, key: Public) -> Result<(), Error> {
        self.done(&Request::Revoke(Revoke { key: key.0 }))
    }
}
