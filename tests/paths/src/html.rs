//! The little of HTML that rustdoc's pages need.

/// The text of a piece of a page: without tags, entities decoded, white space as single blanks.
pub(crate) fn text(html: &str) -> String {
    let mut bare = String::with_capacity(html.len());
    let mut rest = html;
    while let Some(open) = rest.find('<') {
        bare.push_str(&rest[..open]);
        // Words on both sides of a block stay apart.
        if rest[open..].starts_with("<div") {
            bare.push(' ');
        }
        match rest[open..].find('>') {
            Some(close) => rest = &rest[open + close + 1..],
            None => rest = "",
        }
    }
    bare.push_str(rest);
    let bare = bare.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&#39;", "'");
    let bare = bare.replace("&nbsp;", " ").replace("&amp;", "&").replace('ⓘ', " ");
    bare.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// What stands between `open` and the next `close`, wherever that is in `html`, again and again.
pub(crate) fn between<'a>(html: &'a str, open: &'a str, close: &'a str) -> impl Iterator<Item = &'a str> {
    html.split(open).skip(1).filter_map(move |rest| rest.split(close).next())
}

/// The part of a page that begins with the heading of that `id`, up to the next heading of its kind.
pub(crate) fn section<'a>(page: &'a str, id: &str) -> &'a str {
    let mark = format!("<h2 id=\"{id}\"");
    let Some(begin) = page.find(&mark) else { return "" };
    let body = &page[begin + mark.len()..];
    // Headings in documentation are smaller.
    body.split("<h2 ").next().unwrap_or(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_has_no_tags_and_no_entities() {
        assert_eq!(text("fn <a href=\"x\">f</a>(\n    x: &amp;<b>str</b>,\n)<div>where"), "fn f( x: &str, ) where");
    }

    #[test]
    fn a_section_ends_where_the_next_begins() {
        let page = "<h2 id=\"a\" class=\"c\">A</h2>one<h5 id=\"x\">two<h2 id=\"b\">B";
        assert!(section(page, "a").ends_with("one<h5 id=\"x\">two"));
        assert_eq!(section(page, "c"), "");
    }
}
