//! Orders from the console to break things, for tests of the box's recovery and its figures.
//!
//! `kill ROLE`, `hang ROLE`, `panic`, `memory`: one on a line. The kernel's parameter
//! `spindle.silence=SECONDS` shortens the wait for a role that hangs.

use std::time::Duration;

use rustix::process::Signal;
use seam::Role;

use crate::console::Console;
use crate::supervisor::{Policy, Supervisor};

/// Printed at start, and so in the executable: a release image is searched for it.
const MARKER: &str = "spindle-fault-injection: this build obeys kill, hang and panic from its console";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    Signal(Role, Signal),
    Panic,
    Memory,
}

fn parse(line: &str) -> Option<Order> {
    let mut words = line.split_ascii_whitespace();
    let order = match (words.next()?, words.next()) {
        ("panic", None) => Order::Panic,
        ("memory", None) => Order::Memory,
        ("kill", Some(role)) => Order::Signal(role_of(role)?, Signal::KILL),
        ("hang", Some(role)) => Order::Signal(role_of(role)?, Signal::STOP),
        _ => return None,
    };
    words.next().is_none().then_some(order)
}

fn role_of(name: &str) -> Option<Role> {
    let roles = [Role::Net, Role::Doors, Role::Vault, Role::Reader];
    roles.into_iter().find(|role| role.name() == name)
}

/// Resident memory of init and every role, in KiB; pages of the executable count in each.
fn memory(supervisor: &Supervisor) -> String {
    let roles = supervisor
        .processes()
        .map(|(role, pid)| (role.name(), pid.as_raw_nonzero().get()));
    let mut line = String::from("init: memory in KiB:");
    let mut total = 0;
    for (name, process) in std::iter::once(("init", 1)).chain(roles) {
        let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
        let resident = |line: &str| {
            line.strip_prefix("VmRSS:")?
                .split_whitespace()
                .next()?
                .parse::<u64>()
                .ok()
        };
        // None: it has just ended.
        if let Some(resident) = status.lines().find_map(resident) {
            line.push_str(&format!(" {name} {resident}"));
            total += resident;
        }
    }
    line + &format!(" total {total}")
}

/// The policy as the kernel's command line has it.
pub(crate) fn policy(command_line: &str) -> Policy {
    let silence = command_line
        .split_ascii_whitespace()
        .find_map(|word| word.strip_prefix("spindle.silence=")?.parse().ok());
    let mut policy = Policy::default();
    policy.silence = silence.map_or(policy.silence, Duration::from_secs);
    policy
}

/// Says that this build obeys faults.
pub(crate) fn announce(console: &mut Console) {
    console.line(&format!("init: {MARKER}"));
}

/// Obeys a line; false when it is no fault.
pub(crate) fn obey(line: &str, console: &mut Console, supervisor: &Supervisor) -> bool {
    match parse(line) {
        Some(Order::Signal(role, signal)) => {
            let count = supervisor.signal(role, signal);
            let done = if signal == Signal::KILL { "killed" } else { "hung" };
            console.line(&format!("init: fault: {done} {count} of {}", role.name()));
        }
        Some(Order::Panic) => {
            console.line("init: fault: init panics");
            panic!("ordered from the console");
        }
        Some(Order::Memory) => console.line(&memory(supervisor)),
        None => return false,
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_for_a_role_that_hangs_can_be_shortened() {
        assert_eq!(policy("quiet").silence, Policy::default().silence);
        assert_eq!(policy("quiet spindle.silence=3").silence, Duration::from_secs(3));
    }

    #[test]
    fn orders_are_understood_or_refused() {
        assert_eq!(
            parse("kill vault"),
            Some(Order::Signal(Role::Vault, Signal::KILL))
        );
        assert_eq!(parse(" hang  net "), Some(Order::Signal(Role::Net, Signal::STOP)));
        assert_eq!(parse("panic"), Some(Order::Panic));
        assert_eq!(parse("memory"), Some(Order::Memory));
        for bad in ["", "kill", "kill init", "kill net now", "panic now", "reboot"] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }
}
