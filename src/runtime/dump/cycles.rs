//! Circles of tasks each of which waits for the next.

use crate::task::Id;
use std::collections::HashMap;

/// The circles among pairs of who waits, and for whom. A task waits for one other, so each is in one circle at most.
pub(super) fn find(waits: impl Iterator<Item = (Id, Id)>) -> Vec<Vec<Id>> {
    let next: HashMap<Id, Id> = waits.collect();
    // On which walk each was met. A walk that comes to what it met itself has gone round a circle.
    let mut met: HashMap<Id, usize> = HashMap::with_capacity(next.len());
    let mut cycles = Vec::new();
    for (walk, &start) in next.keys().enumerate() {
        let mut here = start;
        while !met.contains_key(&here) {
            met.insert(here, walk);
            match next.get(&here) {
                Some(&waited_for) => here = waited_for,
                None => break,
            }
        }
        if met[&here] == walk && next.contains_key(&here) {
            let round = std::iter::successors(Some(here), |task| next.get(task).copied());
            let first = here;
            let rest = round.skip(1).take_while(|&task| task != first);
            cycles.push(std::iter::once(first).chain(rest).collect());
        }
    }
    cycles
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::num::NonZeroU64;

    fn id(number: u64) -> Id {
        NonZeroU64::new(number).map(Id::from_number).unwrap()
    }

    fn found(waits: &[(u64, u64)]) -> Vec<Vec<u64>> {
        let cycles = find(waits.iter().map(|&(who, whom)| (id(who), id(whom))));
        let mut cycles: Vec<Vec<u64>> =
            cycles.iter().map(|cycle| cycle.iter().map(|task| task.as_u64()).collect()).collect();
        for cycle in &mut cycles {
            let least = cycle.iter().enumerate().min_by_key(|(_, task)| **task).unwrap().0;
            cycle.rotate_left(least);
        }
        cycles.sort();
        cycles
    }

    #[test]
    fn chains_are_no_circles() {
        assert!(found(&[]).is_empty());
        assert!(found(&[(1, 2), (2, 3), (4, 3)]).is_empty());
    }

    #[test]
    fn every_circle_is_found_once_without_those_who_wait_for_it() {
        assert_eq!(found(&[(1, 1)]), [[1]]);
        assert_eq!(found(&[(1, 2), (2, 3), (3, 1), (4, 1), (5, 4)]), [[1, 2, 3]]);
        assert_eq!(found(&[(1, 2), (2, 1), (7, 8), (8, 9), (9, 7), (3, 5)]), [vec![1, 2], vec![7, 8, 9]]);
    }
}
