//! What a crate shows, as rustdoc has written it down.

use crate::html::{between, section, text};
use crate::signature::{implemented, normal, with_self};
use std::collections::BTreeSet;
use std::path::Path;
use std::{fs, io};

/// All public items, methods, fields, variants and implementations of a crate, one fact each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Surface {
    facts: BTreeSet<Fact>,
}

/// `net::TcpStream::connect` and its signature; `net::TcpStream` and `struct`; `net::TcpStream: Send` and nothing.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fact {
    /// What it is about.
    pub subject: String,
    /// What is said of it.
    pub says: String,
}

impl Surface {
    /// Reads what `cargo doc` has made of a crate.
    ///
    /// # Errors
    ///
    /// If a page cannot be read.
    pub fn of_docs(folder: &Path) -> io::Result<Self> {
        let mut surface = Surface::default();
        surface.add_module(folder, "")?;
        Ok(surface)
    }

    /// Reads one fact a line, as [`Surface::lines`] gives them.
    pub fn of_lines(lines: &str) -> Self {
        let facts = lines.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).map(|line| {
            let (subject, says) = line.split_once(" | ").unwrap_or((line, ""));
            Fact { subject: subject.to_owned(), says: says.to_owned() }
        });
        Surface { facts: facts.collect() }
    }

    /// Adds the features of a manifest.
    pub fn add_features(&mut self, manifest: &str) {
        let features = manifest.split("\n[features]\n").nth(1).unwrap_or_default();
        for line in features.lines().take_while(|line| !line.starts_with('[')) {
            if let Some((name, _)) = line.split_once(" = ")
                && !name.starts_with(['#', ' '])
            {
                self.add(format!("feature \"{name}\""), "feature");
            }
        }
    }

    /// One fact a line, in order.
    pub fn lines(&self) -> String {
        let line = |fact: &Fact| match fact.says.is_empty() {
            true => format!("{}\n", fact.subject),
            false => format!("{} | {}\n", fact.subject, fact.says),
        };
        self.facts.iter().map(line).collect()
    }

    /// All of them, in order.
    pub fn facts(&self) -> impl Iterator<Item = &Fact> {
        self.facts.iter()
    }

    /// What is said of a subject.
    pub fn says(&self, subject: &str) -> impl Iterator<Item = &str> {
        let first = Fact { subject: subject.to_owned(), says: String::new() };
        let facts = self.facts.range(first..).take_while(move |fact| fact.subject == subject);
        facts.map(|fact| fact.says.as_str()).collect::<Vec<_>>().into_iter()
    }

    fn add(&mut self, subject: String, says: impl Into<String>) {
        self.facts.insert(Fact { subject, says: says.into() });
    }

    fn add_module(&mut self, folder: &Path, module: &str) -> io::Result<()> {
        let mut entries = fs::read_dir(folder)?.collect::<io::Result<Vec<_>>>()?;
        entries.sort_by_key(fs::DirEntry::file_name);
        for entry in entries {
            let name = entry.file_name().to_string_lossy().into_owned();
            if entry.file_type()?.is_dir() {
                self.add_module(&entry.path(), &join(module, &name))?;
                continue;
            }
            let Some(page) = name.strip_suffix(".html") else { continue };
            let html = fs::read_to_string(entry.path())?;
            // What stands in a private module has only a page that leads elsewhere.
            if html.contains("http-equiv=\"refresh\"") {
                continue;
            }
            match page.split_once('.') {
                Some((kind, item)) => self.add_item(kind, &join(module, item), &html),
                None if page == "index" => self.add_index(module, &html),
                None => (),
            }
        }
        Ok(())
    }

    /// The module itself, and what it re-exports.
    fn add_index(&mut self, module: &str, html: &str) {
        if !module.is_empty() {
            self.add(module.to_owned(), "mod");
        }
        for export in between(html, "id=\"reexport.", "</code>") {
            let name = export.split('"').next().unwrap_or_default();
            let what = text(export.split_once('>').map_or("", |(_, what)| what));
            let what = what.trim_start_matches("pub use ").trim_end_matches(';');
            self.add(join(module, name), format!("use {}", what.split(" as ").next().unwrap_or(what)));
        }
    }

    fn add_item(&mut self, kind: &str, item: &str, html: &str) {
        let declaration = between(html, "item-decl\"><code>", "</code></pre>").map(text).next().unwrap_or_default();
        match kind {
            "fn" => self.add(item.to_owned(), normal(&declaration)),
            "type" | "constant" | "static" => self.add(item.to_owned(), declaration),
            "macro" => self.add(format!("{item}!"), "macro"),
            "attr" => self.add(format!("#[{item}]"), "attribute"),
            _ => self.add(item.to_owned(), kind),
        }
        for variant in between(section(html, "variants"), "<section id=\"variant.", "</section>") {
            self.add_code(item, "variant", variant);
        }
        for field in between(section(html, "fields"), "<span id=\"structfield.", "</span>") {
            let name = field.split('"').next().unwrap_or_default();
            self.add(
                format!("{item}::{name}"),
                format!("field {}", text(field.rsplit("<code>").next().unwrap_or(field))),
            );
        }
        for part in ["required-methods", "provided-methods"] {
            for method in between(section(html, part), "<section id=\"", "</section>") {
                self.add_method(item, "Self", method);
            }
        }
        if kind == "trait" {
            return;
        }
        let mut this = String::new();
        for part in between(section(html, "implementations"), "<section id=\"", "</section>") {
            match part.starts_with("impl") {
                true => this = implemented(&header_of(part)).split(" where ").next().unwrap_or_default().to_owned(),
                false => self.add_method(item, &this, part),
            }
        }
        for part in ["trait-implementations", "synthetic-implementations"] {
            for header in between(section(html, part), "<section id=\"impl-", "</section>") {
                let header = implemented(&header_of(header));
                let (name, bounds) = header.split_once(" where ").unwrap_or((&header, ""));
                // Not stable, or nobody's concern.
                if !matches!(name.trim_start_matches('!'), "Drop" | "Freeze" | "UnsafeUnpin" | "StructuralPartialEq") {
                    self.add(format!("{item}: {name}"), bounds);
                }
            }
        }
    }

    fn add_code(&mut self, item: &str, kind: &str, section: &str) {
        let name = section.split('"').next().unwrap_or_default();
        self.add(format!("{item}::{name}"), format!("{kind} {}", header_of(section)));
    }

    /// A method of `this`, as the implementation writes that.
    fn add_method(&mut self, item: &str, this: &str, section: &str) {
        let id = section.split('"').next().unwrap_or_default();
        if let Some((kind @ ("method" | "tymethod"), name)) = id.split_once('.') {
            // Methods of the same name in several implementations are numbered.
            let name = name.trim_end_matches(|character: char| character.is_ascii_digit()).trim_end_matches('-');
            let required = if kind == "tymethod" { "required " } else { "" };
            let signature = with_self(&normal(&header_of(section)), this);
            self.add(format!("{item}::{name}"), format!("{required}{signature}"));
        }
    }
}

fn header_of(section: &str) -> String {
    let header = section.split_once("class=\"code-header\">").map_or("", |(_, header)| header);
    // An implementation is an `h3`, a method an `h4`.
    text(header.split("</h3>").next().and_then(|header| header.split("</h4>").next()).unwrap_or(header))
}

fn join(module: &str, name: &str) -> String {
    match module.is_empty() {
        true => name.to_owned(),
        false => format!("{module}::{name}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn features_are_those_of_the_manifest() {
        let mut surface = Surface::default();
        surface.add_features("[a]\nx = 1\n\n[features]\n# No.\none = []\ntwo = [\n    \"one\",\n]\n\n[b]\ny = 1\n");
        assert_eq!(surface.lines(), "feature \"one\" | feature\nfeature \"two\" | feature\n");
    }

    #[test]
    fn lines_are_read_as_they_were_written() {
        let lines = "a::B | struct\na::B: Send\na::B::f | fn f<T>(T) where T: Send\n";
        assert_eq!(Surface::of_lines(lines).lines(), lines);
    }

    #[test]
    fn a_page_tells_of_its_item() {
        let page = "<h2 id=\"implementations\" class=\"x\">\
            <section id=\"impl-B%3CT%3E\" class=\"impl\"><h3 class=\"code-header\">impl&lt;T&gt; <a>B</a>&lt;T&gt;</h3></section>\
            <section id=\"method.new\" class=\"method\"><h4 class=\"code-header\">pub fn <a>new</a>(value: T) -&gt; <a>B</a>&lt;T&gt;</h4></section>\
            <section id=\"method.new-1\" class=\"method\"><h4 class=\"code-header\">pub fn <a>new</a>(value: &amp;T) -&gt; Self</h4></section>\
            <h2 id=\"synthetic-implementations\" class=\"x\">\
            <section id=\"impl-Send-for-B\" class=\"impl\"><h3 class=\"code-header\">impl&lt;T&gt; Send for B&lt;T&gt;<div class=\"where\">where T: Send,</div></h3></section>\
            <section id=\"impl-Freeze-for-B\" class=\"impl\"><h3 class=\"code-header\">impl&lt;T&gt; Freeze for B&lt;T&gt;</h3></section>\
            <h2 id=\"blanket-implementations\" class=\"x\">\
            <section id=\"impl-Any-for-T\" class=\"impl\"><h3 class=\"code-header\">impl&lt;T&gt; Any for T</h3></section>";
        let mut surface = Surface::default();
        surface.add_item("struct", "a::B", page);
        let expected =
            "a::B | struct\na::B: Send | T: Send\na::B::new | fn new(&T) -> Self\na::B::new | fn new(T) -> Self\n";
        assert_eq!(surface.lines(), expected);
    }
}
