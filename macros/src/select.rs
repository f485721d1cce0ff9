//! What is wrong with a branch of `select!`.
//!
//! The macro itself is one of `macro_rules!`, which can say that some branch is none, but not where nor why. So it hands what it could not read to
//! here: the tokens from that branch on.

use proc_macro2::{Spacing, TokenStream, TokenTree};
use syn::Error;

const FORM: &str = "a branch is written `pattern = future => handler` or `pattern = future, if condition => handler`";

/// The error, at the tokens that it is about.
pub(crate) fn explain(tokens: TokenStream) -> TokenStream {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let (message, from, to) = problem(&tokens);
    let place: TokenStream = tokens[from..to].iter().cloned().collect();
    Error::new_spanned(place, message).into_compile_error()
}

/// A message, and the first token that it is about, and the one behind the last.
fn problem(tokens: &[TokenTree]) -> (String, usize, usize) {
    let first = tokens[0].to_string();
    let arrow = position(tokens, 0, is_arrow);
    match (first.as_str(), arrow) {
        // The word comes from the macro. What is behind it is the user's.
        ("else", arrow) => {
            let message = match arrow {
                Some(1) => "`else` is the last branch: move it behind the others",
                _ => "write `else => expression`",
            };
            let end = position(tokens, 0, is_comma).unwrap_or(tokens.len());
            return (message.to_owned(), usize::from(end > 1), end);
        }
        ("biased", _) if is_semicolon(tokens, 1) => {
            return ("`biased;` goes before the first branch".to_owned(), 0, 1);
        }
        ("biased", arrow) if arrow != Some(1) && !is_assignment(tokens, 1) => {
            return ("write `biased;`, with a semicolon".to_owned(), 0, 1);
        }
        ("complete" | "default", Some(1)) => {
            return (format!("there is no `{first}` here: `else` runs when all branches are out"), 0, 1);
        }
        _ => (),
    }
    // A pattern has no commas.
    let comma = position(tokens, 0, is_comma);
    let end = arrow.into_iter().chain(comma).min().unwrap_or(tokens.len());
    let Some(assignment) = position(tokens, 0, is_assignment).filter(|assignment| *assignment < end) else {
        return (format!("there is no `=`: {FORM}"), 0, end.max(1));
    };
    let next = position(tokens, assignment + 1, is_assignment);
    let Some(arrow) = arrow.filter(|arrow| next.is_none_or(|next| *arrow < next)) else {
        let end = position(tokens, assignment, is_comma).or(next).unwrap_or(tokens.len());
        return (format!("there is no `=>` behind this future: {FORM}"), 0, end);
    };
    let is_bare_if = |tokens: &[TokenTree], at: usize| is_if(tokens, at) && !is_comma(tokens, at - 1);
    if let Some(condition) = position(tokens, assignment + 2, is_bare_if).filter(|condition| *condition < arrow) {
        return ("write a comma before the condition: `, if`".to_owned(), condition, arrow);
    }
    // `=>` has two tokens.
    let handler = arrow + 2;
    if handler >= tokens.len() || is_comma(tokens, handler) {
        return ("there is no handler behind the `=>`".to_owned(), 0, handler.min(tokens.len()));
    }
    match position(tokens, handler, is_comma) {
        comma if next.is_some_and(|next| comma.is_none_or(|comma| next < comma)) => {
            let next = next.unwrap_or(tokens.len());
            ("a comma is missing between this handler and the next branch".to_owned(), handler, next)
        }
        comma => (format!("this is no branch: {FORM}"), 0, comma.unwrap_or(tokens.len())),
    }
}

fn position(tokens: &[TokenTree], from: usize, is: impl Fn(&[TokenTree], usize) -> bool) -> Option<usize> {
    (from..tokens.len()).find(|&at| is(tokens, at))
}

fn punctuation(tokens: &[TokenTree], at: usize) -> Option<(char, bool)> {
    match tokens.get(at) {
        Some(TokenTree::Punct(punctuation)) => Some((punctuation.as_char(), punctuation.spacing() == Spacing::Joint)),
        _ => None,
    }
}

fn is_arrow(tokens: &[TokenTree], at: usize) -> bool {
    punctuation(tokens, at) == Some(('=', true)) && punctuation(tokens, at + 1).is_some_and(|(next, _)| next == '>')
}

/// A `=` that is no part of `=>`, `==`, `..=` and the like.
fn is_assignment(tokens: &[TokenTree], at: usize) -> bool {
    let is_glued_before = at > 0 && punctuation(tokens, at - 1).is_some_and(|(_, is_joint)| is_joint);
    let is_glued_behind = || punctuation(tokens, at + 1).is_some_and(|(next, _)| matches!(next, '>' | '='));
    match punctuation(tokens, at) {
        Some(('=', is_joint)) => !(is_glued_before || (is_joint && is_glued_behind())),
        _ => false,
    }
}

fn is_comma(tokens: &[TokenTree], at: usize) -> bool {
    punctuation(tokens, at).is_some_and(|(character, _)| character == ',')
}

fn is_semicolon(tokens: &[TokenTree], at: usize) -> bool {
    punctuation(tokens, at).is_some_and(|(character, _)| character == ';')
}

fn is_if(tokens: &[TokenTree], at: usize) -> bool {
    matches!(&tokens[at], TokenTree::Ident(name) if name == "if")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn assert_problem(branches: &str, message: &str, place: &str) {
        let tokens: Vec<TokenTree> = branches.parse::<TokenStream>().unwrap().into_iter().collect();
        let (found, from, to) = problem(&tokens);
        assert!(found.contains(message), "{found}");
        let text = |tokens: &[TokenTree]| tokens.iter().cloned().collect::<TokenStream>().to_string();
        assert_eq!(
            text(&tokens[from..to]),
            text(&place.parse::<TokenStream>().unwrap().into_iter().collect::<Vec<_>>())
        );
    }

    #[test]
    fn an_else_is_the_last() {
        assert_problem("else => 1, a = f() => 2", "last branch", "=> 1");
        assert_problem("else 1", "`else => expression`", "1");
        assert_problem("else", "`else => expression`", "else");
    }

    #[test]
    fn biased_has_a_semicolon_and_is_the_first() {
        assert_problem("biased, a = f() => 2", "with a semicolon", "biased");
        assert_problem("biased a = f() => 2", "with a semicolon", "biased");
        assert_problem("biased; a = f() => 2", "before the first branch", "biased");
    }

    #[test]
    fn branches_of_other_macros_are_named() {
        assert_problem("complete => break", "there is no `complete`", "complete");
        assert_problem("default => break", "there is no `default`", "default");
    }

    #[test]
    fn a_part_that_is_missing_is_named() {
        assert_problem("rx.recv() => x", "no `=`", "rx.recv()");
        assert_problem("rx.recv(), b = f => x", "no `=`", "rx.recv()");
        assert_problem("0..=5 => x, b = f => x", "no `=`", "0..=5");
        assert_problem("a = f() { x } b = g() => y", "no `=>`", "a = f() { x } b");
        assert_problem("a = f(), b = g() => y", "no `=>`", "a = f()");
        assert_problem("a = f()", "no `=>`", "a = f()");
        assert_problem("a = f() =>", "no handler", "a = f() =>");
        assert_problem("a = f() => , b = g() => x", "no handler", "a = f() =>");
    }

    #[test]
    fn a_condition_has_a_comma_before_it() {
        assert_problem("a = f() if c == d => x", "a comma before the condition", "if c == d");
    }

    #[test]
    fn a_handler_that_is_no_block_has_a_comma_behind_it() {
        assert_problem("a = f() => x b = g() => y", "a comma is missing", "x b");
        assert_problem("a = f() => x() Some(b) = g() => y,", "a comma is missing", "x() Some(b)");
    }
}
