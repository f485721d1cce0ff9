//! Repetitions in which the peers take turns.

use super::{FLOOR, LOAD_FACTOR, Measure, RATE_ROW, Rates, Scale};
use crate::round::Round;
use crate::{Peer, Rt, Smol, Tokio, median, table};

/// How measures are taken, and what earlier ones have told for later ones.
#[derive(Debug)]
pub struct Series {
    /// How often each is.
    pub repetitions: usize,
    /// Of which peers.
    pub peers: Vec<String>,
    /// How much there is of everything.
    pub scale: Scale,
    /// At how many requests a second open loops are measured, if it is not for the series to find out.
    pub rate: Option<f64>,
    /// Found so far.
    pub rates: Rates,
}

/// Repetitions of what hardly varies.
const FEW_REPETITIONS: usize = 3;

/// The figures of the runtimes, and those of the floor.
type Taken = (Round, Vec<f64>);

impl Series {
    /// What there are peers of, in the order of the table.
    pub const PEERS: [&str; 4] = [Rt::NAME, Tokio::NAME, Smol::NAME, FLOOR];
    /// What is above the cells of the rows.
    pub const HEADS: [&str; 7] = ["measure", Rt::NAME, Tokio::NAME, Smol::NAME, FLOOR, "rt/tokio", "aim"];

    /// The rows of the table that one measure gives.
    ///
    /// # Errors
    ///
    /// If a process fails or hangs.
    pub fn rows(&mut self, measure: Measure) -> Result<Vec<Vec<String>>, String> {
        if let Some(load) = measure.before() {
            match self.rate {
                Some(rate) => _ = self.rates.insert(load, rate),
                None if self.rates.contains_key(&load) => {}
                None => _ = self.repeat(Measure::Closed(load.0, load.1), 1)?,
            }
        }
        let most = if measure.is_steady() { FEW_REPETITIONS } else { usize::MAX };
        let taken = self.repeat(measure, self.repetitions.min(most))?;
        let (rounds, floors): (Vec<Round>, Vec<Vec<f64>>) = taken.into_iter().unzip();
        let rows = measure.rows(self.scale, &self.rates).into_iter().enumerate().map(|(number, row)| {
            let [rt, tokio, smol, ratio] = Round::cells(&rounds, number);
            let floor = table::figure(median(floors.iter().map(|floor| floor[number])));
            vec![row.text, rt, tokio, smol, floor, ratio, row.aim.map_or(String::new(), table::ratio)]
        });
        Ok(rows.collect())
    }

    fn repeat(&mut self, measure: Measure, repetitions: usize) -> Result<Vec<Taken>, String> {
        eprintln!("{}: {repetitions} repetitions", measure.name());
        let taken = (0..repetitions).map(|_| self.take(measure)).collect::<Result<Vec<_>, String>>()?;
        if let Measure::Closed(service, connections) = measure {
            let slowest = |(round, floor): &Taken| round.lowest(RATE_ROW).min(floor[RATE_ROW]);
            self.rates.insert((service, connections), LOAD_FACTOR * median(taken.iter().map(slowest)));
        }
        Ok(taken)
    }

    /// One after the other. What is not for a peer is not a number.
    fn take(&self, measure: Measure) -> Result<Taken, String> {
        let figures = |peer: &str| {
            if self.peers.iter().any(|chosen| chosen == peer) && measure.is_for(peer) {
                measure.take(peer, self.scale, &self.rates)
            } else {
                Ok(vec![f64::NAN; measure.rows(self.scale, &self.rates).len()])
            }
        };
        Ok((Round::take(figures)?, figures(FLOOR)?))
    }
}
