//! docs/protocol.md's tables are made from the types, so that they cannot drift.
//!
//! `UPDATE=1 cargo test -p spindle-wire --test specification` writes them anew.

use std::path::Path;

use wire::{
    CopyMode, DriveState, EntryKind, FailureCode, JobKind, KindRow, Outcome, Phase, PlaceKind, RecordMode,
    Reply, Request, Role, Treatment, TreeState,
};

fn kinds(out: &mut String, heading: [&str; 2], rows: &[KindRow], extra: impl Fn(u16) -> String) {
    let [title, columns] = heading;
    let rule = "---|".repeat(4 + columns.matches('|').count());
    out.push_str(&format!(
        "\n| kind | {title} | body | meaning |{columns}\n|{rule}\n"
    ));
    for KindRow {
        number,
        name,
        body,
        meaning,
    } in rows
    {
        let body = if *body == "()" {
            "–".into()
        } else {
            format!("`{body}`")
        };
        out.push_str(&format!(
            "| `0x{number:04X}` | {name} | {body} | {meaning} |{}\n",
            extra(*number)
        ));
    }
}

fn numbers(out: &mut String, title: &str, rows: impl IntoIterator<Item = (u16, &'static str)>) {
    out.push_str(&format!("\n| number | {title} |\n|---|---|\n"));
    for (number, text) in rows {
        out.push_str(&format!("| {number} | {text} |\n"));
    }
}

fn tables() -> String {
    let mut out = String::new();
    kinds(
        &mut out,
        ["request", " needs | changes |"],
        Request::TABLE,
        |number| {
            // A body of zeroes decodes to a value of every request's type, which tells the permissions.
            let request = (0..64).find_map(|length| Request::decode(number, &vec![0; length]).ok());
            let request = request.unwrap_or_else(|| panic!("{number:#06x} has no all-zero body"));
            format!(
                " {} | {} |",
                request.needs(),
                if request.mutates() { "yes" } else { "" }
            )
        },
    );
    kinds(&mut out, ["reply", ""], Reply::TABLE, |_| String::new());
    macro_rules! table {
        ($($title:literal $type:ident),*) => {
            $(numbers(&mut out, $title, $type::TABLE.iter().map(|(_, number, text)| (*number, *text)));)*
        };
    }
    table!("failure code" FailureCode, "role" Role, "kind of entry" EntryKind, "drive state" DriveState, "job phase" Phase, "job outcome" Outcome,
        "job kind" JobKind, "mode of a burn" RecordMode, "mode of a copy" CopyMode, "treatment" Treatment, "state of a tree" TreeState,
        "kind of place" PlaceKind);
    out
}

#[test]
fn the_tables_of_the_specification_are_current() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/protocol.md");
    let text = std::fs::read_to_string(&path).unwrap();
    let (begin, end) = ("<!-- tables -->\n", "<!-- end of tables -->\n");
    let (head, rest) = text.split_once(begin).unwrap();
    let (_, tail) = rest.split_once(end).unwrap();
    let wanted = format!("{head}{begin}{}\n{end}{tail}", tables());
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, wanted).unwrap();
    } else {
        assert!(
            text == wanted,
            "docs/protocol.md has old tables: UPDATE=1 cargo test -p spindle-wire"
        );
    }
}
