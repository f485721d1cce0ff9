//! The same code on tokio and on this runtime. What each test here says it has seen has to be the same.

use std::any::Any;
use std::cell::RefCell;
use std::fmt::Debug;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;

/// Makes a test of each function. It is compiled twice, once with tokio as `runtime` and once with `rt`, and what it returns has to be equal.
#[macro_export]
macro_rules! same {
    ($($(#[$attribute:meta])* fn $name:ident() $body:block)+) => {
        mod on_tokio {
            #[allow(unused_imports)]
            use super::*;
            use ::tokio as runtime;
            $(pub(super) fn $name() -> $crate::Seen $body)+
        }
        mod on_rt {
            #[allow(unused_imports)]
            use super::*;
            use ::rt as runtime;
            $(pub(super) fn $name() -> $crate::Seen $body)+
        }
        $(
            $(#[$attribute])*
            #[test]
            fn $name() {
                $crate::compare(&on_rt::$name().lines(), &on_tokio::$name().lines());
            }
        )+
    };
}

/// What a test has seen, line by line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen(RefCell<Vec<String>>);

impl Seen {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a line.
    pub fn note(&self, line: impl Into<String>) {
        self.0.borrow_mut().push(line.into());
    }

    /// Adds what a value is.
    pub fn debug(&self, value: impl Debug) {
        self.note(format!("{value:?}"));
    }

    /// Adds whether and where a closure panics: the line of the caller's mistake, or a place within the runtime.
    pub fn panics<T>(&self, closure: impl FnOnce() -> T) {
        self.note(place_of_panic(closure));
    }

    /// All lines.
    pub fn lines(&self) -> Vec<String> {
        self.0.borrow().clone()
    }
}

const INSIDE: &str = "panics inside of the runtime";

/// Compares what was seen. A panic that names the line of the mistake is as good as one that does not, and better.
///
/// # Panics
///
/// If they are not the same.
#[track_caller]
pub fn compare(rt: &[String], tokio: &[String]) {
    assert!(!tokio.is_empty(), "nothing was seen");
    let is_as_good = |(rt, tokio): (&String, &String)| rt == tokio || (tokio == INSIDE && rt.starts_with("panics at"));
    let is_same = rt.len() == tokio.len() && rt.iter().zip(tokio).all(is_as_good);
    assert!(is_same, "rt and tokio differ:\nrt    {rt:#?}\ntokio {tokio:#?}");
}

/// A value that notes when it is dropped.
#[derive(Debug)]
pub struct Noted<'a>(pub &'static str, pub &'a Seen);

impl Drop for Noted<'_> {
    fn drop(&mut self) {
        self.1.note(format!("{} is dropped", self.0));
    }
}

thread_local! {
    static PLACE: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Where a closure panics.
pub fn place_of_panic<T>(closure: impl FnOnce() -> T) -> String {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            let is_watched = PLACE.with_borrow_mut(|place| {
                place.as_mut().map(|place| {
                    let location = panic.location().expect("std knows the place");
                    // The two crates are in different folders, and the tests in one.
                    *place = match location.file().contains("same_meaning") {
                        true => format!("panics at line {}", location.line()),
                        false => INSIDE.to_owned(),
                    };
                })
            });
            if is_watched.is_none() {
                before(panic);
            }
        }));
    });
    PLACE.set(Some("panics somewhere".to_owned()));
    let panicked = catch_unwind(AssertUnwindSafe(closure)).is_err();
    let place = PLACE.take().unwrap_or_default();
    if panicked { place } else { "does not panic".to_owned() }
}

/// A text without the numbers in it, which identifiers are.
pub fn without_numbers(text: &str) -> String {
    let mut bare = String::new();
    for character in text.chars() {
        match character.is_ascii_digit() {
            true if bare.ends_with('#') => (),
            true => bare.push('#'),
            false => bare.push(character),
        }
    }
    bare
}

/// The text that a panic carries.
pub fn text(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<&'static str>().map(|text| (*text).to_owned());
    text.or_else(|| payload.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no text".to_owned())
}

/// Notes which auto traits the type has that a closure returns, which is not called.
#[macro_export]
macro_rules! auto_traits {
    ($seen:expr, $($closure:expr),+ $(,)?) => {$({
        #[allow(unused_imports)]
        use $crate::probe::{IsNot, Probe};
        let probe = Probe::of($closure);
        let (is_send, is_sync, is_unpin) = (probe.is_send(), probe.is_sync(), probe.is_unpin());
        let what = stringify!($closure);
        $seen.note(format!("{what}: {is_send} {is_sync} {is_unpin}"));
    })+};
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lacks_a_trait_is_known_to() {
        let seen = Seen::new();
        auto_traits!(seen, |()| 1, |()| std::rc::Rc::new(1), |()| async {}, |()| std::cell::Cell::new(1));
        let said = ["Send Sync Unpin", "!Send !Sync Unpin", "Send Sync !Unpin", "Send !Sync Unpin"];
        assert!(seen.lines().iter().zip(said).all(|(line, said)| line.ends_with(&format!(": {said}"))), "{seen:?}");
    }

    #[test]
    fn a_panic_is_seen_where_the_mistake_is() {
        let seen = Seen::new();
        seen.panics(|| ());
        seen.panics(|| panic!("here"));
        seen.panics(|| std::iter::once(0).map(|zero| 1 / zero).next());
        assert_eq!(seen.lines()[0], "does not panic");
        assert_eq!(seen.lines()[1], format!("panics at line {}", line!() - 3));
    }

    #[test]
    #[should_panic(expected = "rt and tokio differ")]
    fn what_is_not_the_same_is_told() {
        compare(&["one".to_owned()], &["two".to_owned()]);
    }
}

/// For [`auto_traits!`]: an inherent method that asks for the trait is preferred to that of a trait which does not.
pub mod probe {
    use std::fmt::{self, Debug, Formatter};
    use std::marker::PhantomData;

    /// Of a type.
    pub struct Probe<T>(PhantomData<T>);

    impl<T> Debug for Probe<T> {
        fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
            f.write_str("Probe")
        }
    }

    impl<T> Probe<T> {
        /// Of what a closure returns.
        pub fn of<A>(_: fn(A) -> T) -> Self {
            Probe(PhantomData)
        }
    }

    macro_rules! probes {
        ($($method:ident $trait:ident $yes:literal $no:literal),+) => {
            $(impl<T: $trait> Probe<T> {
                /// It is.
                pub fn $method(&self) -> &'static str {
                    $yes
                }
            })+

            /// What is said of a type that lacks a trait.
            pub trait IsNot {
                $(
                    /// It is not.
                    fn $method(&self) -> &'static str {
                        $no
                    }
                )+
            }
        };
    }

    probes!(is_send Send "Send" "!Send", is_sync Sync "Sync" "!Sync", is_unpin Unpin "Unpin" "!Unpin");

    impl<T> IsNot for Probe<T> {}
}
