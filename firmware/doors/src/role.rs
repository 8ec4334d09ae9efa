//! The role: connections from net, sessions from the vault, signs of life to init.

use std::os::fd::AsFd;
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::io::Errno;
use seam::{Channel, ChannelError, Connection, FromInit, OpenSession, ToInit, inherited};

use crate::{Doors, Limits, Sessions};

/// Time between two signs of life.
const HEARTBEAT: Duration = Duration::from_secs(1);

/// For clients to close by themselves when the box stops: their last reply may be on its way.
const FAREWELL: Duration = Duration::from_secs(1);

/// Why the role ended early.
#[derive(Debug, displaydoc::Display, thiserror::Error)]
enum RoleError {
    /// a descriptor of the role's contract is missing, so init did not start it: {0}
    Inherited(Errno),
    /// a channel of the role broke, and init has to start it again: {0}
    Channel(#[from] ChannelError),
    /// waiting for connections failed: {0}
    Wait(Errno),
}

/// Sessions asked for over the channel to the vault.
struct Vault(Channel);

impl Sessions for Vault {
    fn open(&self, caller: &OpenSession) -> Result<Channel, ChannelError> {
        let (ours, theirs) = Channel::pair()?;
        // Not waiting: a queue that is full means that the vault is away for long.
        self.0.try_send(caller, &[theirs.as_fd()])?;
        Ok(ours)
    }
}

/// Runs the role until init stops it; every failure is also in the log.
pub fn run() -> ExitCode {
    match inherit() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("doors ended: {error}");
            ExitCode::FAILURE
        }
    }
}

fn inherit() -> Result<(), RoleError> {
    let take = |number| inherited::take(number).map_err(RoleError::Inherited);
    let init = take(inherited::CONTROL)?;
    let connections = take(inherited::FIRST)?;
    let sessions = take(inherited::SECOND)?;
    serve(&init, &connections, sessions)
}

fn serve(init: &Channel, connections: &Channel, sessions: Channel) -> Result<(), RoleError> {
    let doors = Doors::new(Vault(sessions), Limits::default());
    init.send(&ToInit::Ready, &[])?;
    let (mut beat, mut next_beat) = (0, Instant::now());
    let mut met_anybody = false;
    loop {
        let now = Instant::now();
        if now >= next_beat {
            match init.try_send(&ToInit::Heartbeat(beat), &[]) {
                Ok(()) | Err(ChannelError::Full) => (beat, next_beat) = (beat + 1, now + HEARTBEAT),
                Err(error) => return Err(error.into()),
            }
        }
        let pause = Timespec::try_from(next_beat.saturating_duration_since(now)).unwrap_or_default();
        let mut ready = [
            PollFd::new(init, PollFlags::IN),
            PollFd::new(connections, PollFlags::IN),
        ];
        match rustix::event::poll(&mut ready, Some(&pause)) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(RoleError::Wait(error)),
        }
        let [from_init, from_net] = ready.map(|channel| !channel.revents().is_empty());
        if from_init && matches!(init.receive::<FromInit>()?, (FromInit::Stop, _)) {
            break;
        }
        if from_net {
            match connections.receive::<Connection>() {
                Ok((connection, mut stream)) => {
                    if let Some(stream) = stream.pop() {
                        if !std::mem::replace(&mut met_anybody, true) {
                            let since = since_kernel_entry().as_secs_f64();
                            eprintln!("first connection accepted {since:.3} s after kernel entry");
                        }
                        doors.admit(stream, connection);
                    }
                }
                Err(ChannelError::Malformed | ChannelError::TooLong(_)) => {
                    eprintln!("a connection from net is lost: its message is not one");
                }
                Err(error) => return Err(error.into()),
            }
        }
    }
    let end = Instant::now() + FAREWELL;
    while doors.connected() > 0 && Instant::now() < end {
        thread::sleep(Duration::from_millis(10));
    }
    Ok(())
}

/// Time since the kernel began to keep it: how quick a boot was.
fn since_kernel_entry() -> Duration {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    Duration::try_from(now).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::os::unix::net::UnixStream;

    use seam::session::Opened;
    use wire::{GREETING_SIZE, Greeting};

    use super::*;

    #[test]
    fn the_role_reports_admits_and_stops() {
        let (init, our_init) = Channel::pair().unwrap();
        let (net, our_net) = Channel::pair().unwrap();
        let (vault, our_vault) = Channel::pair().unwrap();
        let role = thread::spawn(move || serve(&our_init, &our_net, our_vault));
        assert_eq!(init.receive::<ToInit>().unwrap().0, ToInit::Ready);
        assert_eq!(init.receive::<ToInit>().unwrap().0, ToInit::Heartbeat(0));

        net.send_bytes(&[0xff], &[], true).unwrap(); // no connection, and not the end of all others
        let (mut client, stream) = UnixStream::pair().unwrap();
        let connection = Connection {
            peer: "[2001:db8::7]:40000".parse().unwrap(),
            port: wire::PORT,
        };
        net.send(&connection, &[stream.as_fd()]).unwrap();
        drop(stream);
        let (caller, mut session) = vault.receive::<OpenSession>().unwrap();
        assert_eq!(
            (caller.peer, caller.door.as_str()),
            (Some(connection.peer), "control")
        );
        let session = Channel::from(session.pop().unwrap());
        let opened = Opened {
            session: 1,
            box_id: [7; 16],
            name: "box".into(),
            held: false,
            plaintext: true,
            secret: None,
        };
        session.send(&opened, &[]).unwrap();
        let mut greeting = [0; GREETING_SIZE];
        client.read_exact(&mut greeting).unwrap();
        assert_eq!(Greeting::decode(&greeting).unwrap().box_id, [7; 16]);

        init.send(&FromInit::Stop, &[]).unwrap();
        assert!(role.join().unwrap().is_ok());
    }
}
