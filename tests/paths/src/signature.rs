//! Signatures in a form in which two that mean the same are mostly equal.

/// Without the names of arguments, bounds in one place and in order, no lifetimes that say nothing.
pub(crate) fn normal(signature: &str) -> String {
    let signature = words(signature);
    let Some((head, name, rest)) = split_name(&signature) else { return signature };
    let (generics, rest) = match rest.starts_with('<') {
        true => split_group(rest),
        false => ("", rest),
    };
    let (arguments, rest) = split_group(rest);
    let (output, bounds) = match rest.split_once("where ") {
        Some((output, bounds)) => (output.trim(), bounds),
        None => (rest.trim(), ""),
    };
    let mut predicates: Vec<String> = Vec::new();
    let mut names = Vec::new();
    for parameter in split_list(inside(generics)) {
        match parameter.split_once(": ") {
            Some((name, bound)) if !parameter.starts_with("const ") => {
                names.push(name);
                predicates.extend(predicate(name, bound));
            }
            _ => names.push(parameter),
        }
    }
    for bound in split_list(bounds) {
        if let Some((subject, bound)) = bound.split_once(": ") {
            predicates.extend(predicate(subject, bound));
        }
    }
    predicates.sort();
    predicates.dedup();
    let arguments: Vec<&str> = split_list(inside(arguments)).into_iter().map(type_of).collect();
    let mut normal = format!("{head}fn {name}");
    if !names.is_empty() {
        normal += &format!("<{}>", names.join(", "));
    }
    normal += &format!("({})", arguments.join(", "));
    if !output.is_empty() {
        normal += &format!(" {output}");
    }
    if !predicates.is_empty() {
        normal += &format!(" where {}", predicates.join(", "));
    }
    normal
}

/// The header of an implementation: the trait, and what is asked of the parameters.
pub(crate) fn implemented(header: &str) -> String {
    let header = words(header);
    let rest = header.strip_prefix("impl").unwrap_or(&header);
    let (generics, rest) = match rest.starts_with('<') {
        true => split_group(rest),
        false => ("", rest),
    };
    let (what, bounds) = match rest.split_once(" where ") {
        Some((what, bounds)) => (what, bounds),
        None => (rest, ""),
    };
    let name = what.split(" for ").next().unwrap_or(what).trim();
    let mut predicates: Vec<String> = Vec::new();
    let bounded = split_list(inside(generics)).into_iter().chain(split_list(bounds));
    for (subject, bound) in bounded.filter_map(|bound| bound.split_once(": ")) {
        predicates.extend(predicate(subject, bound));
    }
    predicates.sort();
    predicates.dedup();
    match predicates.is_empty() {
        true => name.to_owned(),
        false => format!("{name} where {}", predicates.join(", ")),
    }
}

/// The signature with `Self` wherever it names the type that it belongs to.
pub(crate) fn with_self(signature: &str, this: &str) -> String {
    let is_part = |character: char| character.is_alphanumeric() || matches!(character, '_' | '<');
    let mut replaced = String::new();
    let mut rest = signature;
    while let Some(at) = rest.find(this) {
        let (before, behind) = (&rest[..at], &rest[at + this.len()..]);
        let is_whole =
            !before.ends_with(|character| is_part(character) && character != '<') && !behind.starts_with(is_part);
        replaced += before;
        replaced += if is_whole { "Self" } else { this };
        rest = behind;
    }
    replaced + rest
}

/// One for each bound. That a parameter is sized need not be said.
fn predicate(subject: &str, bounds: &str) -> Vec<String> {
    let bounds = split_at(bounds, '+').into_iter().map(str::trim).filter(|bound| *bound != "Sized");
    bounds.map(|bound| format!("{subject}: {bound}")).collect()
}

/// Single blanks, none behind an opening bracket, no `pub`, no lifetime that could be left out.
fn words(signature: &str) -> String {
    let mut text = format!(" {} ", signature.split_whitespace().collect::<Vec<_>>().join(" "));
    for (from, to) in [
        (" pub ", " "),
        (" const fn ", " fn "),
        ("( ", "("),
        (", )", ")"),
        ("< ", "<"),
        (", >", ">"),
        ("&'_ ", "&"),
        ("<'_>", ""),
        ("<'_, ", "<"),
    ] {
        text = text.replace(from, to);
    }
    text.trim().trim_end_matches(',').to_owned()
}

/// What stands before `fn`, the name, and the rest.
fn split_name(signature: &str) -> Option<(&str, &str, &str)> {
    let at = match signature.starts_with("fn ") {
        true => 0,
        false => signature.find(" fn ")? + 1,
    };
    let behind = &signature[at + 3..];
    let end = behind.find(['<', '('])?;
    Some((&signature[..at], &behind[..end], &behind[end..]))
}

/// The group of brackets that the text begins with, and the rest.
fn split_group(text: &str) -> (&str, &str) {
    let mut depth = 0;
    for (at, character) in text.char_indices() {
        match character {
            '<' | '(' | '[' => depth += 1,
            // Not that of an arrow.
            '>' if text[..at].ends_with('-') => (),
            '>' | ')' | ']' => depth -= 1,
            _ => (),
        }
        if depth == 0 {
            return text.split_at(at + character.len_utf8());
        }
    }
    (text, "")
}

fn inside(group: &str) -> &str {
    group.get(1..group.len().saturating_sub(1)).unwrap_or_default()
}

fn split_list(text: &str) -> Vec<&str> {
    split_at(text, ',')
}

/// The parts between separators that are in no brackets.
fn split_at(text: &str, separator: char) -> Vec<&str> {
    let mut parts = Vec::new();
    let (mut depth, mut from) = (0, 0);
    for (at, character) in text.char_indices() {
        match character {
            '<' | '(' | '[' => depth += 1,
            '>' if text[..at].ends_with('-') => (),
            '>' | ')' | ']' => depth -= 1,
            _ if character == separator && depth == 0 => {
                parts.push(text[from..at].trim());
                from = at + 1;
            }
            _ => (),
        }
    }
    parts.push(text[from..].trim());
    parts.retain(|part| !part.is_empty());
    parts
}

/// An argument without its name.
fn type_of(argument: &str) -> &str {
    match argument.split_once(": ") {
        Some(("self", _)) => argument,
        Some((name, kind)) if name.chars().all(|character| character.is_alphanumeric() || character == '_') => kind,
        _ => argument,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signatures_that_mean_the_same_are_equal() {
        let one = "pub async fn f<A: Trait + 'static, B>( a: A, b: &'_ mut Context<'_>, c: impl Fn(u8) -> u8, ) -> Result<A, B> where B: Send, ";
        let other = "pub async fn f<A, B>(x: A, y: &mut Context, _: impl Fn(u8) -> u8) -> Result<A, B> where B: Send, A: 'static + Trait";
        assert_eq!(normal(one), normal(other));
        assert_eq!(
            normal(one),
            "async fn f<A, B>(A, &mut Context, impl Fn(u8) -> u8) -> Result<A, B> where A: 'static, A: Trait, B: Send"
        );
    }

    #[test]
    fn a_receiver_keeps_its_name() {
        assert_eq!(normal("pub fn f(self: Pin<&mut Self>, x: u8)"), "fn f(self: Pin<&mut Self>, u8)");
        assert_eq!(normal("pub const fn f(&self) -> u8"), "fn f(&self) -> u8");
    }

    #[test]
    fn a_type_that_names_itself_is_self() {
        let one = "fn new(Lock<T>) -> Result<Lock<T>, LockError>";
        assert_eq!(with_self(one, "Lock<T>"), "fn new(Self) -> Result<Self, LockError>");
        assert_eq!(
            with_self("fn new(&Lock) -> Result<Lock, LockError>", "Lock"),
            "fn new(&Self) -> Result<Self, LockError>"
        );
        assert_eq!(with_self("fn map<U>(Lock<T>) -> Lock<U>", "Lock<T>"), "fn map<U>(Self) -> Lock<U>");
    }

    #[test]
    fn an_implementation_is_its_trait_and_its_bounds() {
        assert_eq!(implemented("impl<T> !Send for X<T>"), "!Send");
        assert_eq!(
            implemented("impl<T: Debug> Debug for X<T> where T: Copy + 'static,"),
            "Debug where T: 'static, T: Copy, T: Debug"
        );
        assert_eq!(implemented("impl From<X<u8>> for Error"), "From<X<u8>>");
    }
}
