//! Starts a role: this executable again, with its descriptors, its identity and nothing else.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

use rustix::fs::OFlags;
use rustix::pipe::PipeFlags;
use rustix::process::{Gid, Uid};
use seam::{Role, inherited};

use crate::sys;

/// The first number a role inherits a descriptor at; the others follow.
pub(crate) const FIRST_INHERITED: RawFd = inherited::CONTROL;

/// The most descriptors a role inherits.
pub(crate) const INHERITED_MAX: usize = 3;

/// The executable, as seen by its own process.
const OURSELVES: &str = "/proc/self/exe";

/// Who a role runs as: a user and a group of the same number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity(u32);

impl Identity {
    /// The fixed table; the data partition belongs to the vault's, so these never change.
    pub const fn of(role: Role) -> Self {
        Self(match role {
            Role::Net => 101,
            Role::Doors => 102,
            Role::Vault => 103,
            Role::Reader => 104,
        })
    }

    /// The user.
    pub fn uid(self) -> Uid {
        Uid::from_raw(self.0)
    }

    /// The group.
    pub fn gid(self) -> Gid {
        Gid::from_raw(self.0)
    }
}

/// What a role may use.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Open descriptors.
    pub(crate) descriptors: u64,
    /// Bytes of private memory.
    pub(crate) data: Option<u64>,
    /// Rank for the processor, setpriority(2): a step is a quarter more or less of it.
    pub(crate) nice: i32,
}

const fn limits(role: Role) -> Limits {
    let nice = match role {
        // A burn must not wait for a hundred threads that compute digests for clients: nice(-10) weighs as
        // much as eighty of nice(10).
        Role::Vault => -10,
        Role::Net => 0,
        Role::Doors | Role::Reader => 10,
    };
    let (descriptors, data) = match role {
        Role::Net | Role::Doors | Role::Vault => (1024, None),
        // A disc written to exhaust its reader ends the reader, not the box.
        Role::Reader => (16, Some(64 << 20)),
    };
    Limits {
        descriptors,
        data,
        nice,
    }
}

/// How willingly the kernel gives a role up when memory ends, proc(5): readers first, the vault last.
const fn expendable(role: Role) -> u16 {
    match role {
        Role::Reader => 1000,
        Role::Doors => 500,
        Role::Net => 300,
        Role::Vault => 0,
    }
}

/// Where a role's standard output and error go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// To a pipe, whose non-blocking read end is in [`Started`].
    Captured,
    /// Where this process's own standard error goes.
    Inherited,
}

/// A role that runs.
#[derive(Debug)]
pub struct Started {
    /// The process; whoever started it reaps it.
    pub child: Child,
    /// What it prints, when captured.
    pub output: Option<OwnedFd>,
}

/// Starts a role with these descriptors at the numbers of [`seam::inherited`], at most three.
///
/// With an identity it takes that user and group and loses every capability; without one (not root) it
/// stays who we are. Either way it gets its own session, limits, and no new privileges.
pub fn start(
    role: Role,
    descriptors: &[BorrowedFd<'_>],
    identity: Option<Identity>,
    output: Output,
) -> io::Result<Started> {
    // Numbers above those inherited, so that no dup2 overwrites what a later one needs...
    let mut raised = Vec::with_capacity(INHERITED_MAX);
    let mut sources = [None; INHERITED_MAX];
    if descriptors.len() > sources.len() {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    for (source, descriptor) in sources.iter_mut().zip(descriptors) {
        let descriptor = rustix::io::fcntl_dupfd_cloexec(descriptor, above_inherited())?;
        *source = Some(descriptor.as_raw_fd());
        raised.push(descriptor);
    }
    // ...nor the pipe on which the standard library learns whether exec succeeded.
    let _occupied = occupy_inherited()?;

    let mut command = Command::new(OURSELVES);
    command
        .arg0(format!("spindle-{}", role.name()))
        .arg(role.name())
        .env_clear()
        .current_dir("/")
        .stdin(Stdio::null());
    let output = match output {
        Output::Captured => {
            let (read, write) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC)?;
            rustix::fs::fcntl_setfl(&read, OFlags::NONBLOCK)?;
            command.stdout(write.try_clone()?).stderr(write);
            Some(read)
        }
        Output::Inherited => {
            command.stdout(Stdio::from(io::stderr())).stderr(Stdio::inherit());
            None
        }
    };
    sys::prepare(&mut command, sources, identity, limits(role));
    let child = command.spawn()?;
    // Without /proc the kernel chooses for itself.
    let _ = std::fs::write(
        format!("/proc/{}/oom_score_adj", child.id()),
        expendable(role).to_string(),
    );
    Ok(Started { child, output })
}

fn above_inherited() -> RawFd {
    FIRST_INHERITED + INHERITED_MAX.try_into().unwrap_or(RawFd::MAX)
}

/// Takes every free number a role inherits, for as long as the result lives.
fn occupy_inherited() -> io::Result<Vec<OwnedFd>> {
    let filler = rustix::fs::open("/dev/null", OFlags::CLOEXEC, rustix::fs::Mode::empty())?;
    let mut taken = Vec::new();
    loop {
        let next = rustix::io::fcntl_dupfd_cloexec(&filler, FIRST_INHERITED)?;
        if next.as_raw_fd() >= above_inherited() {
            taken.push(filler);
            return Ok(taken);
        }
        taken.push(next);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_to_inherit_are_occupied_while_a_role_is_started() {
        let taken = occupy_inherited().unwrap();
        let next = rustix::io::fcntl_dupfd_cloexec(&taken[0], FIRST_INHERITED).unwrap();
        assert!(next.as_raw_fd() >= above_inherited());
    }

    #[test]
    fn no_two_roles_share_a_user() {
        let roles = [Role::Net, Role::Doors, Role::Vault, Role::Reader];
        let users: std::collections::BTreeSet<_> = roles.map(|role| Identity::of(role).0).into();
        assert_eq!(users.len(), roles.len());
        assert!(!users.contains(&0));
    }
}
