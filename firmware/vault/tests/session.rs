//! Sessions: hello, clock, roles, the hold, and a box without what it needs.

mod support;

use std::sync::atomic::Ordering;

use support::{TestVault, eventually, now, refused};
use wire::{Burn, DriveRequest, FailureCode, Hello, Reply, Request, Role, Time, Verify, WatchJob};

fn later(seconds: i64) -> Time {
    let now = now();
    Time {
        seconds: now.seconds + seconds,
        ..now
    }
}

#[test]
fn hello_comes_first_once_and_in_this_version() {
    let vault = TestVault::new();
    let mut client = vault.connect();
    refused(client.ask(&Request::Ping(())), FailureCode::OutOfOrder);
    let hello = Hello {
        version: 9,
        role: 0,
        utc: now(),
        program: String::new(),
    };
    refused(client.ask(&Request::Hello(hello)), FailureCode::BadVersion);
    let welcome = client.hello(Role::Admin, now()).unwrap();
    assert_eq!(
        (welcome.role, welcome.session),
        (Role::Admin.number(), client.opened.session)
    );
    refused(client.hello(Role::Admin, now()), FailureCode::OutOfOrder);
    let mut unknown = vault.connect();
    let hello = Hello {
        version: 1,
        role: 900,
        utc: now(),
        program: String::new(),
    };
    refused(unknown.ask(&Request::Hello(hello)), FailureCode::Unsupported);
    refused(unknown.ask(&Request::Ping(())), FailureCode::OutOfOrder);
}

#[test]
fn a_role_may_do_what_its_table_says() {
    let vault = TestVault::new();
    let mut client = vault.connect();
    client.hello(Role::Client, now()).unwrap();
    client.begin(0).unwrap();
    refused(
        client.ask(&Request::Verify(Verify { drive: 0 })),
        FailureCode::NotPermitted,
    );
    refused(client.ask(&Request::PowerOff(())), FailureCode::NotPermitted);
    let mut observer = vault.connect();
    observer.hello(Role::Observer, now()).unwrap();
    refused(observer.begin(0), FailureCode::NotPermitted);
    assert!(matches!(observer.ask(&Request::Status(())), Ok(Reply::Status(_))));
}

#[test]
fn the_first_clock_is_believed_and_then_bounded() {
    let vault = TestVault::new();
    let set = || vault.asked.clock.lock().unwrap().clone();
    // Below the build: never. Backwards: not far.
    vault
        .connect()
        .hello(
            Role::Client,
            Time {
                seconds: -5,
                nanoseconds: 0,
            },
        )
        .unwrap();
    vault.connect().hello(Role::Client, later(-9000)).unwrap();
    assert_eq!(set(), []);
    let forward = later(1_000_000);
    let welcome = vault.connect().hello(Role::Client, forward).unwrap();
    assert_eq!((set(), welcome.utc), (vec![forward], forward));
    assert!(welcome.utc_before < welcome.utc);
    // The fake init does not really set it, so the box is far behind what the first client said by now:
    // only clocks near that one are believed, whatever the box's own says.
    vault.connect().hello(Role::Client, later(500_000)).unwrap();
    assert_eq!(set().len(), 1);
    let near = later(1_000_000 + 3000);
    vault.connect().hello(Role::Client, near).unwrap();
    assert_eq!(set(), [forward, near]);
    let back = later(-500_000);
    vault.connect().hello(Role::Admin, back).unwrap();
    assert_eq!(set(), [forward, near, back]);
}

#[test]
fn what_is_right_already_is_left_alone_and_counts() {
    let vault = TestVault::new();
    let welcome = vault.connect().hello(Role::Client, now()).unwrap();
    assert_eq!(welcome.utc, welcome.utc_before);
    vault.connect().hello(Role::Client, later(1_000_000)).unwrap();
    assert!(vault.asked.clock.lock().unwrap().is_empty());
}

#[test]
fn a_restarted_vault_remembers_that_the_clock_was_set() {
    let data = tempfile::tempdir().unwrap();
    let vault = TestVault::on(data.path(), 0);
    vault.connect().hello(Role::Client, now()).unwrap();
    vault.vault.shutdown();
    let vault = TestVault::on(data.path(), 0);
    vault.connect().hello(Role::Client, later(1_000_000)).unwrap();
    assert!(vault.asked.clock.lock().unwrap().is_empty());
}

#[test]
fn one_holds_and_all_look() {
    let vault = TestVault::new();
    let mut first = vault.admin();
    let mut second = vault.admin();
    assert!(!second.opened.held);
    first.begin(0).unwrap();
    let failure = refused(second.begin(0), FailureCode::Busy);
    assert!(failure.cause.contains("session") && !failure.remedy.is_empty());
    refused(second.ask(&Request::PowerOff(())), FailureCode::Busy);
    assert!(matches!(second.ask(&Request::Status(())), Ok(Reply::Status(status)) if status.held));
    assert!(vault.connect().opened.held);
    drop(first);
    eventually("the box is let go", || second.ask(&Request::PowerOff(())).is_ok());
    eventually("power is switched off", || {
        vault.asked.off.load(Ordering::Acquire)
    });
}

#[test]
fn numbers_and_identity_survive_a_restart() {
    let data = tempfile::tempdir().unwrap();
    let vault = TestVault::on(data.path(), 0);
    let before = vault.connect().opened;
    let (id, tree) = {
        let mut client = vault.admin();
        let (id, tree) = client.begin(0).unwrap();
        client.end(id).unwrap();
        (id, tree)
    };
    assert!(id > 0);
    vault.vault.shutdown();
    let vault = TestVault::on(data.path(), 0);
    let mut client = vault.admin();
    assert_eq!(client.opened.box_id, before.box_id);
    assert!(client.opened.session > before.session);
    assert!(client.list(tree, "", 1).unwrap().is_empty());
    assert!(client.begin(0).unwrap().1 > tree);
}

#[test]
fn without_a_data_partition_the_box_says_why() {
    let vault = TestVault::with(Err("no partition is named spindle-data".into()), 0);
    let mut client = vault.admin();
    let Ok(Reply::Status(status)) = client.ask(&Request::Status(())) else {
        panic!("no status")
    };
    assert_eq!(status.data_size, 0);
    assert!(
        status
            .notices
            .iter()
            .any(|notice| notice.cause.contains("spindle-data") && !notice.remedy.is_empty())
    );
    refused(client.begin(0), FailureCode::Unavailable);
    let burn = Burn {
        drive: 0,
        tree: 0,
        label: String::new(),
        finalise: false,
    };
    refused(client.ask(&Request::Burn(burn)), FailureCode::Unavailable);
    assert!(
        matches!(client.ask(&Request::Drives(())), Ok(Reply::Drives(drives)) if drives.drives.is_empty())
    );
}

#[test]
fn what_is_not_there_is_not_found() {
    let vault = TestVault::new();
    let mut client = vault.admin();
    let burn = |tree, label: &str| {
        Request::Burn(Burn {
            drive: 3,
            tree,
            label: label.into(),
            finalise: false,
        })
    };
    refused(client.ask(&burn(0, "")), FailureCode::NotFound);
    refused(client.ask(&burn(77, "")), FailureCode::NotFound);
    refused(client.ask(&burn(0, &"x".repeat(33))), FailureCode::Unsupported);
    let (id, tree) = client.begin(0).unwrap();
    refused(client.ask(&burn(tree, "")), FailureCode::NotFound); // no such drive
    client.end(id).unwrap();
    refused(client.ask(&burn(tree, "")), FailureCode::NotFound);
    for request in [
        Request::Disc(DriveRequest { drive: 0 }),
        Request::Eject(DriveRequest { drive: 0 }),
    ] {
        refused(client.ask(&request), FailureCode::NotFound);
    }
    refused(
        client.ask(&Request::WatchJob(WatchJob { job: 5 })),
        FailureCode::NotFound,
    );
    assert!(matches!(client.ask(&Request::Jobs(())), Ok(Reply::Jobs(jobs)) if jobs.jobs.is_empty()));
}
