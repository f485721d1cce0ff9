//! What a line asks for: a word, and options as `key=value`.

/// A line that was understood.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Request<'a> {
    Help,
    Hello,
    Metrics,
    Tasks(Query<'a>),
    /// The same tasks, added up by where they were spawned.
    Places(Query<'a>),
    Dump {
        /// Each task has a line of its own.
        each: bool,
    },
    Trace(Switch<'a>),
}

/// What is to be done with the flight recorder.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Switch<'a> {
    Look,
    Start,
    Stop,
    /// What it has, to a file.
    Save(&'a str),
}

/// All requests, as `help` tells them.
pub(super) const HELP: [(&str, &str); 7] = [
    ("help", "these lines"),
    ("hello", "which program and runtime this is"),
    ("metrics", "all numbers of the runtime, and where stalls come from"),
    (
        "tasks [sort=KEY] [order=up|down] [limit=N] [state=running|queued|waiting] [filter=TEXT]",
        "the first N tasks by id, name, state, polls, busy, age, last_poll, stalls or location",
    ),
    (
        "places [sort=KEY] [order=up|down] [limit=N] [state=..] [filter=TEXT]",
        "where tasks were spawned, by tasks, polls, busy, age, stalls or location",
    ),
    ("dump [each]", "what every task does, as text"),
    ("trace [start|stop|save PATH]", "whether the flight recorder is on, once that is done"),
];

/// Which tasks, and in what order.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Query<'a> {
    pub(super) sort: Key,
    pub(super) goes_up: bool,
    pub(super) limit: usize,
    pub(super) state: Option<Doing>,
    /// Of the name or the place, or the id. Empty: all.
    pub(super) filter: &'a str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Key {
    Id,
    Name,
    State,
    Polls,
    Busy,
    Age,
    LastPoll,
    Stalls,
    Location,
    /// How many; of places.
    Tasks,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Doing {
    Running,
    Queued,
    Waiting,
}

/// Fits on a screen.
const LIMIT: usize = 50;
/// Twice as many are sorted out at a time, under a lock for which a spawn may wait: some 50 us. With more, it would wait longer.
const MOST: usize = 1000;

const TASK_KEYS: [(&str, Key); 9] = [
    ("id", Key::Id),
    ("name", Key::Name),
    ("state", Key::State),
    ("polls", Key::Polls),
    ("busy", Key::Busy),
    ("age", Key::Age),
    ("last_poll", Key::LastPoll),
    ("stalls", Key::Stalls),
    ("location", Key::Location),
];

const PLACE_KEYS: [(&str, Key); 6] = [
    ("tasks", Key::Tasks),
    ("polls", Key::Polls),
    ("busy", Key::Busy),
    ("age", Key::Age),
    ("stalls", Key::Stalls),
    ("location", Key::Location),
];

const STATES: [(&str, Doing); 3] =
    [("running", Doing::Running), ("queued", Doing::Queued), ("waiting", Doing::Waiting)];

const ORDERS: [(&str, bool); 2] = [("up", true), ("down", false)];

impl<'a> Request<'a> {
    /// # Errors
    ///
    /// What is wrong with the line, for people.
    pub(super) fn parse(line: &'a str) -> Result<Self, String> {
        let (word, rest) = split(line.trim());
        let alone = |request| match rest {
            "" => Ok(request),
            _ => Err(format!("`{word}` takes no options")),
        };
        match word {
            "help" => alone(Request::Help),
            "hello" => alone(Request::Hello),
            "metrics" => alone(Request::Metrics),
            "tasks" => Query::parse(rest, Key::Id, &TASK_KEYS).map(Request::Tasks),
            "places" => Query::parse(rest, Key::Tasks, &PLACE_KEYS).map(Request::Places),
            "dump" => match rest {
                "" => Ok(Request::Dump { each: false }),
                "each" => Ok(Request::Dump { each: true }),
                _ => Err(format!("`dump` takes `each`, or nothing, and not {rest:?}")),
            },
            "trace" => match split(rest) {
                ("", "") => Ok(Request::Trace(Switch::Look)),
                ("start", "") => Ok(Request::Trace(Switch::Start)),
                ("stop", "") => Ok(Request::Trace(Switch::Stop)),
                ("save", path) if !path.is_empty() => Ok(Request::Trace(Switch::Save(path))),
                _ => Err(format!("`trace` takes `start`, `stop`, `save PATH`, or nothing, and not {rest:?}")),
            },
            "" => Err("the request is empty; `help` lists what there is".to_owned()),
            _ => Err(format!("there is no request {word:?}; `help` lists what there is")),
        }
    }
}

impl<'a> Query<'a> {
    fn parse(mut options: &'a str, sort: Key, keys: &[(&str, Key)]) -> Result<Self, String> {
        let mut query = Query { sort, goes_up: false, limit: LIMIT, state: None, filter: "" };
        let mut order = None;
        while !options.is_empty() {
            // May have spaces in it.
            if let Some(text) = options.strip_prefix("filter=") {
                query.filter = text;
                break;
            }
            let (option, rest) = split(options);
            options = rest;
            let (key, value) = option.split_once('=').ok_or_else(|| format!("{option:?} is no option: `key=value`"))?;
            match key {
                "sort" => query.sort = one_of(key, value, keys)?,
                "order" => order = Some(one_of(key, value, &ORDERS)?),
                "state" => query.state = Some(one_of(key, value, &STATES)?),
                "limit" => match value.parse() {
                    Ok(limit) if (1..=MOST).contains(&limit) => query.limit = limit,
                    _ => return Err(format!("`limit` is a number from 1 to {MOST}, and not {value:?}")),
                },
                _ => return Err(format!("there is no option {key:?}; sort, order, limit, state and filter are")),
            }
        }
        // What is read as a text or a number of its own begins at the beginning, what is counted with the most.
        query.goes_up =
            order.unwrap_or(matches!(query.sort, Key::Id | Key::Name | Key::State | Key::LastPoll | Key::Location));
        Ok(query)
    }
}

/// The first word, and what follows.
fn split(text: &str) -> (&str, &str) {
    text.split_once(char::is_whitespace).map_or((text, ""), |(word, rest)| (word, rest.trim_start()))
}

fn one_of<T: Copy>(key: &str, value: &str, choice: &[(&str, T)]) -> Result<T, String> {
    let found = choice.iter().find(|(name, _)| *name == value);
    found.map(|&(_, meant)| meant).ok_or_else(|| {
        let names: Vec<_> = choice.iter().map(|&(name, _)| name).collect();
        format!("`{key}` is one of {}, and not {value:?}", names.join(", "))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn error(line: &str, part: &str) {
        let error = Request::parse(line).unwrap_err();
        assert!(error.contains(part), "{error}");
    }

    #[test]
    fn a_word_alone_is_a_request() {
        assert_eq!(Request::parse("metrics\r"), Ok(Request::Metrics));
        assert_eq!(Request::parse("  hello "), Ok(Request::Hello));
        assert_eq!(Request::parse("dump  each"), Ok(Request::Dump { each: true }));
        assert_eq!(Request::parse("trace"), Ok(Request::Trace(Switch::Look)));
        assert_eq!(Request::parse("trace save  /a file "), Ok(Request::Trace(Switch::Save("/a file"))));
    }

    #[test]
    fn options_may_come_in_any_order_and_the_filter_takes_the_rest() {
        let Ok(Request::Tasks(query)) = Request::parse("tasks limit=7  sort=busy filter=a = b limit=3") else {
            panic!()
        };
        let expected = Query { sort: Key::Busy, goes_up: false, limit: 7, state: None, filter: "a = b limit=3" };
        assert_eq!(query, expected);
        let Ok(Request::Places(query)) = Request::parse("places state=waiting order=up") else { panic!() };
        assert_eq!((query.sort, query.goes_up, query.state), (Key::Tasks, true, Some(Doing::Waiting)));
    }

    #[test]
    fn names_go_up_and_counts_go_down() {
        for (sort, goes_up) in [("name", true), ("id", true), ("polls", false), ("stalls", false)] {
            let line = format!("tasks sort={sort}");
            let Ok(Request::Tasks(query)) = Request::parse(&line) else { panic!() };
            assert_eq!(query.goes_up, goes_up, "{sort}");
        }
    }

    #[test]
    fn what_is_not_understood_is_said_with_what_would_be() {
        error("", "`help`");
        error("task", "`help`");
        error("metrics now", "no options");
        error("tasks sort=colour", "one of id, name, state");
        error("places sort=id", "one of tasks, polls");
        error("tasks limit=0", "from 1 to 1000");
        error("tasks limit=1001", "from 1 to 1000");
        error("tasks limit=99999999999999999999", "from 1 to 1000");
        error("tasks polls", "key=value");
        error("tasks size=1", "no option \"size\"");
        error("dump all", "`each`");
        error("trace save", "`save PATH`");
        error("trace start now", "`save PATH`");
    }
}
