//! The stack against another one, over a cable of memory, on a clock that the tests turn.

#![allow(clippy::unwrap_used, reason = "a test ends where it fails")]

mod support;

use net::CONNECTIONS;
use net::connection::{HANDSHAKE, KEEP_ALIVE, LINGER, SILENCE};
use smoltcp::iface::SocketHandle;
use smoltcp::socket::tcp::State;
use smoltcp::time::Duration;
use support::pattern;
use support::world::{Door, World};

const MINUTE: Duration = Duration::from_secs(60);

/// Both send `length` bytes at once, then their ends; both must get exactly what the other sent.
fn exchange(world: &mut World, caller: SocketHandle, door: &Door, length: usize, limit: Duration) {
    let (there, back) = (pattern(1, length), pattern(2, length));
    let (mut sent_there, mut sent_back) = (0, 0);
    let (mut got_there, mut got_back) = (vec![], vec![]);
    let mut end_there = false;
    world.run("the exchange", limit, |world| {
        let socket = world.caller(caller);
        if socket.may_send() {
            sent_there += socket.send_slice(&there[sent_there..]).unwrap();
            if sent_there == length {
                socket.close();
            }
        }
        while socket.can_recv() {
            socket
                .recv(|bytes| (bytes.len(), got_back.extend_from_slice(bytes)))
                .unwrap();
        }
        end_there |= door.read_into(&mut got_there);
        if sent_back < length {
            sent_back += door.write(&back[sent_back..]);
            if sent_back == length {
                door.end();
            }
        }
        end_there && !world.caller(caller).may_recv()
    });
    assert!(
        got_there == there,
        "the door got {} bytes, not the {length} sent",
        got_there.len()
    );
    assert!(
        got_back == back,
        "the caller got {} bytes, not the {length} sent",
        got_back.len()
    );
}

fn shaped(latency: Duration, loss: u64) -> World {
    let world = World::new();
    for wire in [&world.inward, &world.outward] {
        (wire.borrow_mut().latency, wire.borrow_mut().loss) = (latency, loss);
    }
    world
}

#[test]
fn bytes_arrive_unchanged_both_ways() {
    let mut world = shaped(Duration::from_micros(200), 0);
    let (caller, door) = world.connected();
    exchange(&mut world, caller, &door, 20_000_000, MINUTE);
    drop(door);
    world.run("the end", LINGER * 2, |world| world.stack.served() == 0);
}

#[test]
fn bytes_arrive_unchanged_though_one_frame_in_a_hundred_is_lost() {
    // One way at a time: two smoltcp that both retransmit take none of each other's acknowledgements.
    let mut world = shaped(Duration::from_millis(1), 100);
    let (caller, door) = world.connected();
    let bytes = pattern(11, 20_000_000);
    let (mut sent, mut got) = (0, vec![]);
    world.run("the way in", MINUTE * 60, |world| {
        sent += world.caller(caller).send_slice(&bytes[sent..]).unwrap();
        door.read_into(&mut got);
        got.len() == bytes.len()
    });
    assert!(got == bytes);
    (sent, got) = (0, vec![]);
    world.run("the way out", MINUTE * 60, |world| {
        sent += door.write(&bytes[sent..]);
        let socket = world.caller(caller);
        while socket.can_recv() {
            socket
                .recv(|part| (part.len(), got.extend_from_slice(part)))
                .unwrap();
        }
        got.len() == bytes.len()
    });
    assert!(got == bytes);
}

#[test]
fn a_caller_who_sends_no_more_still_gets_the_answer() {
    let mut world = World::new();
    let (caller, door) = world.connected();
    world.caller(caller).send_slice(b"question").unwrap();
    world.caller(caller).close();
    let (mut question, mut ended) = (vec![], false);
    world.run("the question", MINUTE, |_| {
        ended |= door.read_into(&mut question);
        ended
    });
    assert_eq!(question, b"question");

    let answer = pattern(3, 2_000_000);
    let (mut sent, mut got) = (0, vec![]);
    world.run("the answer", MINUTE, |world| {
        sent += door.write(&answer[sent..]);
        let socket = world.caller(caller);
        while socket.can_recv() {
            socket
                .recv(|bytes| (bytes.len(), got.extend_from_slice(bytes)))
                .unwrap();
        }
        got.len() == answer.len()
    });
    assert!(got == answer);
    assert_eq!(world.caller(caller).state(), State::FinWait2);
    drop(door);
    world.run("the end", MINUTE, |world| world.stack.served() == 0);
    world.run("FIN", MINUTE, |world| {
        world.caller(caller).state() == State::TimeWait
    });
}

#[test]
fn a_door_that_writes_no_more_still_reads() {
    let mut world = World::new();
    let (caller, door) = world.connected();
    door.write(b"welcome");
    door.end();
    world.run("the end of the welcome", MINUTE, |world| {
        world.caller(caller).state() == State::CloseWait
    });
    let sent = pattern(4, 200_000);
    assert_eq!(world.caller(caller).send_slice(&sent).unwrap(), sent.len());
    let mut got = vec![];
    world.run("the rest", MINUTE, |_| {
        door.read_into(&mut got);
        got.len() == sent.len()
    });
    assert!(got == sent);
}

#[test]
fn a_reset_ends_the_stream() {
    let mut world = World::new();
    let (caller, door) = world.connected();
    world.caller(caller).abort();
    world.run("the end", MINUTE, |_| door.read_into(&mut vec![]));
    world.run("the slot", MINUTE, |world| world.stack.served() == 0);
}

#[test]
fn a_caller_whom_doors_cannot_take_is_reset() {
    let mut gone = World::new();
    gone.doors = None;
    let full = World::new();
    while full.to_doors.send_bytes(&[0; 4096], &[], false).is_ok() {}
    for mut world in [gone, full] {
        let caller = world.call();
        world.run("the reset", MINUTE, |world| {
            world.caller(caller).state() == State::Closed
        });
        assert_eq!(world.stack.served(), 0);
    }
}

#[test]
fn what_a_door_wrote_before_it_closed_arrives() {
    let mut world = World::new();
    let (caller, door) = world.connected();
    world.caller(caller).send_slice(&pattern(5, 100_000)).unwrap(); // which the door never reads
    for _ in 0..50 {
        world.step();
    }
    let last = pattern(6, 150_000);
    assert_eq!(door.write(&last), last.len());
    drop(door);
    let mut got = vec![];
    world.run("the last words", MINUTE, |world| {
        let socket = world.caller(caller);
        while socket.can_recv() {
            socket
                .recv(|bytes| (bytes.len(), got.extend_from_slice(bytes)))
                .unwrap();
        }
        !socket.may_recv()
    });
    assert!(got == last);
    // The caller goes on for ever; the box does not.
    world.run("the reset", LINGER * 2, |world| {
        world.caller(caller).state() == State::Closed
    });
}

#[test]
fn all_that_a_door_wrote_before_it_closed_arrives_however_slowly_it_is_fetched() {
    let mut world = World::new();
    let (caller, door) = world.connected();
    world.caller(caller).send_slice(&pattern(5, 600_000)).unwrap(); // which the door never reads
    let last = pattern(6, 3_000_000);
    let mut sent = 0;
    let mut got = vec![];
    // The caller fetches nothing until everything on the way is full.
    world.run("fullness", MINUTE, |_| {
        let count = door.write(&last[sent..]);
        sent += count;
        count == 0 && sent > 500_000
    });
    for _ in 0..500 {
        world.step();
        sent += door.write(&last[sent..]);
    }
    assert!(sent < last.len());
    drop(door);
    let mut next = world.now;
    world.run("the last words", MINUTE * 10, |world| {
        if world.now < next {
            return false;
        }
        next = world.now + LINGER / 2;
        let socket = world.caller(caller);
        socket
            .recv(|bytes| {
                (
                    bytes.len().min(50_000),
                    got.extend_from_slice(&bytes[..bytes.len().min(50_000)]),
                )
            })
            .ok();
        !socket.may_recv()
    });
    assert!(got == last[..sent], "{} of {sent} bytes", got.len());
}

#[test]
fn an_echo_goes_on_after_everything_on_the_way_was_full() {
    let mut world = shaped(Duration::from_micros(200), 0);
    let (caller, door) = world.connected();
    let bytes = pattern(10, 4_000_000);
    let (mut sent, mut held, mut got) = (0, vec![], vec![]);
    let (mut fetch_at, mut fetching) = (world.now, false);
    world.run("the echo", MINUTE * 30, |world| {
        // The door writes back what it reads; meanwhile it reads nothing.
        let count = door.write(&held);
        held.drain(..count);
        if held.is_empty() {
            held = door.read().unwrap_or_default();
        }
        let now = world.now;
        let socket = world.caller(caller);
        sent += socket.send_slice(&bytes[sent..]).unwrap();
        // The caller fetches by turns all and nothing, for some seconds each.
        if now > fetch_at {
            fetching = !fetching;
            fetch_at = now + Duration::from_secs(3);
        }
        while fetching && socket.can_recv() {
            socket
                .recv(|part| (part.len(), got.extend_from_slice(part)))
                .unwrap();
        }
        got.len() == bytes.len()
    });
    assert!(got == bytes);
}

#[test]
fn a_slow_door_gets_all_bytes_long_after_both_ends() {
    let mut world = World::new();
    let (caller, door) = world.connected();
    door.end();
    world.run("FIN", MINUTE, |world| {
        world.caller(caller).state() == State::CloseWait
    });
    let sent = pattern(8, 400_000);
    let mut count = 0;
    world.run("all bytes to the box", MINUTE, |world| {
        count += world.caller(caller).send_slice(&sent[count..]).unwrap();
        count == sent.len()
    });
    world.caller(caller).close();
    world.run("the end", MINUTE, |world| {
        world.caller(caller).state() == State::Closed
    });
    let end = world.now + MINUTE; // longer than the TIME-WAIT
    world.run("a minute", MINUTE * 2, |world| world.now > end);
    let mut got = vec![];
    world.run("all bytes to the door", MINUTE, |_| door.read_into(&mut got));
    assert!(got == sent, "{} of {} bytes", got.len(), sent.len());
    world.run("the slot", MINUTE, |world| world.stack.served() == 0);
}

#[test]
fn a_door_that_does_not_read_closes_the_window_and_loses_nothing() {
    let mut world = World::new();
    let (caller, door) = world.connected();
    let sent = pattern(7, 3_000_000);
    let mut count = 0;
    let pause = world.now + MINUTE * 10;
    world.run("ten minutes", MINUTE * 11, |world| {
        count += world.caller(caller).send_slice(&sent[count..]).unwrap();
        world.now > pause
    });
    assert!(
        count < 1_500_000,
        "{count} bytes went somewhere though nobody reads"
    );
    let mut got = vec![];
    world.run("the rest", MINUTE, |world| {
        count += world.caller(caller).send_slice(&sent[count..]).unwrap();
        door.read_into(&mut got);
        got.len() == sent.len()
    });
    assert!(got == sent);
}

#[test]
fn a_caller_who_vanishes_is_noticed() {
    let mut world = World::new();
    let (_, door) = world.connected();
    for wire in [&world.inward, &world.outward] {
        wire.borrow_mut().cut = true;
    }
    let start = world.now;
    world.run("the end", KEEP_ALIVE + SILENCE * 2, |_| {
        door.read_into(&mut vec![])
    });
    assert!(
        world.now - start >= SILENCE - KEEP_ALIVE,
        "only after {}",
        world.now - start
    );
}

#[test]
fn a_quiet_caller_stays() {
    let mut world = World::new();
    let (caller, door) = world.connected();
    let end = world.now + MINUTE * 30;
    world.hurries = 0;
    world.run("half an hour", MINUTE * 31, |world| world.now > end);
    assert!(
        world.hurries < 300,
        "an idle box turned its loop {} times for nothing",
        world.hurries
    );
    world.caller(caller).send_slice(b"still here").unwrap();
    let mut got = vec![];
    world.run("the bytes", MINUTE, |_| {
        assert!(!door.read_into(&mut got));
        got == b"still here"
    });
}

#[test]
fn hundreds_of_callers_in_turn() {
    let mut world = World::new();
    for turn in 0..300 {
        let (caller, door) = world.connected();
        exchange(&mut world, caller, &door, 2000 + turn, MINUTE);
        if turn % 2 == 0 {
            drop(door);
            let (other, second) = world.connected();
            drop(second); // the box closes first: its side is left in TIME-WAIT
            world.run("the FIN", MINUTE, |world| {
                world.caller(other).state() == State::CloseWait
            });
            world.caller(other).close();
            world.run("the end", MINUTE, |world| {
                world.caller(other).state() == State::Closed
            });
            world.sockets.remove(other);
        }
        world.caller(caller).abort();
        world.step();
        world.sockets.remove(caller);
    }
}

#[test]
fn one_caller_too_many_is_refused_and_the_others_stay() {
    let mut world = World::new();
    let served: Vec<_> = (0..CONNECTIONS).map(|_| world.connected()).collect();
    let refused = world.call();
    world.run("the reset", MINUTE, |world| {
        world.caller(refused).state() == State::Closed
    });
    for (caller, door) in &served {
        world.caller(*caller).send_slice(b"x").unwrap();
        world.run("a byte", MINUTE, |_| {
            door.read().is_some_and(|bytes| bytes == b"x")
        });
    }
    let (first, door) = &served[0];
    exchange(&mut world, *first, door, 10, MINUTE);
    drop(served);
    world.run("room", MINUTE, |world| world.stack.served() == 0);
    world.connected();
}

#[test]
fn handshakes_that_nobody_finishes_are_forgotten() {
    let mut world = World::new();
    let first = world.connected();
    world.outward.borrow_mut().cut = true;
    for _ in 1..CONNECTIONS {
        let caller = world.call();
        for _ in 0..3 {
            world.step();
        }
        world.sockets.remove(caller);
    }
    let end = world.now + HANDSHAKE + Duration::from_secs(2);
    world.run("the time", MINUTE, |world| world.now > end);
    world.outward.borrow_mut().cut = false;
    world.connected();
    assert!(
        first.1.read().is_none(),
        "the one who was served before is cut off"
    );
}

#[test]
fn a_static_address_that_makes_no_sense_is_refused() {
    let mut world = World::unconfigured();
    let fixed = |address: &str, prefix, gateway: Option<&str>| seam::Network::Static {
        address: address.parse().unwrap(),
        prefix,
        gateway: gateway.map(|text| text.parse().unwrap()),
    };
    for bad in [
        fixed("0.0.0.0", 24, None),
        fixed("255.255.255.255", 24, None),
        fixed("224.0.0.5", 24, None),
        fixed("10.0.0.1", 33, None),
        fixed("ff02::1", 64, None),
        fixed("10.0.0.1", 24, Some("fe80::1")),
    ] {
        assert!(!world.stack.configure(bad), "{bad:?}");
        assert_eq!(world.stack.address(), None);
    }
    assert!(world.stack.configure(fixed("2001:db8::5", 64, Some("fe80::1"))));
    assert_eq!(world.stack.address(), Some("2001:db8::5".parse().unwrap()));
}
