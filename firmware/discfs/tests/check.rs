//! The checker on sound discs of ours, and its manners: progress, cancelling, signatures, unreadable blocks.
#![expect(clippy::unwrap_used, reason = "a test that cannot set itself up has failed")]
mod check_support;
mod common;

use check_support::{BLOCK, Findings, InMemory, Sha, check_bytes, check_session, image};
use common::{Memory, Sample, options, produce};
use discfs::{
    CheckOptions, CheckProgress, CheckStage, DiscError, Fault, Finding, Format, Inspector, Options,
};
use discfs::{Revision, UdfRevision, View, Volume, WalkLimits, check};

fn sample() -> Sample {
    let mut sample = Sample::default();
    for number in 0..150 {
        sample.file(
            format!("many/a rather long name that is cut short {number:03}"),
            number * 37,
        );
    }
    sample.file([b"raw/", &[0xE9; 3][..]].concat(), 4000);
    sample.file(["raw/", &"y".repeat(255)].concat(), 1);
    sample.file("raw/line\nfeed\\", 3);
    sample.file("big", 300_000);
    sample.file("empty", 0);
    sample.directory("none/here");
    sample.symlink("raw/link", "../big");
    sample.symlink("raw/long link", "/".to_owned() + &"part/".repeat(100) + "end");
    for number in 0..5 {
        sample.link(format!("none/link {number}"), "big");
    }
    sample
}

#[test]
fn nothing_is_found_on_discs_of_ours() {
    let sample = sample();
    for format in [Format::Bridge, Format::Iso, Format::Udf] {
        for (joliet, udf_revision, udf_symlinks) in [
            (true, UdfRevision::V1_02, false),
            (false, UdfRevision::V2_01, true),
        ] {
            let options = Options {
                format,
                joliet,
                udf_revision,
                udf_symlinks,
                ..options()
            };
            let (findings, summary) = check_bytes(&image(&sample, &options));
            assert!(findings.0.is_empty(), "{options:?}\n{}", findings.text());
            // 150 many, 3 raw, big, empty and 5 names of big; the catalog too where there is one.
            assert!(
                summary.digests_compared >= 160 && summary.files >= 155,
                "{summary:?}"
            );
            assert!(summary.is_sound() && summary.bytes_read > 300_000);
        }
    }
}

#[test]
fn nothing_is_found_in_appended_sessions() {
    let mut sample = sample();
    let first = image(&sample, &options());
    let mut volume = Volume::open(InMemory::new(&first[..]), 0).unwrap();
    let mut revision = Revision::import(&mut volume, WalkLimits::default()).unwrap();
    revision.remove(b"many/a rather long name that is cut short 007");
    revision.rename(b"none", b"some");
    let start_block = u32::try_from(first.len() / BLOCK).unwrap() + 320;
    let options = Options {
        start_block,
        ..options()
    };
    let planned = discfs::plan(&revision.tree().unwrap(), &options).unwrap();
    let (_, mut memory): (_, Memory) = sample.tree();
    let mut disc = first;
    disc.resize(start_block as usize * BLOCK, 0);
    disc.extend(produce(&planned, &mut memory, 32));
    sample.items.clear();
    let mut source = InMemory::new(&disc[..]);
    assert_eq!(Volume::sessions(&mut source), [0, u64::from(start_block)]);
    for session in [0, u64::from(start_block)] {
        let (findings, summary) = check_session(&mut source, session);
        assert!(findings.0.is_empty(), "session at {session}\n{}", findings.text());
        assert_eq!(summary.views, [View::RockRidge, View::Udf, View::Joliet]);
    }
}

/// Counts reports of progress, and cancels at one.
struct Watcher {
    reports: u32,
    cancel_at: u32,
    stages: Vec<CheckStage>,
}

impl Inspector for Watcher {
    fn finding(&mut self, finding: &Finding) {
        panic!("{finding}");
    }

    fn progress(&mut self, progress: &CheckProgress) -> bool {
        self.reports += 1;
        if !self.stages.contains(&progress.stage) {
            self.stages.push(progress.stage);
        }
        self.reports != self.cancel_at
    }
}

#[test]
fn progress_is_reported_and_cancelling_works_at_any_report() {
    let bytes = image(&sample(), &options());
    let run = |cancel_at| {
        let mut watcher = Watcher {
            reports: 0,
            cancel_at,
            stages: Vec::new(),
        };
        let result = check(
            InMemory::new(&bytes[..]),
            &CheckOptions::default(),
            &mut watcher,
            Some(&mut Sha),
        );
        (result, watcher)
    };
    let (result, whole) = run(0);
    assert!(
        result.is_ok() && whole.reports >= 4 && whole.stages.len() >= 3,
        "{:?}",
        whole.stages
    );
    for at in 1..=whole.reports {
        let (result, watcher) = run(at);
        assert_eq!((result, watcher.reports), (Err(DiscError::Cancelled), at));
    }
}

#[test]
fn a_disc_without_a_file_system_says_so() {
    for bytes in [vec![0; 700 * BLOCK], vec![0x5A; 40 * BLOCK], Vec::new()] {
        let mut findings = Findings::default();
        let result = check(
            InMemory::new(bytes),
            &CheckOptions::default(),
            &mut findings,
            None,
        );
        assert_eq!((result, findings.0.len()), (Err(DiscError::NoFileSystem), 0));
    }
}

#[test]
fn without_a_verifier_no_file_is_read() {
    let bytes = image(&sample(), &options());
    let mut findings = Findings::default();
    let summary = check(
        InMemory::new(bytes),
        &CheckOptions::default(),
        &mut findings,
        None,
    )
    .unwrap();
    assert_eq!(
        (summary.bytes_read, summary.digests_compared, summary.errors),
        (0, 0, 0)
    );
}

#[test]
fn unreadable_blocks_are_named_and_the_rest_is_checked() {
    let bytes = image(&sample(), &options());
    let mut source = InMemory::new(&bytes[..]);
    let mut volume = Volume::open(&mut source, 0).unwrap();
    let big = volume.lookup(b"big").unwrap().recorded().unwrap();
    drop(volume);
    let bad = u64::from(big[0].block) + 7;
    source.bad = vec![bad];
    let (findings, summary) = check_session(&mut source, 0);
    assert!(
        findings
            .0
            .iter()
            .all(|finding| finding.fault == Fault::Unreadable),
        "{}",
        findings.text()
    );
    assert!(!summary.is_sound() && summary.digests_compared > 150);
    let paths: Vec<_> = findings
        .0
        .iter()
        .filter_map(|finding| finding.path.clone())
        .collect();
    assert!(paths.contains(&b"big".to_vec()) && paths.contains(&b"none/link 3".to_vec()));
}

#[test]
fn findings_are_one_line_of_words() {
    let mut bytes = image(&sample(), &options());
    bytes[16 * BLOCK + 84] ^= 1;
    let (findings, _) = check_bytes(&bytes);
    assert_eq!(
        findings.0[0].to_string(),
        "error: Rock Ridge, block 16: the two halves of a both-endian field do not agree (volume space size)"
    );
}
