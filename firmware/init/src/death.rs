//! How a process ended, in words.

use rustix::process::WaitStatus;

/// `exited with code 101`, `was killed by signal 9 (SIGKILL)`.
pub(crate) fn in_words(status: WaitStatus) -> String {
    match (status.exit_status(), status.terminating_signal()) {
        (Some(code), _) => format!("exited with code {code}"),
        (None, Some(signal)) => match name(signal) {
            Some(name) => format!("was killed by signal {signal} ({name})"),
            None => format!("was killed by signal {signal}"),
        },
        (None, None) => "ended in a way unknown to init".into(),
    }
}

/// The signals that end a process without its consent, signal(7).
fn name(signal: i32) -> Option<&'static str> {
    Some(match signal {
        libc::SIGHUP => "SIGHUP",
        libc::SIGINT => "SIGINT",
        libc::SIGQUIT => "SIGQUIT",
        libc::SIGILL => "SIGILL: illegal instruction",
        libc::SIGABRT => "SIGABRT: a panic or failed assertion",
        libc::SIGBUS => "SIGBUS: memory error",
        libc::SIGFPE => "SIGFPE: arithmetic error",
        libc::SIGKILL => "SIGKILL",
        libc::SIGSEGV => "SIGSEGV: invalid memory access",
        libc::SIGPIPE => "SIGPIPE",
        libc::SIGTERM => "SIGTERM",
        libc::SIGSYS => "SIGSYS: forbidden system call",
        libc::SIGXCPU => "SIGXCPU",
        _ => return None,
    })
}
