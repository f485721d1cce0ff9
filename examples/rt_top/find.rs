//! Which program to look at, and where its socket is now.

use rt::runtime::InsightServer;
use std::fmt;
use std::fs;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// What to look at.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Target {
    /// Whatever there is.
    Any,
    /// The last program of that name. So it is found again when it has been restarted.
    Name(String),
    Process(u32),
    /// A socket.
    Path(PathBuf),
}

impl Target {
    pub(crate) fn parse(argument: &str) -> Self {
        match argument.parse() {
            Ok(process) => Target::Process(process),
            Err(_) if argument.contains('/') => Target::Path(argument.into()),
            Err(_) => Target::Name(argument.to_owned()),
        }
    }

    /// The socket, if there is one that somebody serves.
    pub(crate) fn find(&self) -> Option<PathBuf> {
        match self {
            Target::Path(path) => Some(path.clone()),
            _ => programs().into_iter().find(|program| self.is(program)).map(|program| program.path),
        }
    }

    fn is(&self, program: &Program) -> bool {
        match self {
            Target::Any => true,
            Target::Name(name) => program.name == *name,
            Target::Process(process) => program.process == *process,
            Target::Path(path) => program.path == *path,
        }
    }

    /// Once it has been found: by what it is found again.
    pub(crate) fn settle(&mut self, path: &Path) {
        if matches!(self, Target::Any | Target::Process(_))
            && let Some((name, _)) = names(path)
        {
            *self = Target::Name(name);
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Target::Any => f.write_str("any program"),
            Target::Name(name) => f.write_str(name),
            Target::Process(process) => write!(f, "process {process}"),
            Target::Path(path) => write!(f, "{}", path.display()),
        }
    }
}

/// A program that can be looked at.
#[derive(Debug)]
pub(crate) struct Program {
    pub(crate) name: String,
    pub(crate) process: u32,
    pub(crate) path: PathBuf,
    since: SystemTime,
}

/// Those of this user, the last first.
pub(crate) fn programs() -> Vec<Program> {
    let Ok(entries) = fs::read_dir(InsightServer::default_directory()) else {
        return Vec::new();
    };
    let mut programs: Vec<_> = entries
        .flatten()
        .filter_map(|entry| {
            let path = entry.path();
            let (name, process) = names(&path)?;
            let since = entry.metadata().ok()?.modified().ok()?;
            Some(Program { name, process, path, since })
        })
        // One that was killed leaves its socket behind.
        .filter(|program| UnixStream::connect(&program.path).is_ok())
        .collect();
    programs.sort_by_key(|program| std::cmp::Reverse(program.since));
    programs
}

/// The program's name and process, by its socket's.
fn names(path: &Path) -> Option<(String, u32)> {
    let file = path.file_name()?.to_str()?.strip_suffix(".sock")?;
    let (name, rest) = file.split_once('.')?;
    let process = rest.split('.').next()?.parse().ok()?;
    Some((name.to_owned(), process))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_argument_is_a_process_a_path_or_a_name() {
        assert_eq!(Target::parse("4711"), Target::Process(4711));
        assert_eq!(Target::parse("./busy"), Target::Path("./busy".into()));
        assert_eq!(Target::parse("busy"), Target::Name("busy".into()));
    }

    #[test]
    fn a_program_that_was_found_by_its_process_is_found_again_by_its_name() {
        let mut target = Target::Process(4711);
        target.settle(Path::new("/run/rt-insight/busy.4711.2.sock"));
        assert_eq!(target, Target::Name("busy".into()));
        let path = Target::Path("/tmp/busy.1.sock".into());
        let mut settled = path.clone();
        settled.settle(Path::new("/tmp/busy.1.sock"));
        assert_eq!(settled, path);
    }
}
