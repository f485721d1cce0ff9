//! What may stand between the parentheses of `#[rt::main(..)]` and `#[rt::test(..)]`.

use crate::expansion::Attribute;
use proc_macro2::{Ident, Span, TokenStream, TokenTree};
use quote::quote;
use std::fmt::Display;
use syn::{
    Error, LitBool, LitInt, LitStr, Path, Result, Token,
    ext::IdentExt,
    parse::{Parse, ParseStream, Parser},
    punctuated::Punctuated,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flavor {
    MultiThread,
    CurrentThread,
    Local,
}

/// The arguments, checked.
pub(crate) struct Arguments {
    pub(crate) flavor: Flavor,
    /// At least 1, and only there if the flavor is [`Flavor::MultiThread`].
    pub(crate) worker_threads: Option<LitInt>,
    /// Whether time stands still from the beginning; if there, and true, the flavor is not [`Flavor::MultiThread`].
    pub(crate) start_paused: Option<LitBool>,
    /// The name of the runtime.
    pub(crate) name: Option<LitStr>,
    /// What the runtime does when a task panics: a variant of `UnhandledPanic`.
    pub(crate) unhandled_panic: Option<Ident>,
    /// The path of the runtime crate, if the user gave it.
    pub(crate) crate_path: Option<Path>,
}

impl Arguments {
    /// Reports everything that is wrong with the arguments at once.
    pub(crate) fn parse(attribute: Attribute, tokens: TokenStream) -> Result<Arguments> {
        let arguments = Punctuated::<Argument, Token![,]>::parse_terminated.parse2(tokens)?;
        let mut given = Given::default();
        let mut errors = Vec::new();
        for argument in &arguments {
            errors.extend(given.take(argument).err());
        }

        let flavor = given.flavor.unwrap_or(match attribute {
            Attribute::Main => Flavor::MultiThread,
            Attribute::Test => Flavor::CurrentThread,
        });
        // A flavor that could not be read has its own error, and might have been meant as "multi_thread".
        let flavor_is_known = given.flavor.is_some() || !arguments.iter().any(|argument| argument.name == "flavor");
        if flavor != Flavor::MultiThread
            && flavor_is_known
            && let Some(argument) = arguments.iter().find(|argument| argument.name == "worker_threads")
        {
            errors.push(argument.error(
                "`worker_threads` needs a pool of workers: \
                 add `flavor = \"multi_thread\"`, or remove `worker_threads`",
            ));
        }

        if flavor == Flavor::MultiThread
            && flavor_is_known
            && given.start_paused.as_ref().is_some_and(LitBool::value)
            && let Some(argument) = arguments.iter().find(|argument| argument.name == "start_paused")
        {
            errors.push(argument.error(
                "`start_paused` needs a single thread, or nobody could say when nothing else can happen: \
                 use `flavor = \"current_thread\"`, or remove `start_paused`",
            ));
        }

        match combine(errors) {
            Some(error) => Err(error),
            None => Ok(Arguments {
                flavor,
                worker_threads: given.worker_threads,
                start_paused: given.start_paused,
                name: given.name,
                unhandled_panic: given.unhandled_panic,
                crate_path: given.crate_path,
            }),
        }
    }
}

/// `name = value`, with the value as it was written.
struct Argument {
    name: Ident,
    equals: Token![=],
    value: TokenStream,
}

impl Argument {
    fn error(&self, message: impl Display) -> Error {
        let Argument { name, equals, value } = self;
        Error::new_spanned(quote!(#name #equals #value), message)
    }

    /// Reads the value as `T`; what fails is reported at the value.
    fn value<T: Parse>(&self, message: &str) -> Result<T> {
        syn::parse2(self.value.clone()).map_err(|_| Error::new_spanned(&self.value, message))
    }
}

impl Parse for Argument {
    fn parse(input: ParseStream<'_>) -> Result<Argument> {
        // `parse_any`, because `crate` is a keyword.
        let name = input.call(Ident::parse_any)?;
        if !input.peek(Token![=]) {
            let message = match name.to_string().as_str() {
                flavor @ ("multi_thread" | "current_thread" | "local") => format!("write `flavor = \"{flavor}\"`"),
                name => format!("an argument is written `name = value`: give `{name}` a value"),
            };
            return Err(Error::new(name.span(), message));
        }
        let equals = input.parse()?;
        let mut value = TokenStream::new();
        while !input.is_empty() && !input.peek(Token![,]) {
            value.extend([input.parse::<TokenTree>()?]);
        }
        if value.is_empty() {
            return Err(Error::new_spanned(equals, format!("`{name}` has no value: write one behind the `=`")));
        }
        Ok(Argument { name, equals, value })
    }
}

#[derive(Default)]
struct Given {
    names: Vec<String>,
    flavor: Option<Flavor>,
    worker_threads: Option<LitInt>,
    start_paused: Option<LitBool>,
    name: Option<LitStr>,
    unhandled_panic: Option<Ident>,
    crate_path: Option<Path>,
}

impl Given {
    fn take(&mut self, argument: &Argument) -> Result<()> {
        let name = argument.name.to_string();
        if self.names.contains(&name) {
            return Err(argument.error(format!("`{name}` is given twice: remove one of them")));
        }
        match name.as_str() {
            "flavor" => self.flavor = Some(flavor(argument)?),
            "worker_threads" => self.worker_threads = Some(worker_threads(argument)?),
            "crate" => self.crate_path = Some(crate_path(argument)?),
            "start_paused" => {
                self.start_paused = Some(argument.value("`start_paused` is `true` or `false`")?);
            }
            "name" => self.name = Some(runtime_name(argument)?),
            "unhandled_panic" => self.unhandled_panic = Some(unhandled_panic(argument)?),
            _ => {
                return Err(Error::new(
                    argument.name.span(),
                    format!(
                        "unknown argument `{name}`: use `flavor`, `worker_threads`, `start_paused`, `unhandled_panic`, \
                         `name` or `crate`"
                    ),
                ));
            }
        }
        self.names.push(name);
        Ok(())
    }
}

fn flavor(argument: &Argument) -> Result<Flavor> {
    const FLAVORS: &str = "use \"multi_thread\", \"current_thread\" or \"local\"";
    let literal: LitStr = argument.value(&format!("`flavor` is a string: {FLAVORS}"))?;
    match literal.value().as_str() {
        "multi_thread" => Ok(Flavor::MultiThread),
        "current_thread" => Ok(Flavor::CurrentThread),
        "local" => Ok(Flavor::Local),
        other => Err(Error::new(literal.span(), format!("unknown flavor \"{other}\": {FLAVORS}"))),
    }
}

fn worker_threads(argument: &Argument) -> Result<LitInt> {
    const MESSAGE: &str = "`worker_threads` is the number of workers: use an integer literal of at least 1";
    let literal: LitInt = argument.value(MESSAGE)?;
    match literal.base10_parse::<usize>() {
        Ok(1..) if matches!(literal.suffix(), "" | "usize") => Ok(literal),
        _ => Err(Error::new(literal.span(), MESSAGE)),
    }
}

fn runtime_name(argument: &Argument) -> Result<LitStr> {
    const MESSAGE: &str = "`name` is the name of the runtime, as a string that is not empty";
    let literal: LitStr = argument.value(MESSAGE)?;
    match literal.value().trim() {
        "" => Err(Error::new(literal.span(), MESSAGE)),
        _ => Ok(literal),
    }
}

fn unhandled_panic(argument: &Argument) -> Result<Ident> {
    const CHOICES: &str = "use \"ignore\" or \"shutdown_runtime\"";
    let literal: LitStr = argument.value(&format!("`unhandled_panic` is a string: {CHOICES}"))?;
    match literal.value().as_str() {
        "ignore" => Ok(Ident::new("Ignore", Span::mixed_site())),
        "shutdown_runtime" => Ok(Ident::new("ShutdownRuntime", Span::mixed_site())),
        other => Err(Error::new(literal.span(), format!("unknown choice \"{other}\": {CHOICES}"))),
    }
}

fn crate_path(argument: &Argument) -> Result<Path> {
    const MESSAGE: &str = "`crate` is the path of the runtime crate, as a string such as \"rt\" or \"crate::runtime\"";
    let literal: LitStr = argument.value(MESSAGE)?;
    literal.parse_with(Path::parse_mod_style).map_err(|_| Error::new(literal.span(), MESSAGE))
}

fn combine(errors: Vec<Error>) -> Option<Error> {
    errors.into_iter().reduce(|mut all, error| {
        all.combine(error);
        all
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use quote::ToTokens;
    use std::ops::Range;

    fn parse(attribute: Attribute, source: &str) -> Result<Arguments> {
        Arguments::parse(attribute, source.parse().unwrap())
    }

    fn columns(error: &Error) -> Range<usize> {
        error.span().start().column..error.span().end().column
    }

    /// The messages, each with the piece of the source that it points at.
    fn errors(attribute: Attribute, source: &str) -> Vec<(String, String)> {
        let Err(error) = parse(attribute, source) else { panic!("{source} was accepted") };
        error.into_iter().map(|error| (error.to_string(), source[columns(&error)].to_owned())).collect()
    }

    fn assert_error(source: &str, message: &str, place: &str) {
        for attribute in [Attribute::Main, Attribute::Test] {
            let errors = errors(attribute, source);
            assert_eq!(errors.len(), 1, "{errors:?}");
            assert!(errors[0].0.contains(message), "{errors:?}");
            assert_eq!(errors[0].1, place);
        }
    }

    #[test]
    fn main_defaults_to_multi_thread() {
        let arguments = parse(Attribute::Main, "").unwrap();
        assert_eq!(arguments.flavor, Flavor::MultiThread);
        assert!(arguments.worker_threads.is_none());
        assert!(arguments.crate_path.is_none());
    }

    #[test]
    fn test_defaults_to_current_thread() {
        assert_eq!(parse(Attribute::Test, "").unwrap().flavor, Flavor::CurrentThread);
    }

    #[test]
    fn every_flavor_is_read_and_a_single_thread_can_be_paused() {
        let flavors = [("current_thread", Flavor::CurrentThread), ("local", Flavor::Local)];
        for (name, flavor) in flavors {
            let source = format!("flavor = \"{name}\", start_paused = true");
            assert_eq!(parse(Attribute::Main, &source).unwrap().flavor, flavor);
        }
    }

    #[test]
    fn every_argument_is_read() {
        for attribute in [Attribute::Main, Attribute::Test] {
            let source = "flavor = \"multi_thread\", worker_threads = 0x10usize, crate = \"crate::x\",";
            let arguments = parse(attribute, source).unwrap();
            assert_eq!(arguments.flavor, Flavor::MultiThread);
            assert_eq!(arguments.worker_threads.unwrap().base10_parse::<usize>().unwrap(), 16);
            assert_eq!(arguments.crate_path.to_token_stream().to_string(), "crate :: x");
        }
    }

    #[test]
    fn an_unknown_flavor_is_an_error_at_the_literal() {
        assert_error("flavor = \"threaded\"", "unknown flavor \"threaded\"", "\"threaded\"");
    }

    #[test]
    fn a_flavor_that_is_no_string_is_an_error_at_the_value() {
        assert_error("flavor = multi_thread", "`flavor` is a string", "multi_thread");
    }

    #[test]
    fn a_flavor_without_its_name_is_an_error_that_says_the_name() {
        for flavor in ["multi_thread", "current_thread", "local"] {
            assert_error(flavor, &format!("write `flavor = \"{flavor}\"`"), flavor);
        }
    }

    #[test]
    fn an_unknown_argument_is_an_error_at_its_name() {
        assert_error("flavour = \"multi_thread\"", "unknown argument `flavour`", "flavour");
    }

    #[test]
    fn a_duplicate_argument_is_an_error_at_the_second() {
        let second = "flavor = \"current_thread\"";
        assert_error(&format!("flavor = \"multi_thread\", {second}"), "`flavor` is given twice", second);
    }

    #[test]
    fn worker_threads_with_a_single_thread_is_an_error_at_worker_threads() {
        for flavor in ["current_thread", "local"] {
            let source = format!("worker_threads = 2, flavor = \"{flavor}\"");
            assert_error(&source, "add `flavor = ", "worker_threads = 2");
        }
    }

    #[test]
    fn worker_threads_need_a_flavor_in_a_test() {
        let errors = errors(Attribute::Test, "worker_threads = 2");
        assert_eq!(errors.len(), 1, "{errors:?}");
        assert_eq!(errors[0].1, "worker_threads = 2");
        assert!(parse(Attribute::Main, "worker_threads = 2").is_ok());
    }

    #[test]
    fn worker_threads_beside_an_unknown_flavor_is_not_an_error_of_its_own() {
        assert_error("flavor = \"x\", worker_threads = 2", "unknown flavor", "\"x\"");
    }

    #[test]
    fn a_number_of_workers_other_than_an_integer_of_at_least_1_is_an_error_at_the_value() {
        for value in ["0", "-1", "1.5", "\"2\"", "COUNT", "1 + 1", "2u8", "99999999999999999999999"] {
            let source = format!("flavor = \"multi_thread\", worker_threads = {value}");
            assert_error(&source, "integer literal of at least 1", value);
        }
    }

    #[test]
    fn a_crate_that_is_no_path_in_a_string_is_an_error_at_the_value() {
        for value in ["rt", "\"\"", "\"a b\"", "\"rt-runtime\"", "\"rt::\"", "1"] {
            assert_error(&format!("crate = {value}"), "path of the runtime crate", value);
        }
    }

    #[test]
    fn a_crate_path_is_kept_as_it_was_written() {
        for path in ["rt", "::rt", "crate::a::b", "self::rt", "super::rt"] {
            let arguments = parse(Attribute::Main, &format!("crate = \"{path}\"")).unwrap();
            assert_eq!(arguments.crate_path.to_token_stream().to_string().replace(' ', ""), path);
        }
    }

    #[test]
    fn start_paused_is_read() {
        for (source, expected) in
            [("", None), ("start_paused = true", Some(true)), ("start_paused = false", Some(false))]
        {
            let arguments = parse(Attribute::Test, source).unwrap();
            assert_eq!(arguments.start_paused.map(|paused| paused.value()), expected);
        }
    }

    #[test]
    fn start_paused_with_several_threads_is_an_error_at_start_paused() {
        let place = "start_paused = true";
        assert_error(&format!("{place}, flavor = \"multi_thread\""), "use `flavor = \"current_thread\"`", place);
        let errors = errors(Attribute::Main, place);
        assert_eq!((errors.len(), errors[0].1.as_str()), (1, place));
        assert!(parse(Attribute::Main, "start_paused = false").is_ok());
    }

    #[test]
    fn what_to_do_about_panics_is_one_of_two() {
        for (choice, variant) in [("ignore", "Ignore"), ("shutdown_runtime", "ShutdownRuntime")] {
            let arguments = parse(Attribute::Test, &format!("unhandled_panic = \"{choice}\"")).unwrap();
            assert_eq!(arguments.unhandled_panic.unwrap(), variant);
        }
        assert_error("unhandled_panic = \"abort\"", "unknown choice \"abort\"", "\"abort\"");
        assert_error("unhandled_panic = true", "`unhandled_panic` is a string", "true");
    }

    #[test]
    fn a_name_is_a_string_that_is_not_empty() {
        assert_eq!(parse(Attribute::Main, "name = \"a\"").unwrap().name.unwrap().value(), "a");
        assert_error("name = \" \"", "not empty", "\" \"");
        assert_error("name = 7", "as a string", "7");
    }

    #[test]
    fn an_argument_without_a_value_is_an_error() {
        assert_error("flavor", "give `flavor` a value", "flavor");
        assert_error("flavor = ", "`flavor` has no value", "=");
        assert_error("flavor = , crate = \"rt\"", "`flavor` has no value", "=");
    }

    #[test]
    fn everything_that_is_wrong_is_reported_at_once() {
        let errors = errors(Attribute::Main, "flavor = \"x\", worker_threads = 0, start_paused = 1, y = 1");
        let places: Vec<&str> = errors.iter().map(|(_, place)| place.as_str()).collect();
        assert_eq!(places, ["\"x\"", "0", "1", "y"]);
    }
}
