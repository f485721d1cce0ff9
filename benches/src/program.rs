//! What the programs of this package have in common.

use std::process::Command;

/// Reads the value of an option that is a count.
pub fn count(option: &str, value: &str) -> Result<usize, String> {
    value.parse().ok().filter(|&count| count > 0).ok_or(format!("{option} needs a number above 0"))
}

/// Runs this program in a process of its own, and returns the numbers that it prints.
pub fn numbers_of_child(arguments: &[&str]) -> Result<Vec<f64>, String> {
    let program = std::env::current_exe().map_err(|error| format!("this program does not find itself: {error}"))?;
    let output = Command::new(program).args(arguments).output();
    let output = output.map_err(|error| format!("this program cannot call itself: {error}"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let numbers = text.split_whitespace().map(|number| number.parse().ok()).collect::<Option<Vec<_>>>();
    numbers.filter(|numbers| output.status.success() && !numbers.is_empty()).ok_or_else(|| {
        let error = String::from_utf8_lossy(&output.stderr);
        format!("{} told nothing ({}): {}", arguments.join(" "), output.status, error.trim())
    })
}

#[cfg(test)]
mod tests {
    use super::count;

    #[test]
    fn a_count_is_above_zero() {
        assert_eq!(count("--reps", "3"), Ok(3));
        assert!(count("--reps", "0").is_err());
        assert_eq!(count("--reps", "few"), Err("--reps needs a number above 0".to_owned()));
    }
}
