//! What tokio has and we have not, and what excuses it.

use crate::html::between;
use crate::{Fact, Surface};
use std::collections::BTreeSet;
use std::fmt;

/// The heading of the tables of differences in the porting guide.
const HEADING: &str = "### Item by item";

/// The subjects that may differ: those in the first column of the tables of the porting guide.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Excuses(BTreeSet<String>);

impl Excuses {
    /// Reads the tables under the heading "Item by item": what stands in backticks in the first column.
    pub fn of_guide(guide: &str) -> Self {
        let tables = guide.split_once(HEADING).map_or("", |(_, tables)| tables);
        let tables = tables.split("\n## ").next().unwrap_or(tables);
        let cells = tables.lines().filter_map(|line| line.strip_prefix("| ")?.split(" | ").next());
        Excuses(cells.flat_map(|cell| between(cell, "`", "`").step_by(2)).map(str::to_owned).collect())
    }

    /// The excuse for a subject: the subject itself, or what it is a part of.
    fn of(&self, subject: &str) -> Option<&str> {
        let is_part = |excuse: &&String| match subject.strip_prefix(excuse.as_str()) {
            Some(rest) => {
                rest.is_empty() || rest.starts_with("::") || (rest.starts_with(": ") && !excuse.contains(": "))
            }
            None => false,
        };
        self.0.iter().find(is_part).map(String::as_str)
    }
}

/// What is not as it should be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Differences {
    /// What tokio has and we have not, or otherwise; with what is said of it here.
    pub unexcused: Vec<(Fact, Vec<String>)>,
    /// Excuses for what is no difference.
    pub idle: Vec<String>,
}

impl Differences {
    /// Compares ours with tokio's.
    pub fn between(tokio: &Surface, ours: &Surface, excuses: &Excuses) -> Self {
        let mut used = BTreeSet::new();
        let mut unexcused = Vec::new();
        for fact in tokio.facts().filter(|fact| !is_there(fact, ours)) {
            match excuses.of(&fact.subject) {
                Some(excuse) => _ = used.insert(excuse.to_owned()),
                None => unexcused.push((fact.clone(), ours.says(&fact.subject).map(str::to_owned).collect())),
            }
        }
        Differences { unexcused, idle: excuses.0.difference(&used).cloned().collect() }
    }

    /// Whether all is as it should be.
    pub fn is_empty(&self) -> bool {
        self.unexcused.is_empty() && self.idle.is_empty()
    }
}

fn is_there(fact: &Fact, ours: &Surface) -> bool {
    let same = in_our_edition(&fact.says);
    if ours.says(&fact.subject).any(|says| says == fact.says || says == same) {
        return true;
    }
    if let Some((_, implemented)) = fact.subject.split_once(": ") {
        // What a type does not implement may come one day, in tokio too: nobody can rely on that it does not. And it may ask less of its parameters.
        let asks = |bounds: &str| bounds.split(", ").map(str::to_owned).collect::<BTreeSet<_>>();
        let tokio = asks(&fact.says);
        if implemented.starts_with('!')
            || ours.says(&fact.subject).any(|says| says.is_empty() || asks(says).is_subset(&tokio))
        {
            return true;
        }
    }
    // Taken from tokio as it is, or what it is a part of.
    let item = fact.subject.split(": ").next().unwrap_or(&fact.subject);
    let mut part = Some(item);
    while let Some(path) = part {
        if ours.says(path).any(|says| says.strip_prefix("use tokio::") == Some(path)) {
            return true;
        }
        part = path.rsplit_once("::").map(|(whole, _)| whole);
    }
    false
}

/// What tokio's signature is in an edition where what is returned captures all lifetimes, unless it says otherwise. An `async fn` of tokio's is a plain function
/// here where it has something to do at once, as to note who calls it.
fn in_our_edition(says: &str) -> String {
    let (signature, bounds) = says.split_at(says.find(" where ").unwrap_or(says.len()));
    match signature.strip_prefix("async fn ").and_then(|rest| rest.split_once(" -> ")) {
        Some((name, output)) => format!("fn {name} -> impl Future<Output = {output}>{bounds}"),
        None if signature.contains('&') && signature.contains(" -> impl ") => format!("{signature} + use<>{bounds}"),
        None => says.to_owned(),
    }
}

impl fmt::Display for Differences {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (fact, here) in &self.unexcused {
            writeln!(f, "{}", fact.subject)?;
            writeln!(f, "    tokio: {}", fact.says)?;
            match here.is_empty() {
                true => writeln!(f, "    here:  it is missing")?,
                false => here.iter().try_for_each(|says| writeln!(f, "    here:  {says}"))?,
            }
        }
        self.idle.iter().try_for_each(|idle| writeln!(f, "{idle}\n    is in the porting guide, and is no difference"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GUIDE: &str = "# Guide\n\n| `not::this` | no |\n\n### Item by item\n\n| items | why |\n|---|---|\n| `a::B::c`, `a::D: Send` | because of `x` |\n| `e` | later |\n\n## Next\n\n| `nor::this` | no |\n";

    fn differences(tokio: &str, ours: &str) -> Differences {
        Differences::between(&Surface::of_lines(tokio), &Surface::of_lines(ours), &Excuses::of_guide(GUIDE))
    }

    fn unexcused(tokio: &str, ours: &str) -> Vec<String> {
        differences(tokio, ours).unexcused.into_iter().map(|(fact, _)| fact.subject).collect()
    }

    #[test]
    fn the_first_column_of_the_tables_excuses() {
        assert_eq!(Excuses::of_guide(GUIDE).0, BTreeSet::from(["a::B::c", "a::D: Send", "e"].map(str::to_owned)));
    }

    #[test]
    fn what_is_missing_or_otherwise_is_a_difference() {
        assert_eq!(unexcused("a::B | struct\na::B::f | fn f()\n", "a::B | struct\n"), ["a::B::f"]);
        assert_eq!(unexcused("a::B::f | fn f()\n", "a::B::f | fn f(u8)\n"), ["a::B::f"]);
        assert_eq!(unexcused("a::B: Send\n", "a::B: Send | T: Send\n"), ["a::B: Send"]);
        assert!(unexcused("a::B: Send\n", "a::B: Send\na::B: Sync\n").is_empty());
    }

    #[test]
    fn futures_that_capture_the_same_are_the_same() {
        let ours = "a::f | fn f<P>(P) -> impl Future<Output = u8> where P: Send\na::g | fn g(&self) -> impl Future<Output = u8> + use<>\n";
        assert!(
            unexcused(
                "a::f | async fn f<P>(P) -> u8 where P: Send\na::g | fn g(&self) -> impl Future<Output = u8>\n",
                ours
            )
            .is_empty()
        );
        assert_eq!(unexcused("a::g | async fn g(&self) -> u8\n", ours), ["a::g"]);
    }

    #[test]
    fn what_implements_more_is_no_difference() {
        assert!(
            unexcused("a::B: !Send\na::B: Sync | T: Send, T: Sync\n", "a::B: Send\na::B: Sync | T: Send\n").is_empty()
        );
        assert!(unexcused("a::B: Debug | T: Debug\n", "a::B: Debug\n").is_empty());
        assert_eq!(unexcused("a::B: AsFd | T: AsRawFd\n", "a::B: AsFd | T: AsFd, T: AsRawFd\n"), ["a::B: AsFd"]);
    }

    #[test]
    fn an_excuse_holds_for_what_it_names_and_its_parts() {
        assert!(unexcused("a::B::c | fn c()\na::D: Send\ne | mod\ne::F | struct\ne::F: Send\n", "").is_empty());
        assert_eq!(unexcused("a::B::cc | fn cc()\na::D: Sync\neg | mod\n", ""), ["a::B::cc", "a::D: Sync", "eg"]);
    }

    #[test]
    fn an_excuse_for_nothing_is_told() {
        assert_eq!(differences("e | mod\n", "").idle, ["a::B::c", "a::D: Send"]);
    }

    #[test]
    fn what_is_taken_from_tokio_is_there_with_all_its_parts() {
        let tokio = "s | mod\ns::M | struct\ns::M::f | fn f()\ns::M: Send\nio::R | trait\nio::W | trait\n";
        assert_eq!(
            unexcused(tokio, "s | use tokio::s\nio::R | use tokio::io::R\nio::W | use tokio::io::R\n"),
            ["io::W"]
        );
    }
}
