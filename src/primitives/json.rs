//! Writing JSON, for tools that read what a runtime tells of itself.
//!
//! Reading is left to libraries; so is writing, for whoever has a choice: this is here to spare a runtime the dependency.

use std::fmt::{Display, Write};

/// Appends an object.
pub(crate) fn object(out: &mut String, fill: impl FnOnce(&mut Object<'_>)) {
    out.push('{');
    fill(&mut Object(Members { out, is_first: true }));
    out.push('}');
}

/// Appends an array.
pub(crate) fn array(out: &mut String, fill: impl FnOnce(&mut Array<'_>)) {
    out.push('[');
    fill(&mut Array(Members { out, is_first: true }));
    out.push(']');
}

/// Appends a string in quotes.
pub(crate) fn string(out: &mut String, value: &str) {
    out.push('"');
    for character in value.chars() {
        match character {
            '"' | '\\' => out.extend(['\\', character]),
            '\n' => out.push_str("\\n"),
            '\0'..='\u{1f}' => push(out, format_args!("\\u{:04x}", u32::from(character))),
            _ => out.push(character),
        }
    }
    out.push('"');
}

/// An object that is being written.
pub(crate) struct Object<'a>(Members<'a>);

impl Object<'_> {
    pub(crate) fn string(&mut self, key: &str, value: &str) {
        string(self.key(key), value);
    }

    /// A number, which must be finite, or a boolean: what is written as Rust writes it.
    pub(crate) fn plain(&mut self, key: &str, value: impl Display) {
        push(self.key(key), value);
    }

    pub(crate) fn object(&mut self, key: &str, fill: impl FnOnce(&mut Object<'_>)) {
        object(self.key(key), fill);
    }

    pub(crate) fn array(&mut self, key: &str, fill: impl FnOnce(&mut Array<'_>)) {
        array(self.key(key), fill);
    }

    fn key(&mut self, key: &str) -> &mut String {
        let out = self.0.next();
        string(out, key);
        out.push(':');
        out
    }
}

/// An array that is being written.
pub(crate) struct Array<'a>(Members<'a>);

impl Array<'_> {
    pub(crate) fn string(&mut self, value: &str) {
        string(self.0.next(), value);
    }

    /// As [`Object::plain`].
    pub(crate) fn plain(&mut self, value: impl Display) {
        push(self.0.next(), value);
    }

    pub(crate) fn object(&mut self, fill: impl FnOnce(&mut Object<'_>)) {
        object(self.0.next(), fill);
    }
}

struct Members<'a> {
    out: &'a mut String,
    is_first: bool,
}

impl Members<'_> {
    fn next(&mut self) -> &mut String {
        if !std::mem::replace(&mut self.is_first, false) {
            self.out.push(',');
        }
        self.out
    }
}

fn push(out: &mut String, value: impl Display) {
    write!(out, "{value}").expect("a string takes whatever is written");
}

#[cfg(all(test, not(rt_loom)))]
mod tests {
    use super::*;

    #[test]
    fn members_are_separated_and_strings_escaped() {
        let mut out = String::new();
        object(&mut out, |object| {
            object.string("a\"b", "c\\d\ne\u{1}\u{e9}");
            object.plain("n", 1.5);
            object.array("list", |list| {
                list.plain(1);
                list.string("x");
                list.object(|_| {});
            });
            object.object("empty", |_| {});
        });
        assert_eq!(out, r#"{"a\"b":"c\\d\ne\u0001é","n":1.5,"list":[1,"x",{}],"empty":{}}"#);
    }
}
