//! What the examples share and what none of them is about: arguments, an error that `main` shows to people, a deadline
//! for `--self-test`.

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::time::Duration;

/// The program's arguments, and `defaults` for those that are not given. `None` if it shall test itself.
pub(crate) fn arguments<const N: usize>(usage: &str, defaults: [&str; N]) -> Option<[String; N]> {
    let usage = format!("usage: {name} {usage}\n       {name} --self-test", name = env!("CARGO_CRATE_NAME"));
    let mut values = defaults.map(str::to_owned);
    for (place, argument) in std::env::args().skip(1).enumerate() {
        match (argument.as_str(), values.get_mut(place)) {
            ("--self-test", _) => return None,
            ("-h" | "--help", _) => {
                println!("{usage}");
                std::process::exit(0);
            }
            (_, Some(value)) if !argument.starts_with('-') => *value = argument,
            _ => {
                eprintln!("{argument:?} is not understood\n{usage}");
                std::process::exit(2);
            }
        }
    }
    Some(values)
}

/// Any error. `main` prints an error that it returns with `{:?}`, which is here what the error says and not how it is made.
pub(crate) struct Failure(String);

impl<E: Error> From<E> for Failure {
    fn from(error: E) -> Self {
        Failure(error.to_string())
    }
}

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Runs the test that an example is of itself. It takes a second; a machine that is busy with other things gets more.
pub(crate) async fn within_a_minute(test: impl Future<Output = std::io::Result<()>>) -> Result<(), Failure> {
    rt::time::timeout(Duration::from_secs(60), test).await??;
    println!("all is as it should be");
    Ok(())
}
