//! The supervisor with real processes: this program starts itself again as the roles.
//!
//! A fake role does what it is told in [`FromInit::DriveGone`], a message that carries text.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use init::supervisor::{Event, Policy, Supervisor};
use rustix::event::{PollFd, Timespec};
use rustix::process::Signal;
use seam::{Channel, ChannelError, Connection, FromInit, Role, ToInit, inherited};

/// Long enough for a machine under load; only a failure takes it.
const PATIENCE: Duration = Duration::from_secs(60);

fn main() -> ExitCode {
    match std::env::args().nth(1).as_deref() {
        Some("net") => fake(Role::Net),
        Some("doors") => fake(Role::Doors),
        Some("vault") => fake(Role::Vault),
        Some("reader") => fake_reader(),
        _ => {
            let tests: [(&str, fn()); 7] = [
                ("all roles start, are ready, and print", all_start),
                ("a role that dies comes back", death_and_return),
                ("a role that stands still is killed", silence),
                ("what was sent to a dead role reaches the next", links_survive),
                ("readers are started for the vault only", readers),
                ("roles hold what they were given and nothing else", privileges),
                ("roles stop in order, and by force if need be", stop),
            ];
            for (name, test) in tests {
                test();
                println!("test {name} ... ok");
            }
            ExitCode::SUCCESS
        }
    }
}

// The roles.

fn fake(role: Role) -> ExitCode {
    let control = inherited::take(inherited::CONTROL).expect("init gives a control channel");
    let first = inherited::take(inherited::FIRST).expect("every role has a first link");
    control.send(&ToInit::Ready, &[]).expect("init lives");
    println!("up");
    let (mut beats, mut silent, mut deaf) = (0, false, false);
    loop {
        if !silent {
            beats += 1;
            control.send(&ToInit::Heartbeat(beats), &[]).expect("init lives");
        }
        let message = match control.receive_within::<FromInit>(Duration::from_millis(20)) {
            Ok((message, _)) => message,
            Err(ChannelError::TimedOut) => continue,
            Err(_) => return ExitCode::FAILURE,
        };
        match message {
            FromInit::Stop if deaf => println!("stays"),
            FromInit::Stop => {
                println!("stops");
                return ExitCode::SUCCESS;
            }
            FromInit::DriveGone(order) => match order.as_str() {
                "exit 3" => return ExitCode::from(3),
                "off" => {
                    control.send(&ToInit::PowerOff, &[]).expect("init lives");
                    return ExitCode::SUCCESS;
                }
                "silent" => silent = true,
                "deaf" => deaf = true,
                "connect" => {
                    let connection = Connection {
                        peer: "192.0.2.1:7".parse().expect("an address"),
                        port: 2352,
                    };
                    first.send(&connection, &[]).expect("init keeps the other end");
                }
                "accept" => {
                    let (connection, _) = first.receive::<Connection>().expect("a connection");
                    println!("accepted {connection:?}");
                }
                "reader" => start_reader(&control),
                "show" => show(),
                other => panic!("unknown order {other} for {}", role.name()),
            },
            _ => {}
        }
    }
}

fn start_reader(control: &Channel) {
    use std::os::fd::AsFd;
    let (requests, theirs) = Channel::pair().expect("a channel");
    let (blocks, block_end) = Channel::pair().expect("a channel");
    control
        .send(&ToInit::StartReader, &[theirs.as_fd(), block_end.as_fd()])
        .expect("init lives");
    drop((theirs, block_end));
    let answer = requests.send(&7_u32, &[]).and_then(|()| blocks.receive::<u32>());
    println!("reader: {:?}", answer.map(|(number, _)| number));
}

/// Doubles one number and ends.
fn fake_reader() -> ExitCode {
    let requests = inherited::take(inherited::CONTROL).expect("a reader has requests");
    let blocks = inherited::take(inherited::FIRST).expect("a reader has blocks");
    let (number, _) = requests.receive::<u32>().expect("a request");
    println!("asked {number}");
    blocks.send(&(number * 2), &[]).expect("the vault lives");
    ExitCode::from(5)
}

/// What the kernel says about this process.
fn show() {
    let status = std::fs::read_to_string("/proc/self/status").expect("/proc is mounted");
    for key in ["Uid", "Gid", "Groups", "NoNewPrivs", "CapPrm", "CapBnd", "SigBlk"] {
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix(key)?.strip_prefix(':'));
        println!(
            "{key} {}",
            line.expect("the kernel has it")
                .split_whitespace()
                .collect::<Vec<_>>()
                .join(" ")
        );
    }
    let mut open: Vec<i32> = std::fs::read_dir("/proc/self/fd")
        .expect("/proc is mounted")
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .collect();
    open.sort_unstable();
    // The last is the directory itself.
    open.pop();
    println!("open {open:?}");
    let rank = rustix::process::getpriority_process(None).expect("it has one");
    println!("rank {rank}");
    println!("end of show");
}

// Init's side.

struct Bench {
    supervisor: Supervisor,
    lines: Vec<String>,
    events: Vec<Event>,
}

fn policy() -> Policy {
    Policy {
        identities: false,
        ..Policy::default()
    }
}

impl Bench {
    fn start(policy: Policy) -> Self {
        Self {
            supervisor: Supervisor::new(policy).expect("channels"),
            lines: Vec::new(),
            events: Vec::new(),
        }
    }

    fn ready() -> Self {
        let mut this = Self::start(policy());
        this.until("all roles are ready", |this| {
            this.has(|event| matches!(event, Event::Ready))
        });
        this
    }

    fn until(&mut self, what: &str, done: impl Fn(&Self) -> bool) {
        let end = Instant::now() + PATIENCE;
        while !done(self) {
            assert!(
                Instant::now() < end,
                "waited in vain: {what}; lines: {:#?}",
                self.lines
            );
            self.supervisor.turn();
            for event in self.supervisor.events() {
                match event {
                    Event::Line(line) => self.lines.push(line),
                    event => self.events.push(event),
                }
            }
            let mut list: Vec<PollFd<'_>> = Vec::new();
            self.supervisor.watch(&mut list);
            // No signal descriptor here, so a death may go unnoticed for this long.
            let limit = Timespec {
                tv_sec: 0,
                tv_nsec: 10_000_000,
            };
            rustix::event::poll(&mut list, Some(&limit)).expect("poll");
        }
    }

    fn until_line(&mut self, part: &str) -> String {
        self.until(part, |this| this.lines.iter().any(|line| line.contains(part)));
        let at = self.lines.iter().position(|line| line.contains(part));
        self.lines.remove(at.expect("just seen"))
    }

    fn has(&self, which: impl Fn(&Event) -> bool) -> bool {
        self.events.iter().any(which)
    }

    fn starts(&self, role: Role) -> usize {
        self.events
            .iter()
            .filter(|event| matches!(event, Event::Started(started) if *started == role))
            .count()
    }

    fn order(&mut self, role: Role, order: &str) {
        self.supervisor
            .tell(role, FromInit::DriveGone(order.into()), None);
    }

    fn end(mut self) {
        self.supervisor.stop();
        self.until("all stop", |this| {
            this.has(|event| matches!(event, Event::Stopped))
        });
    }
}

fn all_start() {
    let mut this = Bench::ready();
    for role in [Role::Net, Role::Doors, Role::Vault] {
        assert_eq!(this.starts(role), 1);
        this.until("its output", |this| {
            this.lines.contains(&format!("[{}] up", role.name()))
        });
    }
    this.end();
}

fn death_and_return() {
    let mut this = Bench::ready();
    this.until_line("[net] up");
    this.order(Role::Net, "exit 3");
    let line = this.until_line("init: net exited with code 3");
    assert!(line.ends_with("; starting it again in 0.1 s"), "{line}");
    this.until("net is back", |this| this.starts(Role::Net) == 2);
    this.until_line("[net] up");
    assert_eq!(this.supervisor.signal(Role::Net, Signal::KILL), 1);
    let line = this.until_line("init: net was killed by signal 9 (SIGKILL)");
    assert!(line.ends_with("; starting it again in 0.2 s"), "{line}");
    this.until("net is back", |this| this.starts(Role::Net) == 3);
    // A vault that asks for the end and leaves at once is heard.
    this.order(Role::Vault, "off");
    this.until("the wish is heard", |this| {
        this.has(|event| matches!(event, Event::PowerOff))
    });
    // Readiness is told once only.
    assert_eq!(
        this.events
            .iter()
            .filter(|event| matches!(event, Event::Ready))
            .count(),
        1
    );
    this.end();
}

fn silence() {
    let mut this = Bench::start(Policy {
        silence: Duration::from_secs(3),
        ..policy()
    });
    this.until("all are ready", |this| {
        this.has(|event| matches!(event, Event::Ready))
    });
    this.until_line("[doors] up");
    this.order(Role::Doors, "silent");
    let line = this.until_line("because it made no progress for 3.0 s");
    assert!(line.starts_with("init: doors was killed by signal 9"), "{line}");
    // Stopped by the terminal's signal is standing still too.
    this.until("doors is back", |this| this.starts(Role::Doors) == 2);
    this.until_line("[doors] up");
    this.supervisor.signal(Role::Doors, Signal::STOP);
    this.until_line("because it made no progress for 3.0 s");
    this.end();
}

fn links_survive() {
    let mut this = Bench::ready();
    this.order(Role::Doors, "exit 3");
    this.until_line("init: doors exited");
    this.order(Role::Net, "connect");
    this.until("doors is back", |this| this.starts(Role::Doors) == 2);
    this.order(Role::Doors, "accept");
    this.until_line("[doors] accepted Connection { peer: 192.0.2.1:7, port: 2352 }");
    this.end();
}

fn readers() {
    let mut this = Bench::ready();
    this.order(Role::Vault, "reader");
    this.until_line("[vault] reader: Ok(14)");
    this.until_line("init: a reader exited with code 5");
    this.order(Role::Net, "reader");
    this.until_line("init: net may not ask for StartReader; ignored");
    this.until_line("[net] reader: Err(Closed)");
    assert_eq!(this.starts(Role::Net), 1);
    this.end();
}

fn privileges() {
    let root = rustix::process::geteuid().is_root();
    let mut this = Bench::start(Policy {
        identities: true,
        ..policy()
    });
    if !root {
        this.until_line("init: cannot start net: Operation not permitted");
        this.end();
        this = Bench::ready();
    }
    this.until("all are ready", |this| {
        this.has(|event| matches!(event, Event::Ready))
    });
    let roles = [
        (Role::Net, 101, "3, 4", 0),
        (Role::Doors, 102, "3, 4, 5", 10),
        (Role::Vault, 103, "3, 4", if root { -10 } else { 0 }),
    ];
    for (role, number, open, rank) in roles {
        this.order(role, "show");
        let tag = format!("[{}]", role.name());
        this.until("it shows", |this| {
            this.lines.contains(&format!("{tag} end of show"))
        });
        let mut expected = vec![
            "NoNewPrivs 1".to_owned(),
            "SigBlk 0000000000000000".into(),
            format!("open [0, 1, 2, {open}]"),
            format!("rank {rank}"),
        ];
        if root {
            expected.extend([
                format!("Uid {number} {number} {number} {number}"),
                format!("Gid {number} {number} {number} {number}"),
                "Groups ".into(),
                "CapPrm 0000000000000000".into(),
                "CapBnd 0000000000000000".into(),
            ]);
        }
        for line in expected {
            let line = format!("{tag} {line}");
            assert!(this.lines.contains(&line), "{line:?} is not in {:#?}", this.lines);
        }
    }
    this.end();
}

fn stop() {
    let mut this = Bench::start(Policy {
        stop: [
            (Role::Doors, PATIENCE),
            (Role::Net, PATIENCE),
            (Role::Vault, Duration::from_millis(50)),
        ],
        obey: PATIENCE,
        ..policy()
    });
    this.until("all are ready", |this| {
        this.has(|event| matches!(event, Event::Ready))
    });
    this.order(Role::Vault, "deaf");
    this.supervisor.stop();
    this.until("all stop", |this| {
        this.has(|event| matches!(event, Event::Stopped))
    });
    let at = |part: &str| {
        let found = this.lines.iter().position(|line| line.contains(part));
        found.unwrap_or_else(|| panic!("{part:?} is not in {:#?}", this.lines))
    };
    assert!(at("init: doors exited with code 0") < at("[net] stops"));
    assert!(at("init: net exited with code 0") < at("[vault] stays"));
    assert!(at("[vault] stays") < at("init: vault did not stop within"));
    at("init: vault was killed by signal 15 (SIGTERM)");
    assert_eq!(
        (
            this.starts(Role::Net),
            this.starts(Role::Doors),
            this.starts(Role::Vault)
        ),
        (1, 1, 1)
    );
}
