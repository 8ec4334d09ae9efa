//! The life of PID 1: what is done once, and the loop.

use std::net::IpAddr;
use std::panic::AssertUnwindSafe;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::fs::{Mode, OFlags};
use rustix::process::WaitOptions;
use rustix::system::RebootCommand;
use rustix::time::ClockId;
use seam::{FromInit, Interface, Network, Role};

use crate::command_line::{self, CommandLine};
use crate::console::Console;
use crate::data::{self, Data};
use crate::hotplug::{self, Change, Devices};
use crate::lines::printable;
use crate::power::{self, Ending};
use crate::signals::{Signal, Signals};
use crate::supervisor::{Event, Policy, Supervisor};
use crate::typed::Typed;
use crate::uevent::{Heard, Listener};
use crate::{Failure, interface, mounts};

const CLASSES: &str = "/sys/class";
const BLOCKS: &str = "/sys/class/block";

/// How long the data partition may take to appear before the vault is told that there is none.
const DATA_WAIT: Duration = Duration::from_secs(1);

/// The longest sleep: a wake-up that got lost costs no more.
const SLEEP_MAX: Duration = Duration::from_secs(5);

/// Panics after which init only reaps: its state cannot be relied on.
const PANICS_MAX: u32 = 20;

/// Runs the box, for ever; returns only where it is not PID 1.
pub fn run() -> ExitCode {
    let started = since_kernel_entry();
    if std::process::id() != 1 {
        eprintln!("init runs as process 1 of a box and nowhere else");
        return ExitCode::FAILURE;
    }
    // Init must not wait for the console, so a panic is told the same way as all else.
    std::panic::set_hook(Box::new(|panic| {
        Console::open().line(&format!("init: {}", printable(panic.to_string().as_bytes())));
    }));
    let failures = mounts::create();
    let mut console = Console::open();
    console.line(&format!(
        "init: started {:.3} s after kernel entry",
        started.as_secs_f64()
    ));
    for failure in failures {
        console.line(&format!("init: {failure}"));
    }
    // Steps of the loop are caught one by one; this is for what comes before it.
    let _ = std::panic::catch_unwind(AssertUnwindSafe(|| live(console, started)));
    reap_for_ever()
}

fn live(mut console: Console, started: Duration) -> ! {
    forget_standard_streams();
    let supervisor = loop {
        match Supervisor::new(policy()) {
            Ok(supervisor) => break supervisor,
            Err(error) => console.line(&format!("init: cannot make the channels between roles: {error}")),
        }
        std::thread::sleep(Duration::from_secs(1));
    };
    let mut init = Init::new(console, supervisor, started);
    for _ in 0..PANICS_MAX {
        // A panic has been told by the hook. Each step leaves the state usable for the next turn.
        let _ = std::panic::catch_unwind(AssertUnwindSafe(|| init.live()));
    }
    init.say("too many panics; the roles run on, but nothing is restarted any more");
    loop {
        // A log nobody reads would stop the roles, and with them a burn.
        let _ = std::panic::catch_unwind(AssertUnwindSafe(|| init.supervisor.drain()));
        while let Ok(Some(_)) = rustix::process::wait(WaitOptions::NOHANG) {}
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Nothing of ours writes to the descriptors the kernel gave us: writing there may wait.
fn forget_standard_streams() {
    if let Ok(null) = rustix::fs::open("/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty()) {
        // They stay as they are when this fails.
        let _ = rustix::stdio::dup2_stdin(&null);
        let _ = rustix::stdio::dup2_stdout(&null);
        let _ = rustix::stdio::dup2_stderr(&null);
    }
}

fn policy() -> Policy {
    #[cfg(feature = "faults")]
    return crate::faults::policy(&std::fs::read_to_string("/proc/cmdline").unwrap_or_default());
    #[cfg(not(feature = "faults"))]
    Policy::default()
}

fn reap_for_ever() -> ! {
    loop {
        while let Ok(Some(_)) = rustix::process::wait(WaitOptions::NOHANG) {}
        std::thread::sleep(Duration::from_secs(1));
    }
}

fn since_kernel_entry() -> Duration {
    Duration::try_from(rustix::time::clock_gettime(ClockId::Boottime)).unwrap_or_default()
}

struct Init {
    console: Console,
    supervisor: Supervisor,
    devices: Devices,
    data: Data,
    network: Network,
    signals: Option<Signals>,
    listener: Option<Listener>,
    ending: Option<Ending>,
    started: Duration,
    told_started: bool,
    /// The networks whose clients may speak in the clear.
    clear: Vec<(IpAddr, u8)>,
    typed: Typed,
}

impl Init {
    fn new(mut console: Console, supervisor: Supervisor, started: Duration) -> Self {
        let mut complaints = Vec::new();
        // Ctrl-Alt-Del becomes SIGINT to init: a key press must not end a burn.
        if let Err(error) = rustix::system::reboot(RebootCommand::CadOff) {
            complaints.push(format!("cannot disarm Ctrl-Alt-Del: {error}"));
        }
        let line = CommandLine::parse(&std::fs::read_to_string("/proc/cmdline").unwrap_or_default());
        complaints.extend(line.complaints);
        if let Err(error) = rustix::system::sethostname(line.name.as_bytes()) {
            complaints.push(format!("cannot set the name {}: {error}", line.name));
        }
        let network = command_line::in_words(line.network);
        console.line(&format!("init: this box is {}, network {network}", line.name));
        // Listening begins before looking, so that nothing falls between.
        let listener = Listener::open()
            .map_err(|failure| complaints.push(failure.to_string()))
            .ok();
        let signals = Signals::open()
            .map_err(|error| complaints.push(format!("cannot listen to signals: {error}")))
            .ok();
        #[cfg(feature = "faults")]
        crate::faults::announce(&mut console);
        let mut init = Self {
            console,
            supervisor,
            devices: Devices::new(Path::new(CLASSES)),
            data: Data::Looking(Instant::now() + DATA_WAIT),
            network: line.network,
            signals,
            listener,
            ending: None,
            started,
            told_started: false,
            clear: line.clear,
            typed: Typed::default(),
        };
        for complaint in complaints {
            init.say(complaint);
        }
        let changes = init.devices.look();
        init.apply(changes);
        init
    }

    fn say(&mut self, line: impl std::fmt::Display) {
        self.console.line(&format!("init: {line}"));
    }

    /// Turn after turn; unwinds or goes on for ever.
    fn live(&mut self) -> ! {
        loop {
            self.turn();
            self.sleep();
        }
    }

    fn turn(&mut self) {
        self.hear_devices();
        self.hear_mount();
        self.hear_signals();
        self.hear_console();
        self.supervisor.turn();
        for event in self.supervisor.events() {
            self.handle(event);
        }
        if !self.told_started {
            self.told_started = true;
            let now = since_kernel_entry();
            let (at, share) = (now.as_secs_f64(), now.saturating_sub(self.started).as_secs_f64());
            self.say(format!(
                "roles started {at:.3} s after kernel entry, init's share {share:.3} s"
            ));
        }
        self.console.flush();
    }

    fn sleep(&self) {
        let mut list = Vec::with_capacity(16);
        self.supervisor.watch(&mut list);
        list.extend(
            self.signals
                .iter()
                .map(|signals| PollFd::new(signals, PollFlags::IN)),
        );
        list.extend(
            self.listener
                .iter()
                .map(|listener| PollFd::new(listener, PollFlags::IN)),
        );
        if let Data::Mounting(_, channel) = &self.data {
            list.push(PollFd::new(channel, PollFlags::IN));
        }
        let console = self.console.waits_for();
        list.extend(console.map(|console| PollFd::from_borrowed_fd(console, PollFlags::OUT)));
        if let Some(input) = self.console.input().filter(|_| self.typed.listens()) {
            list.push(PollFd::from_borrowed_fd(input, PollFlags::IN));
        }
        let data = match &self.data {
            Data::Looking(until) => Some(*until),
            _ => None,
        };
        let now = Instant::now();
        let deadline = [self.supervisor.deadline(), data].into_iter().flatten().min();
        let limit = deadline.map_or(SLEEP_MAX, |deadline| {
            deadline.saturating_duration_since(now).min(SLEEP_MAX)
        });
        let limit = Timespec::try_from(limit).unwrap_or_default();
        if rustix::event::poll(&mut list, Some(&limit)).is_err_and(|error| error != rustix::io::Errno::INTR) {
            // No memory, perhaps: not at full speed, then.
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::Line(line) => self.console.line(&line),
            Event::Started(Role::Net) => {
                let interfaces: Vec<_> = self.devices.interfaces().cloned().collect();
                for interface in interfaces {
                    self.hand_over_interface(interface);
                }
                self.supervisor
                    .tell(Role::Net, FromInit::Network(self.network), None);
            }
            Event::Started(Role::Vault) => {
                let clear = FromInit::Clear(self.clear.clone());
                self.supervisor.tell(Role::Vault, clear, None);
                self.tell_data();
                let drives: Vec<_> = self.devices.drives().map(str::to_owned).collect();
                for drive in drives {
                    self.hand_over_drive(drive);
                }
            }
            Event::Started(_) => {}
            Event::Ready => {
                let at = since_kernel_entry().as_secs_f64();
                self.say(format!("ready {at:.3} s after kernel entry"));
                if self.devices.interfaces().next().is_none() {
                    self.say("no network interface was found, so nobody can reach this box; attach one");
                }
            }
            Event::Address(Some(address)) => {
                let at = since_kernel_entry().as_secs_f64();
                self.say(format!("address {address} {at:.3} s after kernel entry"));
            }
            Event::Address(None) => self.say("no address"),
            Event::SetClock(seconds, nanoseconds) => self.set_clock(seconds, nanoseconds),
            Event::PowerOff => self.begin(Ending::PowerOff, "the vault asks to switch off"),
            Event::Reboot => self.begin(Ending::Reboot, "the vault asks to start again"),
            Event::Stopped => self.end(),
        }
    }

    /// Does what a person at the console asks for.
    fn hear_console(&mut self) {
        self.typed.read(&self.console);
        while let Some(line) = self.typed.next() {
            #[cfg(feature = "faults")]
            if crate::faults::obey(&line, &mut self.console, &self.supervisor) {
                continue;
            }
            match line.trim() {
                "" => {}
                "pair" => self.supervisor.tell(Role::Vault, FromInit::Pair, None),
                other => self.say(format!(
                    "no such order: {other}; `pair` gives the code to pair a workstation with"
                )),
            }
        }
    }

    fn set_clock(&mut self, seconds: i64, nanoseconds: u32) {
        let before = rustix::time::clock_gettime(ClockId::Realtime).tv_sec;
        let time = rustix::time::Timespec {
            tv_sec: seconds,
            tv_nsec: nanoseconds.into(),
        };
        match rustix::time::clock_settime(ClockId::Realtime, time) {
            Ok(()) => self.say(format!(
                "clock set, moved by {:+} s",
                seconds.saturating_sub(before)
            )),
            Err(error) => self.say(format!("cannot set the clock to {seconds} s after 1970: {error}")),
        }
    }

    fn begin(&mut self, ending: Ending, why: &str) {
        if self.ending.is_none() {
            self.say(format!("{why}; stopping"));
            self.ending = Some(ending);
            self.supervisor.stop();
        }
    }

    fn end(&mut self) {
        let mounted = match std::mem::replace(&mut self.data, Data::Missing("the box is stopping".into())) {
            Data::Mounted(..) | Data::Mounting(..) => true,
            Data::Looking(_) | Data::Missing(_) => false,
        };
        power::end(
            self.ending.unwrap_or(Ending::PowerOff),
            mounted,
            &mut self.console,
        );
        reap_for_ever()
    }

    fn hear_signals(&mut self) {
        while let Some(signal) = self.signals.as_ref().and_then(Signals::next_waiting) {
            match signal {
                Signal::Terminate => self.begin(Ending::PowerOff, "SIGTERM"),
                Signal::Power => self.begin(Ending::PowerOff, "the power is failing (SIGPWR)"),
                Signal::Interrupt => self.say("Ctrl-Alt-Del does nothing here: it could end a burn"),
                // It only wakes the loop; every turn reaps.
                Signal::Child => {}
            }
        }
    }

    fn hear_devices(&mut self) {
        while let Some(listener) = &self.listener {
            let changes = match listener.next() {
                Heard::Event(event) => self.devices.heard(&event),
                Heard::Lost => self.devices.look(),
                Heard::Nothing => return,
            };
            self.apply(changes);
        }
    }

    fn apply(&mut self, changes: Vec<Change>) {
        for change in changes {
            match change {
                Change::DriveCame(name) => {
                    self.say(format!("drive {name} found"));
                    self.hand_over_drive(name);
                }
                Change::DriveGone(name) => {
                    self.say(format!("drive {name} is gone"));
                    self.supervisor.tell(Role::Vault, FromInit::DriveGone(name), None);
                }
                Change::InterfaceCame(interface) => {
                    self.say(format!("interface {} found", interface.name));
                    self.hand_over_interface(interface);
                }
                Change::InterfaceGone(index) => {
                    self.say(format!("interface number {index} is gone"));
                    self.supervisor
                        .tell(Role::Net, FromInit::InterfaceGone(index), None);
                }
                Change::Partitions => self.look_for_data(),
            }
        }
    }

    fn hand_over_drive(&mut self, name: String) {
        if !self.supervisor.runs(Role::Vault) {
            return;
        }
        match hotplug::open_drive(&name) {
            Ok(drive) => self
                .supervisor
                .tell(Role::Vault, FromInit::Drive(name), Some(drive)),
            Err(failure) => self.say(failure),
        }
    }

    fn hand_over_interface(&mut self, interface: Interface) {
        if !self.supervisor.runs(Role::Net) {
            return;
        }
        match interface::open(&interface) {
            Ok(socket) => self
                .supervisor
                .tell(Role::Net, FromInit::Interface(interface), Some(socket)),
            Err(failure) => self.say(failure),
        }
    }

    fn look_for_data(&mut self) {
        let found = data::find(Path::new(BLOCKS));
        match (&self.data, found) {
            (Data::Looking(_) | Data::Missing(_), Some(device)) => match data::mount(device.clone()) {
                Ok(channel) => self.data = Data::Mounting(device, channel),
                Err(failure) => self.no_data(failure.to_string()),
            },
            (Data::Mounted(device, _), _) if !Path::new(BLOCKS).join(device).exists() => {
                let reason = format!("the disk with the data partition ({device}) was removed");
                data::detach();
                self.no_data(reason);
            }
            _ => {}
        }
    }

    fn hear_mount(&mut self) {
        if let Data::Looking(until) = self.data
            && until <= Instant::now()
        {
            self.no_data("no partition named spindle-data was found; attach the disk that has it".into());
        }
        let Data::Mounting(device, channel) = &self.data else {
            return;
        };
        match channel.receive_within::<Option<String>>(Duration::ZERO) {
            Err(seam::ChannelError::TimedOut) => {}
            Ok((None, mut descriptors)) if descriptors.len() == 1 => {
                let device = device.clone();
                self.say(format!("the data partition is on {device}"));
                if let Some(directory) = descriptors.pop() {
                    self.data = Data::Mounted(device, directory);
                    self.tell_data();
                }
            }
            Ok((Some(reason), _)) => self.no_data(reason),
            Ok(_) | Err(_) => self.no_data("the data partition's mounting ended without a result".into()),
        }
    }

    fn no_data(&mut self, reason: String) {
        self.say(&reason);
        self.data = Data::Missing(reason);
        self.tell_data();
    }

    /// Tells the vault where its data are, as far as that is known.
    fn tell_data(&mut self) {
        let (message, directory) = match &self.data {
            Data::Looking(_) | Data::Mounting(..) => return,
            Data::Missing(reason) => (FromInit::NoData(reason.clone()), None),
            Data::Mounted(_, directory) => match directory.try_clone() {
                Ok(directory) => (FromInit::Data, Some(directory)),
                Err(cause) => {
                    let failure = Failure::of("cannot pass the data partition on")(cause);
                    (FromInit::NoData(failure.to_string()), None)
                }
            },
        };
        self.supervisor.tell(Role::Vault, message, directory);
    }
}
