//! The function that an attribute stands on.

use crate::expansion::Attribute as Macro;
use proc_macro2::{Delimiter, Group, Ident, TokenStream, TokenTree};
use quote::{ToTokens, quote};
use syn::{
    Attribute, Error, Generics, LitStr, Path, Result, Token, Visibility,
    parse::{Parse, ParseStream},
};

/// A function, taken apart only as far as the expansion needs. Return type and body stay the tokens they are: whatever
/// the compiler understands in them is fine, and what it has to say about them lands where the user wrote it.
pub(crate) struct AsyncFn {
    pub(crate) attributes: Vec<Attribute>,
    pub(crate) visibility: Visibility,
    asyncness: Option<Token![async]>,
    /// `const`, `unsafe` and `extern "C"`.
    qualifiers: TokenStream,
    pub(crate) fn_token: Token![fn],
    pub(crate) name: Ident,
    generics: Generics,
    /// The parentheses and what is between them.
    pub(crate) inputs: Group,
    /// `-> Type`, or nothing, and a `where` clause.
    pub(crate) output: TokenStream,
    /// The braces and what is between them.
    pub(crate) body: Group,
}

impl AsyncFn {
    /// The `async` of the function, or the one that it should have.
    pub(crate) fn asyncness(&self) -> Token![async] {
        Token![async](self.asyncness.as_ref().map_or(self.fn_token.span, |token| token.span))
    }

    /// Looks for the first thing that keeps the function from being run by `attribute`.
    pub(crate) fn check(&self, attribute: Macro) -> Result<()> {
        if let Some(duplicate) = self.attributes.iter().find(|other| repeats(attribute, other.path())) {
            let message = match attribute {
                Macro::Main => "the function has this attribute already: remove one of the two",
                Macro::Test => "the function is a test already: remove one of the two attributes",
            };
            return Err(Error::new_spanned(duplicate, message));
        }
        if self.asyncness.is_none() {
            return Err(Error::new(
                self.fn_token.span,
                format!("the function is not async: write `async fn {}`", self.name),
            ));
        }
        if !self.qualifiers.is_empty() {
            return Err(Error::new_spanned(
                &self.qualifiers,
                format!("the function must be a plain `async fn`: remove `{}`", self.qualifiers),
            ));
        }
        if !self.generics.params.is_empty() {
            return Err(Error::new_spanned(
                &self.generics,
                "the function must not be generic: move the generic part into a function that this one calls",
            ));
        }
        if self.takes_self() {
            return Err(Error::new_spanned(
                self.inputs.stream(),
                "a method cannot be run by this attribute: \
                 make it a free function without arguments, and build what it needs in its body",
            ));
        }
        if !self.inputs.stream().is_empty() {
            let instead = match attribute {
                Macro::Main if self.name == "main" => "read what it needs in its body, for example from `std::env`",
                Macro::Main => {
                    "build what it needs in its body, \
                     or call an `async fn` that takes arguments with `Runtime::block_on`"
                }
                Macro::Test => "build what it needs in its body, or call a function that takes arguments from it",
            };
            return Err(Error::new_spanned(
                self.inputs.stream(),
                format!("the function must not take arguments: {instead}"),
            ));
        }
        Ok(())
    }

    fn takes_self(&self) -> bool {
        self.inputs
            .stream()
            .into_iter()
            .take_while(|token| !matches!(token, TokenTree::Punct(punct) if matches!(punct.as_char(), ',' | ':')))
            .any(|token| matches!(token, TokenTree::Ident(ident) if ident == "self"))
    }
}

impl Parse for AsyncFn {
    fn parse(input: ParseStream<'_>) -> Result<AsyncFn> {
        let attributes = Attribute::parse_outer(input)?;
        let visibility = input.parse()?;
        let mut asyncness = None;
        let mut qualifiers = TokenStream::new();
        while !input.peek(Token![fn]) {
            if input.peek(Token![async]) {
                asyncness = Some(input.parse()?);
            } else if input.peek(Token![const]) || input.peek(Token![unsafe]) {
                qualifiers.extend([input.parse::<TokenTree>()?]);
            } else if input.peek(Token![extern]) {
                qualifiers.extend(input.parse::<Token![extern]>()?.into_token_stream());
                qualifiers.extend(input.parse::<Option<LitStr>>()?.into_token_stream());
            } else {
                return Err(input.error("this attribute belongs on an `async fn`"));
            }
        }
        let fn_token = input.parse()?;
        let name: Ident = input.parse()?;
        let generics = input.parse()?;
        let inputs: Group = input.parse()?;
        let mut rest: Vec<TokenTree> = input.parse::<TokenStream>()?.into_iter().collect();
        // The body comes last; a return type can hold braces too, as in `Lanes<{ 2 * 4 }>`.
        let Some(body) = rest.pop().and_then(braces) else {
            return Err(Error::new_spanned(
                name,
                "the function has no body: this attribute belongs on an `async fn` with a body in braces",
            ));
        };
        let output = rest.into_iter().collect();
        Ok(AsyncFn { attributes, visibility, asyncness, qualifiers, fn_token, name, generics, inputs, output, body })
    }
}

/// The function as it was written, except that it is async in any case.
impl ToTokens for AsyncFn {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        let AsyncFn { attributes, visibility, qualifiers, fn_token, name, generics, inputs, output, body, .. } = self;
        let asyncness = self.asyncness();
        tokens.extend(quote! {
            #(#attributes)* #visibility #asyncness #qualifiers #fn_token #name #generics #inputs #output #body
        });
    }
}

/// The braces that `token` is; those that come out of a `macro_rules!` variable (`$body:block`) are wrapped in an
/// invisible group.
fn braces(token: TokenTree) -> Option<Group> {
    let TokenTree::Group(group) = token else { return None };
    match group.delimiter() {
        Delimiter::Brace => Some(group),
        Delimiter::None => {
            let mut content = group.stream().into_iter();
            match (content.next(), content.next()) {
                (Some(only), None) => braces(only),
                _ => None,
            }
        }
        Delimiter::Parenthesis | Delimiter::Bracket => None,
    }
}

/// Whether `#[path]` does what `attribute` does: ours under any of its usual names, or the built-in `#[test]`. Attributes
/// of other crates whose last name is `test` too are left to those crates.
fn repeats(attribute: Macro, path: &Path) -> bool {
    let segments: Vec<String> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    let (from_here, built_in) = match attribute {
        Macro::Main => ("main", false),
        Macro::Test => ("test", true),
    };
    match segments[..] {
        ["rt" | "rt_runtime" | "tokio", name] => name == from_here,
        ["test"] | ["core" | "std", "prelude", _, "test"] => built_in,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(source: &str) -> Result<AsyncFn> {
        syn::parse_str(source)
    }

    /// The message, and the piece of the source that it points at.
    fn error(attribute: Macro, source: &str) -> (String, String) {
        let error = match parse(source) {
            Ok(function) => function.check(attribute).expect_err(source),
            Err(error) => error,
        };
        let place = source[error.span().start().column..error.span().end().column].to_owned();
        (error.to_string(), place)
    }

    fn assert_error(source: &str, message: &str, place: &str) {
        for attribute in [Macro::Main, Macro::Test] {
            let error = error(attribute, source);
            assert!(error.0.contains(message), "{error:?}");
            assert_eq!(error.1, place);
        }
    }

    #[test]
    fn a_plain_async_fn_is_accepted() {
        for source in [
            "async fn f() {}",
            "pub(crate) async fn f() -> Result<(), Box<dyn Error>> { Ok(()) }",
            "#[allow(x)] /// doc\n pub async fn f() -> [u8; { 1 + 1 }] { [0; 2] }",
            "async fn r#fn() -> Lanes<{ 2 * 4 }> { Lanes }",
            "async fn f<>() -> ! { loop {} }",
        ] {
            for attribute in [Macro::Main, Macro::Test] {
                parse(source).unwrap().check(attribute).unwrap();
            }
        }
    }

    #[test]
    fn the_parts_are_told_apart() {
        let function = parse("#[a] #[b] pub async fn f() -> Lanes<{ 2 * 4 }> { body }").unwrap();
        assert_eq!(function.attributes.len(), 2);
        assert_eq!(function.visibility.to_token_stream().to_string(), "pub");
        assert_eq!(function.output.to_string(), quote!(-> Lanes<{ 2 * 4 }>).to_string());
        assert_eq!(function.body.to_string(), quote!({ body }).to_string());
    }

    #[test]
    fn a_body_out_of_a_macro_variable_is_found() {
        let braces = Group::new(Delimiter::Brace, quote!(body));
        let invisible = Group::new(Delimiter::None, braces.to_token_stream());
        let function: AsyncFn = syn::parse2(quote!(async fn f() #invisible)).unwrap();
        assert_eq!(function.body.delimiter(), Delimiter::Brace);
        assert_eq!(function.body.stream().to_string(), "body");
    }

    #[test]
    fn a_function_that_is_not_async_is_an_error_at_fn() {
        assert_error("pub fn f() {}", "write `async fn f`", "fn");
    }

    #[test]
    fn an_argument_is_an_error_at_the_arguments() {
        assert_error("async fn f(a: u8, b: &str) {}", "must not take arguments", "a: u8, b: &str");
    }

    #[test]
    fn an_argument_of_main_is_an_error_that_names_the_environment() {
        assert!(error(Macro::Main, "async fn main(x: u8) {}").0.contains("std::env"));
    }

    #[test]
    fn a_method_is_an_error_at_its_arguments() {
        for receiver in ["self", "&self", "&mut self", "&'a self", "mut self", "self: Arc<Self>"] {
            assert_error(&format!("async fn f({receiver}) {{}}"), "a method cannot be run", receiver);
        }
    }

    #[test]
    fn an_argument_whose_type_mentions_self_is_not_a_method() {
        assert_error("async fn f(a: self::A) {}", "must not take arguments", "a: self::A");
    }

    #[test]
    fn a_generic_function_is_an_error_at_the_parameters() {
        assert_error("async fn f<T: Fn(u8)>() {}", "must not be generic", "<T: Fn(u8)>");
    }

    #[test]
    fn a_qualifier_is_an_error_at_the_qualifier() {
        assert_error("async unsafe fn f() {}", "remove `unsafe`", "unsafe");
        assert_error("pub async extern \"C\" fn f() {}", "remove `extern \"C\"`", "extern \"C\"");
    }

    #[test]
    fn something_that_is_no_function_is_an_error() {
        assert_error("struct S {}", "belongs on an `async fn`", "struct");
        assert_error("pub mod m {}", "belongs on an `async fn`", "mod");
    }

    #[test]
    fn a_function_without_a_body_is_an_error_at_its_name() {
        assert_error("async fn f();", "has no body", "f");
        assert_error("async fn f() -> u8", "has no body", "f");
    }

    #[test]
    fn a_second_test_attribute_is_an_error_at_that_attribute() {
        for second in ["#[test]", "#[rt::test(flavor = \"x\")]", "#[tokio::test]", "#[::core::prelude::v1::test]"] {
            let error = error(Macro::Test, &format!("#[ignore] {second} async fn f() {{}}"));
            assert!(error.0.contains("a test already"), "{error:?}");
            assert_eq!(error.1, second);
        }
    }

    #[test]
    fn a_second_main_attribute_is_an_error_at_that_attribute() {
        for second in ["#[rt::main]", "#[tokio::main(flavor = \"x\")]"] {
            let error = error(Macro::Main, &format!("{second} async fn main() {{}}"));
            assert!(error.0.contains("has this attribute already"), "{error:?}");
            assert_eq!(error.1, second);
        }
    }

    #[test]
    fn a_test_attribute_of_another_crate_is_let_through() {
        for other in ["#[test_log::test]", "#[test_case(1)]", "#[cfg(test)]"] {
            parse(&format!("{other} async fn f() {{}}")).unwrap().check(Macro::Test).unwrap();
        }
    }

    #[test]
    fn main_may_be_a_test() {
        parse("#[test] async fn f() {}").unwrap().check(Macro::Main).unwrap();
    }
}
