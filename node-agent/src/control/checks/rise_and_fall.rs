//! How runs make a standing: the first one decides alone, later ones in a row of `rise` or `fall`.

use api_types::check::Runs;

/// Counts the runs of one check.
#[derive(Debug, Clone)]
pub(super) struct Tally {
    rise: Runs,
    fall: Runs,
    passes: Option<bool>,
    /// Whether a run of this very check has decided; what another definition of it has found only stands in.
    decided: bool,
    /// How many runs in a row have contradicted the standing.
    against: u8,
}

impl Tally {
    /// A check that stands as it did before it was defined anew, if it was there before.
    pub(super) const fn new(rise: Runs, fall: Runs, before: Option<bool>) -> Self {
        Self { rise, fall, passes: before, decided: false, against: 0 }
    }

    /// A run has passed or failed; how the check stands.
    pub(super) fn count(&mut self, passed: bool) -> bool {
        let Some(passes) = self.passes.filter(|_| self.decided) else {
            (self.passes, self.decided) = (Some(passed), true);
            return passed;
        };
        if passed == passes {
            self.against = 0;
            return passes;
        }
        self.against = self.against.saturating_add(1);
        if self.against < self.needed() {
            return passes;
        }
        (self.passes, self.against) = (Some(passed), 0);
        passed
    }

    /// How many of how many runs speak against the standing; `None` when the last one does not.
    pub(super) fn doubt(&self) -> Option<(u8, u8)> {
        (self.against > 0).then(|| (self.against, self.needed()))
    }

    fn needed(&self) -> u8 {
        if self.passes == Some(true) { self.fall.get() } else { self.rise.get() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(before: Option<bool>) -> Tally {
        Tally::new(Runs::try_from(2).unwrap(), Runs::try_from(3).unwrap(), before)
    }

    fn standings(tally: &mut Tally, runs: &str) -> String {
        runs.chars().map(|run| if tally.count(run == '+') { '+' } else { '-' }).collect()
    }

    #[test]
    fn the_first_run_decides_and_later_ones_by_their_number_in_a_row() {
        for (runs, wanted) in [("+--+---++", "++++++--+"), ("-+-++-+--", "----+++++"), ("-++---+", "--+++--")]
        {
            assert_eq!(standings(&mut tally(None), runs), wanted, "{runs}");
        }
    }

    #[test]
    fn a_check_that_is_defined_anew_stands_as_before_until_its_first_run_decides() {
        assert_eq!(standings(&mut tally(Some(true)), "-+"), "--");
        assert_eq!(standings(&mut tally(Some(false)), "+-"), "++");
    }

    #[test]
    fn a_doubt_says_how_far_it_has_come() {
        let mut tally = tally(None);
        standings(&mut tally, "+--");
        assert_eq!(tally.doubt(), Some((2, 3)));
        standings(&mut tally, "-");
        assert_eq!(tally.doubt(), None);
    }
}
