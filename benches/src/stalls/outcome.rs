//! What came of a scenario.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// What came of a scenario once. What is greater is worse.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// It went on after that time.
    After(Duration),
    /// It ended with a panic.
    Panics,
    /// It did not end.
    Deadlock,
}

const PANICS: &str = "panics";
const DEADLOCK: &str = "deadlock";

impl Outcome {
    /// For a table: milliseconds, or the word for it.
    pub fn cell(self) -> String {
        match self {
            // A microsecond is about as long as it takes to look at the clock and to send the result.
            Outcome::After(time) => format!("{:.3}", time.as_secs_f64() * 1e3),
            Outcome::Panics => PANICS.to_owned(),
            Outcome::Deadlock => DEADLOCK.to_owned(),
        }
    }
}

/// As one process tells it to another: nanoseconds, or the word for it.
impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Outcome::After(time) => write!(f, "{}", time.as_nanos()),
            Outcome::Panics => f.write_str(PANICS),
            Outcome::Deadlock => f.write_str(DEADLOCK),
        }
    }
}

impl FromStr for Outcome {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            PANICS => Ok(Outcome::Panics),
            DEADLOCK => Ok(Outcome::Deadlock),
            _ => {
                let nanoseconds = text.parse().map_err(|_| format!("{text:?} is no outcome"))?;
                Ok(Outcome::After(Duration::from_nanos(nanoseconds)))
            }
        }
    }
}

/// What came of a scenario, as often as it was tried.
#[derive(Clone, Debug, Default)]
pub struct Outcomes(Vec<Outcome>);

impl Outcomes {
    /// Adds one.
    pub fn add(&mut self, outcome: Outcome) {
        self.0.push(outcome);
    }

    /// The one outcome, or the median and the worst, in milliseconds.
    ///
    /// The median of an even number is the worse of the two in the middle: there is no mean of a time and a deadlock.
    pub fn cell(&self) -> String {
        let mut sorted = self.0.clone();
        sorted.sort();
        let Some(worst) = sorted.last() else { return "-".to_owned() };
        let (median, worst) = (sorted[sorted.len() / 2].cell(), worst.cell());
        // What deadlocks always has nothing more to tell.
        let is_same_word = median == worst && !matches!(sorted[0], Outcome::After(_));
        if sorted.len() == 1 || is_same_word { worst } else { format!("{median} / {worst}") }
    }
}

#[cfg(test)]
mod tests {
    use super::{Outcome, Outcomes};
    use std::time::Duration;

    const SHORT: Outcome = Outcome::After(Duration::from_micros(1500));
    const LONG: Outcome = Outcome::After(Duration::from_micros(50_123));

    fn cell(outcomes: &[Outcome]) -> String {
        Outcomes(outcomes.to_vec()).cell()
    }

    #[test]
    fn what_one_process_tells_another_is_understood() {
        for outcome in [SHORT, Outcome::Panics, Outcome::Deadlock] {
            assert_eq!(outcome.to_string().parse(), Ok(outcome));
        }
        assert!("1.5".parse::<Outcome>().is_err());
    }

    #[test]
    fn one_outcome_stands_alone() {
        assert_eq!(cell(&[SHORT]), "1.500");
        assert_eq!(cell(&[Outcome::Panics]), "panics");
        assert_eq!(cell(&[]), "-");
    }

    #[test]
    fn of_more_outcomes_there_are_the_median_and_the_worst() {
        assert_eq!(cell(&[LONG, SHORT, SHORT]), "1.500 / 50.123");
        assert_eq!(cell(&[LONG, SHORT]), "50.123 / 50.123");
    }

    #[test]
    fn a_deadlock_is_worse_than_any_time() {
        assert_eq!(cell(&[Outcome::Deadlock, LONG, SHORT]), "50.123 / deadlock");
        assert_eq!(cell(&[Outcome::Deadlock, Outcome::Deadlock]), "deadlock");
    }
}
