//! Where the runtime crate is, seen from the code that uses a macro.

use proc_macro_crate::FoundCrate;
use proc_macro2::{Ident, Span, TokenStream};
use quote::quote_spanned;

/// The runtime as the `Cargo.toml` of the crate being compiled names it.
pub(crate) fn look_up() -> TokenStream {
    path(proc_macro_crate::crate_name("rt-runtime").ok())
}

/// A lookup fails where there is no `Cargo.toml` (other build systems), or where the runtime is not a direct
/// dependency. The library's own name is the best guess there.
fn path(found: Option<FoundCrate>) -> TokenStream {
    let span = Span::mixed_site();
    let name = match found {
        // `rt_runtime` is what the lookup makes of the package's name; the library in it is called `rt`.
        Some(FoundCrate::Name(name)) if name != "rt_runtime" => Ident::new(&name, span),
        _ => Ident::new("rt", span),
    };
    // With leading colons, so that a module of the user with the same name is not in the way.
    quote_spanned!(span=> ::#name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(name: &str) -> Option<FoundCrate> {
        Some(FoundCrate::Name(name.to_owned()))
    }

    #[test]
    fn an_unrenamed_dependency_is_rt() {
        assert_eq!(path(name("rt_runtime")).to_string(), ":: rt");
    }

    #[test]
    fn the_runtime_itself_is_rt() {
        assert_eq!(path(Some(FoundCrate::Itself)).to_string(), ":: rt");
    }

    #[test]
    fn a_renamed_dependency_has_its_new_name() {
        assert_eq!(path(name("tokio")).to_string(), ":: tokio");
        assert_eq!(path(name("rt")).to_string(), ":: rt");
    }

    #[test]
    fn a_failed_lookup_is_rt() {
        assert_eq!(path(None).to_string(), ":: rt");
    }
}
