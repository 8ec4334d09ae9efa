//! States of a drive, as number and text.

use wire::Label;

/// A state's number and text; numbers are never reused.
pub(super) struct State(pub u16, &'static str);

impl State {
    pub(super) fn label(&self) -> Label {
        Label::new(self.0, self.1)
    }
}

/// It has not told who it is yet.
pub(super) const UNKNOWN: State = State(0, "not identified yet");
/// A disc is in it.
pub(super) const READY: State = State(1, "ready");
/// The tray is closed and empty.
pub(super) const EMPTY: State = State(2, "empty");
/// The tray is out.
pub(super) const OPEN: State = State(3, "open");
/// It works on something.
pub(super) const BUSY: State = State(4, "busy");
/// It has worked on one command for longer than any should take.
pub(super) const HUNG: State = State(5, "hung");
/// It answers wrongly or not at all.
pub(super) const FAILED: State = State(6, "failed");
