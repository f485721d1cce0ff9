//! The figures of one measure on all peers, taken one after the other.

use crate::{Peer, Rt, Smol, Tokio, median, table};

/// See the module's page. Each peer has a figure for each row of the measure.
#[derive(Debug)]
pub struct Round {
    rt: Vec<f64>,
    tokio: Vec<f64>,
    smol: Vec<f64>,
}

impl Round {
    /// What is above the cells that [`cells`](Self::cells) returns.
    pub const HEADS: [&str; 4] = [Rt::NAME, Tokio::NAME, Smol::NAME, "rt/tokio"];

    /// Takes the figures of each peer, by its name.
    ///
    /// # Errors
    ///
    /// The first that there is.
    pub fn take(figures: impl Fn(&str) -> Result<Vec<f64>, String>) -> Result<Self, String> {
        Ok(Round { rt: figures(Rt::NAME)?, tokio: figures(Tokio::NAME)?, smol: figures(Smol::NAME)? })
    }

    /// The lowest figure of that row, if there are any.
    pub fn lowest(&self, row: usize) -> f64 {
        self.rt[row].min(self.tokio[row]).min(self.smol[row])
    }

    /// One row of several rounds: the median of each peer, and that of the ratio within each round. What is not a number is a dash.
    pub fn cells(rounds: &[Round], row: usize) -> [String; 4] {
        let middle = |of: &dyn Fn(&Round) -> f64| median(rounds.iter().map(of));
        [
            table::figure(middle(&|round| round.rt[row])),
            table::figure(middle(&|round| round.tokio[row])),
            table::figure(middle(&|round| round.smol[row])),
            table::ratio(middle(&|round| round.rt[row] / round.tokio[row])),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ratio_is_taken_within_each_round_and_what_is_no_number_is_a_dash() {
        let rounds = [(1.0, 10.0), (2.0, 4.0), (9.0, 10.0)].map(|(rt, tokio)| {
            Round::take(|peer| {
                Ok(vec![match peer {
                    Rt::NAME => rt,
                    Tokio::NAME => tokio,
                    _ => f64::NAN,
                }])
            })
        });
        let rounds: Vec<_> = rounds.into_iter().map(Result::unwrap).collect();
        assert_eq!(Round::cells(&rounds, 0), ["2.00", "10.0", "-", "0.50"]);
    }
}
