//! What the programs of this package have in common.

use std::io::{self, Read};
use std::process::{Command, ExitCode, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

/// Reads the value of an option that is a count.
pub fn count(option: &str, value: &str) -> Result<usize, String> {
    value.parse().ok().filter(|&count| count > 0).ok_or(format!("{option} needs a number above 0"))
}

/// Ends the program called `name` as `result` says.
pub fn end(name: &str, result: Result<(), String>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{name}: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Prints what a child was called for, one number a line.
pub fn tell(figures: Option<Vec<f64>>) -> Result<(), String> {
    for figure in figures.ok_or("this system does not tell what a process uses")? {
        println!("{figure}");
    }
    Ok(())
}

/// Runs this program in a process of its own, and returns the numbers that it prints.
pub fn numbers_of_child(arguments: &[&str]) -> Result<Vec<f64>, String> {
    let output = this_program()?.args(arguments).output();
    let output = output.map_err(|error| format!("this program cannot call itself: {error}"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let numbers = text.split_whitespace().map(|number| number.parse().ok()).collect::<Option<Vec<_>>>();
    numbers.filter(|numbers| output.status.success() && !numbers.is_empty()).ok_or_else(|| {
        let error = String::from_utf8_lossy(&output.stderr);
        format!("{} told nothing ({}): {}", arguments.join(" "), output.status, error.trim())
    })
}

/// Runs this program in a process of its own, and returns what it prints: nothing, if it has to be ended after `limit`.
///
/// What it says on stderr is lost.
pub fn text_of_child(arguments: &[&str], limit: Duration) -> Result<Option<String>, String> {
    match text_within(this_program()?.args(arguments), limit) {
        Ok(Some((text, status))) if status.success() => Ok(Some(text)),
        Ok(Some((_, status))) => Err(format!("{} failed ({status})", arguments.join(" "))),
        Ok(None) => Ok(None),
        Err(error) => Err(format!("this program cannot call itself: {error}")),
    }
}

/// A call of this program, with options to be added.
pub fn this_program() -> Result<Command, String> {
    let program = std::env::current_exe().map_err(|error| format!("this program does not find itself: {error}"))?;
    Ok(Command::new(program))
}

fn text_within(command: &mut Command, limit: Duration) -> io::Result<Option<(String, ExitStatus)>> {
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
    let mut output = child.stdout.take().expect("it is piped");
    let (text, texts) = mpsc::channel();
    let reader = thread::spawn(move || {
        let mut read = String::new();
        // It is received, unless the time is up.
        let _ = text.send(output.read_to_string(&mut read).map(|_| read));
    });
    let text = texts.recv_timeout(limit).ok().transpose();
    if !matches!(text, Ok(Some(_))) {
        child.kill()?;
    }
    let status = child.wait()?;
    reader.join().expect("it only reads");
    Ok(text?.map(|text| (text, status)))
}

#[cfg(test)]
mod tests {
    use super::count;
    #[cfg(unix)]
    use super::text_within;
    #[cfg(unix)]
    use std::process::Command;
    #[cfg(unix)]
    use std::time::{Duration, Instant};

    #[cfg(unix)]
    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn a_count_is_above_zero() {
        assert_eq!(count("--reps", "3"), Ok(3));
        assert!(count("--reps", "0").is_err());
        assert_eq!(count("--reps", "few"), Err("--reps needs a number above 0".to_owned()));
    }

    #[cfg(unix)]
    #[test]
    fn what_a_child_prints_is_told_with_its_status() {
        let (text, status) = text_within(Command::new("echo").arg("here"), LONG).expect("it starts").expect("it ends");
        assert_eq!(text, "here\n");
        assert!(status.success());
    }

    #[cfg(unix)]
    #[test]
    fn a_child_that_takes_too_long_is_ended() {
        let start = Instant::now();
        let text = text_within(Command::new("sleep").arg("60"), Duration::from_millis(20)).expect("it starts");
        assert!(text.is_none());
        assert!(start.elapsed() < LONG);
    }
}
