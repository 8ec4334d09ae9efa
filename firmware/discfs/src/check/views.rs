//! Agreement of the views: every file that has bytes is in each of them, with the same bytes.

use super::{Check, CheckStage, Fault, Place, Shown};
use crate::BLOCK;
use crate::read::{BlockSource, DiscError};

impl<S: BlockSource> Check<'_, S> {
    /// Compares each view with the richest, by where the bytes of files begin: names differ between views by rule.
    pub(super) fn agreement(&mut self, shown: &[Shown]) -> Result<(), DiscError> {
        self.report.stage(CheckStage::Views);
        let Some((richest, others)) = shown.split_first() else {
            return Ok(());
        };
        for other in others {
            self.compare_views(richest, other)?;
            self.compare_views(other, richest)?;
        }
        self.report.view = None;
        Ok(())
    }

    /// Files of one view that another lacks or has in another size; sizes are told once, by the first of the two.
    fn compare_views(&mut self, one: &Shown, other: &Shown) -> Result<(), DiscError> {
        self.report.view = Some(one.view);
        let mut there: alloc::vec::Vec<(u64, u64)> =
            other.contents.iter().map(|&(at, size, _)| (at, size)).collect();
        there.sort_unstable();
        for &(position, size, entry) in &one.contents {
            self.advance(1)?;
            let at = there.partition_point(|&(start, _)| start < position);
            let mut same_start = there
                .iter()
                .skip(at)
                .take_while(|&&(start, _)| start == position)
                .peekable();
            let path = || one.names.path(entry);
            let place = Place::block(position / BLOCK as u64).of(&path);
            match same_start.peek() {
                None => self.find(Fault::MissingInView, place, format_args!("not in {}", other.view)),
                Some(&&(_, theirs)) if one.view < other.view => {
                    let same = same_start.any(|&(_, theirs)| theirs == size);
                    let detail = format_args!("{size} bytes, in {} {theirs}", other.view);
                    self.demand(same, Fault::SizesDiffer, place, detail);
                }
                Some(_) => {}
            }
        }
        Ok(())
    }
}
