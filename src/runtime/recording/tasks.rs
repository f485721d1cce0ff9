//! Who the tasks of a recording are.
//!
//! Those that lived at its end were asked. Of the others, where they were spawned is in the record of each of their polls, and the name in records
//! behind the last.

use crate::scheduler::recorder::{Event, Place, Reel};
use std::collections::HashMap;

/// See the module's page.
#[derive(Debug, Default)]
pub(super) struct Tasks {
    tasks: HashMap<u64, Task>,
}

/// What is known of a task.
#[derive(Debug, Default)]
struct Task {
    name: Option<String>,
    place: Option<Place>,
}

impl Tasks {
    pub(super) fn of(reel: &Reel) -> Self {
        let mut tasks = Tasks::default();
        reel.by_worker.iter().for_each(|strip| tasks.read(&strip.events));
        tasks.read(&reel.outside);
        // Those that lived know best, if they are spoken of at all.
        for (number, task) in &mut tasks.tasks {
            if let Some(known) = reel.tasks.get(number) {
                *task = Task { name: known.name.as_deref().map(String::from), place: Some(known.place) };
            }
        }
        tasks
    }

    fn read(&mut self, events: &[(u64, Event)]) {
        let mut names: HashMap<u64, Vec<u8>> = HashMap::new();
        for (_, event) in events {
            match *event {
                Event::PollBegins { task, place }
                | Event::Spawn { task, place, .. }
                | Event::Stalls { task, place, .. } => {
                    let known = self.tasks.entry(task).or_default();
                    known.place = known.place.or(place);
                }
                Event::Wake { task, .. } => drop(self.tasks.entry(task).or_default()),
                // An earlier name, of its spawning, is the same.
                Event::Name { task, text } => drop(names.insert(task, text.to_vec())),
                Event::MoreOfName { task, text } => {
                    // Without its beginning, which was written over, it is none.
                    if let Some(name) = names.get_mut(&task) {
                        name.extend(text);
                    }
                }
                _ => {}
            }
        }
        for (task, name) in names {
            let name = String::from_utf8_lossy(&name).trim_end_matches('\0').to_owned();
            self.tasks.entry(task).or_default().name.get_or_insert(name);
        }
    }

    pub(super) fn name(&self, task: u64) -> Option<&str> {
        self.tasks.get(&task)?.name.as_deref()
    }

    pub(super) fn place(&self, task: u64) -> Option<Place> {
        self.tasks.get(&task)?.place
    }

    /// The name, or where it was spawned, or at least which it is.
    pub(super) fn label(&self, task: u64) -> String {
        match (self.name(task), self.place(task)) {
            (Some(name), _) => name.to_owned(),
            (None, Some(place)) => place.to_string(),
            (None, None) => format!("task {task}"),
        }
    }
}
