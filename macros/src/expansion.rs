//! What the attributes turn a function into.

use crate::{
    arguments::{Arguments, Flavor},
    async_fn::AsyncFn,
    crate_path,
};
use proc_macro2::{Delimiter, Group, Span, TokenStream};
use quote::{ToTokens, quote_spanned};
use syn::Error;

/// Which of the two attributes is being expanded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Attribute {
    Main,
    Test,
}

pub(crate) fn expand(attribute: Attribute, arguments: TokenStream, item: TokenStream) -> TokenStream {
    let function: AsyncFn = match syn::parse2(item.clone()) {
        Ok(function) => function,
        Err(error) => {
            let mut tokens = error.into_compile_error();
            tokens.extend(item);
            return tokens;
        }
    };
    match (Arguments::parse(attribute, arguments), function.check(attribute)) {
        (Ok(arguments), Ok(())) => runner(attribute, &arguments, &function),
        (Err(mut error), Err(other)) => {
            error.combine(other);
            explain(error, &function)
        }
        (Err(error), Ok(())) | (Ok(_), Err(error)) => explain(error, &function),
    }
}

/// A function that builds a runtime and runs the user's function on it.
///
/// The user's function is nested, unchanged, in a function of the same signature that is not async. An `async` block
/// around the body would do as well, but the compiler would know less about it: a block does not learn the type that
/// it should return, so that `Err(Box::new(error))` would not become a `Box<dyn Error>`, and what it has to say about
/// a wrong type or a misplaced `?` would point at code that nobody wrote.
///
/// The nested function keeps its name, because any other could hide something that the body uses.
fn runner(attribute: Attribute, arguments: &Arguments, function: &AsyncFn) -> TokenStream {
    let AsyncFn { attributes, visibility, fn_token, name, inputs, output, body, .. } = function;
    let asyncness = function.asyncness();
    // Names that come from here are looked up where the macro is used, and always by an absolute path; code with this
    // span counts as generated, which keeps lints away from it.
    let span = Span::mixed_site();

    // Where the user wrote it, but generated: what there is to say about the name is said about the outer function.
    let mut nested_name = name.clone();
    nested_name.set_span(span.located_at(name.span()));

    let crate_path = match &arguments.crate_path {
        Some(path) => path.to_token_stream(),
        None => crate_path::look_up(),
    };
    let builder = match arguments.flavor {
        Flavor::MultiThread => quote_spanned!(span=> #crate_path::runtime::Builder::new_multi_thread()),
        Flavor::CurrentThread | Flavor::Local => {
            quote_spanned!(span=> #crate_path::runtime::Builder::new_current_thread())
        }
    };
    let build = match arguments.flavor {
        Flavor::MultiThread | Flavor::CurrentThread => quote_spanned!(span=> build()),
        Flavor::Local => quote_spanned!(span=> build_local(::core::default::Default::default())),
    };
    let worker_threads =
        arguments.worker_threads.as_ref().map(|number| quote_spanned!(span=> .worker_threads(#number)));
    let start_paused = arguments.start_paused.as_ref().map(|paused| quote_spanned!(span=> .start_paused(#paused)));
    let name_of_runtime = arguments.name.as_ref().map(|name| quote_spanned!(span=> .name(#name)));
    let unhandled_panic = arguments
        .unhandled_panic
        .as_ref()
        .map(|choice| quote_spanned!(span=> .unhandled_panic(#crate_path::runtime::UnhandledPanic::#choice)));
    let (test, future) = match attribute {
        Attribute::Main => (None, quote_spanned!(span=> #nested_name())),
        // One type of future for all tests with one type of result: `block_on` is compiled once for them, not once
        // for each.
        Attribute::Test => (
            Some(quote_spanned!(span=> #[::core::prelude::v1::test])),
            quote_spanned! {span=>
                ::core::pin::pin!(#nested_name()) as ::core::pin::Pin<&mut dyn ::core::future::Future<Output = _>>
            },
        ),
    };

    let statements = quote_spanned! {span=>
        // The attribute stands on functions with nothing to await too, tests above all.
        #[allow(clippy::unused_async)]
        #asyncness #fn_token #nested_name #inputs #output #body

        #builder
            .enable_all()
            #worker_threads
            #start_paused
            #unhandled_panic
            #name_of_runtime
            .#build
            .unwrap_or_else(|error| ::core::panic!("the runtime could not be built: {}", error))
            .block_on(#future)
    };
    let mut block = Group::new(Delimiter::Brace, statements);
    // With a span from here, the whole function would count as generated: the compiler would not say that it is never
    // called. With all of the user's body, lints on the length of a function would look at that body twice.
    block.set_span(body.span_close());

    quote_spanned! {span=>
        #test
        #(#attributes)*
        #visibility #fn_token #name #inputs #output #block
    }
}

/// The error, and the function as it was written, so that the compiler has nothing else to complain about: `main` must
/// exist and must not be async, and other functions must exist if somebody calls them.
fn explain(error: Error, function: &AsyncFn) -> TokenStream {
    let mut tokens = error.into_compile_error();
    if function.name == "main" {
        let AsyncFn { fn_token, name, .. } = function;
        let span = Span::mixed_site();
        tokens.extend(quote_spanned!(span=> #fn_token #name() { #function }));
    } else {
        function.to_tokens(&mut tokens);
    }
    tokens
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(source: &str) -> TokenStream {
        source.parse().unwrap()
    }

    fn main(arguments: &str, item: &str) -> String {
        expand(Attribute::Main, tokens(arguments), tokens(item)).to_string()
    }

    fn test(arguments: &str, item: &str) -> String {
        expand(Attribute::Test, tokens(arguments), tokens(item)).to_string()
    }

    #[track_caller]
    fn assert_contains(expanded: &str, part: &str) {
        assert!(expanded.contains(&tokens(part).to_string()), "{part} is not in {expanded}");
    }

    /// The expansion is an error and then `rest`.
    #[track_caller]
    fn assert_error_beside(expanded: &str, rest: &str) {
        assert!(expanded.contains("compile_error"), "{expanded}");
        assert!(expanded.ends_with(&tokens(rest).to_string()), "{rest} is not at the end of {expanded}");
    }

    #[test]
    fn main_builds_a_runtime_and_blocks_on_the_function() {
        let item = "/** Starts. */ pub(crate) async fn main() -> Result<(), Error> { work().await }";
        let expected = r#"
            /** Starts. */
            pub(crate) fn main() -> Result<(), Error> {
                #[allow(clippy::unused_async)]
                async fn main() -> Result<(), Error> { work().await }

                runtime_crate::runtime::Builder::new_multi_thread()
                    .enable_all()
                    .build()
                    .unwrap_or_else(|error| ::core::panic!("the runtime could not be built: {}", error))
                    .block_on(main())
            }
        "#;
        assert_eq!(main("crate = \"runtime_crate\"", item), tokens(expected).to_string());
    }

    #[test]
    fn test_is_a_test_before_its_other_attributes() {
        let expanded = test("", "#[should_panic] #[ignore] async fn f() {}");
        let start = tokens("#[::core::prelude::v1::test] #[should_panic] #[ignore] fn f()");
        assert!(expanded.starts_with(&start.to_string()), "{expanded}");
    }

    #[test]
    fn the_flavor_chooses_the_constructor() {
        let item = "async fn f() {}";
        assert_contains(&main("", item), "new_multi_thread");
        assert_contains(&main("flavor = \"current_thread\"", item), "new_current_thread");
        assert_contains(&test("", item), "new_current_thread");
        assert_contains(&main("flavor = \"local\"", item), ".build_local(::core::default::Default::default())");
        assert_contains(&test("flavor = \"multi_thread\"", item), "new_multi_thread");
    }

    #[test]
    fn the_number_of_workers_is_passed_on() {
        assert_contains(&main("worker_threads = 3", "async fn f() {}"), ".enable_all().worker_threads(3).build()");
    }

    #[test]
    fn that_time_starts_paused_is_passed_on() {
        assert_contains(&test("start_paused = true", "async fn f() {}"), ".enable_all().start_paused(true).build()");
    }

    #[test]
    fn a_name_and_what_to_do_about_panics_are_passed_on() {
        assert_contains(&main("name = \"a\"", "async fn f() {}"), ".enable_all().name(\"a\").build()");
        let policy = ".unhandled_panic(::rt::runtime::UnhandledPanic::ShutdownRuntime).build()";
        assert_contains(&test("unhandled_panic = \"shutdown_runtime\"", "async fn f() {}"), policy);
    }

    #[test]
    fn without_a_crate_argument_the_crate_is_looked_up() {
        // The runtime is a dev-dependency here, under its own name.
        assert_contains(&main("", "async fn f() {}"), "::rt::runtime::Builder");
    }

    #[test]
    fn a_wrong_main_stays_a_main() {
        let expanded = main("flavor = \"x\"", "async fn main() { work().await }");
        assert_error_beside(&expanded, "fn main() { async fn main() { work().await } }");
    }

    #[test]
    fn a_wrong_function_stays_as_it_was_written() {
        let item = "pub async fn f(x: u8) -> u8 { x }";
        assert_error_beside(&main("", item), item);
        assert_error_beside(&test("", item), item);
    }

    #[test]
    fn a_function_that_should_be_async_is_treated_as_one_beside_the_error() {
        assert_error_beside(&main("", "pub fn f() { work().await }"), "pub async fn f() { work().await }");
    }

    #[test]
    fn errors_in_arguments_and_function_are_reported_together() {
        let expanded = main("flavor = \"x\"", "fn main() {}");
        assert_eq!(expanded.matches("compile_error").count(), 2, "{expanded}");
    }

    #[test]
    fn an_item_that_is_no_function_is_kept_beside_the_error() {
        assert_error_beside(&main("", "struct S;"), "struct S;");
    }
}
