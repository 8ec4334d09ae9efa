//! Puts: what arrives is kept whole, what is cut short leaves nothing.

mod support;

use support::{TestVault, directory, eventually, file, paths, refused, symlink};
use wire::{ByteString, EntryKind, FailureCode, PutBegin, PutFileEnd, Reply, Request};

#[test]
fn a_tree_is_listed_and_got_as_it_was_put() {
    let vault = TestVault::new();
    let mut client = vault.admin();
    let (id, tree) = client.begin(0).unwrap();
    client.send(id, &Request::PutEntry(directory("a")));
    client.file(id, &file("a/one", 5), b"hello").unwrap();
    client.file(id, &file("a-b", 0), b"").unwrap();
    client
        .file(id, &file(&b"x/\xff\x01deep/file"[..], 3), b"abc")
        .unwrap();
    client.send(id, &Request::PutEntry(symlink("a/link", "/etc/passwd")));
    let done = client.end(id).unwrap();
    assert_eq!((done.tree, done.files, done.bytes), (tree, 3, 8));

    let all = client.list(tree, "", u32::MAX).unwrap();
    let expected = [
        "a",
        "a/link",
        "a/one",
        "a-b",
        "x",
        "x/\\xff\\u{1}deep",
        "x/\\xff\\u{1}deep/file",
    ];
    assert_eq!(paths(&all), expected);
    assert_eq!(
        (all[0].mode, all[2].uid, all[2].gid, all[2].size),
        (0o750, 5, 6, 5)
    );
    assert_eq!(all[1].target, "/etc/passwd".into());
    assert!(all[2].sha256.is_some() && all[0].sha256.is_none());
    assert_eq!(paths(&client.list(tree, "", 1).unwrap()), ["a", "a-b", "x"]);
    assert_eq!(
        paths(&client.list(tree, "a", 1).unwrap()),
        ["a", "a/link", "a/one"]
    );
    assert_eq!(paths(&client.list(tree, "a/one", 0).unwrap()), ["a/one"]);
    refused(client.list(tree, "b", 1), FailureCode::NotFound);
    refused(client.list(tree + 1, "", 1), FailureCode::NotFound);
    refused(client.list(tree, "../a", 1), FailureCode::BadPath);

    assert_eq!(client.get(tree, "a/one", 0, u64::MAX).unwrap(), b"hello");
    assert_eq!(client.get(tree, "a/one", 1, 3).unwrap(), b"ell");
    assert_eq!(client.get(tree, "a/one", 9, 3).unwrap(), b"");
    refused(client.get(tree, "a", 0, 1), FailureCode::Unsupported);
    refused(client.get(tree, "a/link", 0, 1), FailureCode::Unsupported);
    refused(client.get(tree, "no", 0, 1), FailureCode::NotFound);
}

#[test]
fn a_long_list_comes_in_pieces_that_fit() {
    let vault = TestVault::new();
    let mut client = vault.admin();
    let (id, tree) = client.begin(0).unwrap();
    let names: Vec<_> = (0..900).map(|number| format!("{number:0>250}")).collect();
    for name in &names {
        client.send(id, &Request::PutEntry(directory(name.as_str())));
    }
    client.end(id).unwrap();
    assert_eq!(paths(&client.list(tree, "", u32::MAX).unwrap()), names);
}

#[test]
fn names_of_one_file_have_one_file() {
    let vault = TestVault::new();
    let mut client = vault.admin();
    let (id, tree) = client.begin(0).unwrap();
    let linked = |path: &str| wire::Entry {
        hard_link: 7,
        ..file(path, 4)
    };
    client.file(id, &linked("first"), b"same").unwrap();
    client.send(id, &Request::PutEntry(linked("d/second")));
    let done = client.end(id).unwrap();
    assert_eq!((done.files, done.bytes), (1, 4));
    // The same number in another put is another file.
    let (id, again) = client.begin(tree).unwrap();
    assert_eq!(again, tree);
    client.file(id, &linked("third"), b"else").unwrap();
    client.end(id).unwrap();
    let all = client.list(tree, "", u32::MAX).unwrap();
    let number = |path: &str| {
        all.iter()
            .find(|entry| entry.path == path.into())
            .unwrap()
            .hard_link
    };
    assert!(
        number("first") != 0 && number("first") == number("d/second") && number("third") != number("first")
    );
    assert_eq!(client.get(tree, "d/second", 0, 9).unwrap(), b"same");
    assert_eq!(client.get(tree, "third", 0, 9).unwrap(), b"else");
}

#[test]
fn a_refused_put_leaves_nothing_and_is_refused_once() {
    let vault = TestVault::new();
    let mut client = vault.admin();
    let entry = |entry: wire::Entry| Request::PutEntry(entry);
    let long = ByteString(vec![b'a'; 4096]);
    let cases: Vec<(Vec<Request>, FailureCode)> = vec![
        (vec![entry(directory("../x"))], FailureCode::BadPath),
        (vec![entry(directory("/x"))], FailureCode::BadPath),
        (vec![entry(directory("a//b"))], FailureCode::BadPath),
        (vec![entry(directory(&b"a\0b"[..]))], FailureCode::BadPath),
        (vec![entry(directory(long))], FailureCode::BadPath),
        (
            vec![entry(directory("n".repeat(256).as_str()))],
            FailureCode::BadPath,
        ),
        (vec![entry(symlink("s", ""))], FailureCode::BadPath),
        (
            vec![entry(wire::Entry {
                kind: 9,
                ..file("x", 0)
            })],
            FailureCode::Unsupported,
        ),
        (
            vec![entry(symlink("s", "..")), entry(directory("s/x"))],
            FailureCode::BadPath,
        ),
        (
            vec![entry(symlink("s", "..")), entry(symlink("s", ".."))],
            FailureCode::Exists,
        ),
        (
            vec![entry(symlink("s", "..")), entry(file("s", 0))],
            FailureCode::Exists,
        ),
        (
            vec![entry(directory("d")), entry(symlink("d", "x"))],
            FailureCode::Exists,
        ),
        (vec![entry(file("big", usize::MAX))], FailureCode::NoSpace),
        (
            vec![Request::PutFileEnd(PutFileEnd { sha256: [0; 32] })],
            FailureCode::OutOfOrder,
        ),
        (vec![Request::PutFileAbandon(())], FailureCode::OutOfOrder),
    ];
    for (requests, code) in cases {
        let (id, _) = client.begin(0).unwrap();
        client.send(id, &entry(directory("before")));
        for request in &requests {
            client.send(id, request);
        }
        match client.reply(id).0 {
            Reply::Failure(failure) => assert!(failure.is(code), "{requests:?}: {failure:?}"),
            other => panic!("{requests:?}: {other:?}"),
        }
        // What is still on its way is ignored, up to the put's end.
        client.send(id, &entry(directory("after")));
        client.send(id, &Request::PutEnd(()));
        assert!(matches!(client.ask(&Request::Ping(())), Ok(Reply::Done(()))));
        assert_eq!(
            std::fs::read_dir(vault.data.join("work")).unwrap().count(),
            0,
            "{requests:?}"
        );
    }
    let begin = PutBegin {
        tree: 0,
        name: String::new(),
        expected: u64::MAX,
    };
    refused(client.ask(&Request::PutBegin(begin)), FailureCode::NoSpace);
    refused(client.begin(99), FailureCode::NotFound);
    client.begin(0).unwrap();
    refused(client.begin(0), FailureCode::OutOfOrder);
}

#[test]
fn a_file_of_another_size_than_said_is_refused() {
    let vault = TestVault::new();
    let mut client = vault.admin();
    let (id, tree) = client.begin(0).unwrap();
    client.file(id, &file("short", 5), b"four").unwrap();
    refused(client.end(id), FailureCode::DigestMismatch);
    refused(client.list(tree, "", 1), FailureCode::NotFound);
}

#[test]
fn an_abandoned_file_and_an_aborted_put_leave_nothing() {
    let vault = TestVault::new();
    let mut client = vault.admin();
    let (id, tree) = client.begin(0).unwrap();
    client.send(id, &Request::PutEntry(file("changed", 3)));
    drop(client.receive());
    client.send(id, &Request::PutFileAbandon(()));
    client.file(id, &file("changed", 2), b"ok").unwrap();
    assert_eq!(client.end(id).unwrap().files, 1);

    let (id, _) = client.begin(tree).unwrap();
    client.file(id, &file("more/file", 2), b"no").unwrap();
    client.send(id, &Request::PutAbort(()));
    assert!(matches!(client.reply(id).0, Reply::Done(())));
    assert_eq!(paths(&client.list(tree, "", u32::MAX).unwrap()), ["changed"]);
    assert!(!vault.data.join(format!("work/{tree}/more")).exists());
    assert_eq!(client.get(tree, "changed", 0, 9).unwrap(), b"ok");
}

#[test]
fn a_client_killed_in_the_middle_leaves_nothing_and_lets_go() {
    let vault = TestVault::new();
    let mut client = vault.admin();
    let (id, tree) = client.begin(0).unwrap();
    client.file(id, &file("x/y", 1), b"1").unwrap();
    client.send(id, &Request::PutEntry(file("z", 100)));
    drop(client.receive());
    let mut other = vault.admin();
    refused(other.begin(0), FailureCode::Busy);
    drop(client);
    eventually("the box is let go", || other.begin(0).is_ok());
    assert!(!vault.data.join(format!("work/{tree}")).exists());
    refused(other.list(tree, "", 1), FailureCode::NotFound);
}

#[test]
fn a_directory_may_be_described_again() {
    let vault = TestVault::new();
    let mut client = vault.admin();
    let (id, tree) = client.begin(0).unwrap();
    client.file(id, &file("d/f", 1), b"1").unwrap();
    client.send(id, &Request::PutEntry(directory("d")));
    client.end(id).unwrap();
    let all = client.list(tree, "", 1).unwrap();
    assert_eq!((all[0].mode, all[0].kind), (0o750, EntryKind::Directory.number()));
}
