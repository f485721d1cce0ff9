//! From addresses to text.

use std::ffi::c_void;
use std::fmt::Write;
use std::ptr;

/// The names behind the addresses of a capture, in the manner of the standard library's backtraces.
///
/// Reads the program's debug information the first time, which takes some milliseconds or, for a large program, some
/// hundred; allocates and takes locks. What was inlined stands under the address that it was inlined at.
pub(crate) fn symbolise(addresses: &[usize]) -> String {
    let mut text = String::new();
    for (index, &address) in addresses.iter().enumerate() {
        // A return address is behind the call, perhaps in another function already; so `resolve` looks one byte before
        // what it is given. The first address is no return address.
        let behind = if index == 0 { address.wrapping_add(1) } else { address };
        let mut found = false;
        backtrace::resolve(ptr::without_provenance_mut::<c_void>(behind), |symbol| {
            if found {
                text.push_str("      ");
            } else {
                push(&mut text, format_args!("{index:4}: "));
            }
            found = true;
            match symbol.name() {
                Some(name) => push(&mut text, format_args!("{name:#}\n")),
                None => push(&mut text, format_args!("{address:#x}\n")),
            }
            if let (Some(file), Some(line)) = (symbol.filename(), symbol.lineno()) {
                push(&mut text, format_args!("             at {}:{line}\n", file.display()));
            }
        });
        if !found {
            push(&mut text, format_args!("{index:4}: {address:#x}\n"));
        }
    }
    text
}

fn push(text: &mut String, arguments: std::fmt::Arguments<'_>) {
    text.write_fmt(arguments).expect("a String takes everything");
}
