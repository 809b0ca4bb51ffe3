//! Whether the attribute stands in an `impl` or a trait. The compiler does not tell an attribute, so this reads the source
//! file. Where the file cannot be read, the function counts as one outside, and the compiler refuses what does not fit.

use std::fs;

/// What a function stands in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Impl,
    Trait,
    /// A module, another function, or a place that is not known.
    Elsewhere,
}

/// The place of the attribute that is being expanded.
pub(crate) fn of_attribute() -> Place {
    if !proc_macro::is_available() {
        return Place::Elsewhere;
    }
    let span = proc_macro::Span::call_site();
    let text = span.local_file().and_then(|file| fs::read_to_string(file).ok());
    text.and_then(|text| around(&text, span.line(), span.column())).unwrap_or(Place::Elsewhere)
}

/// What stands around the attribute in this line and column, both counted from 1; `None`: there is no attribute.
fn around(text: &str, line: usize, column: usize) -> Option<Place> {
    let start: usize = text.split_inclusive('\n').take(line.checked_sub(1)?).map(str::len).sum();
    let rest = text.get(start..)?;
    let at = rest.char_indices().nth(column.checked_sub(1)?)?.0;
    rest[at..].starts_with('#').then(|| innermost(&text[..start + at]))
}

/// What the innermost brace belongs to that is open at the end of the text.
fn innermost(text: &str) -> Place {
    let mut rest = text;
    let mut open = Vec::new();
    // The keyword that the item or statement here began with, and how many parentheses and brackets are open in it.
    let (mut keyword, mut depth) = (None, 0_usize);
    while let Some(next) = rest.chars().next() {
        let len = match next {
            '/' if rest.starts_with("//") => rest.find('\n').unwrap_or(rest.len()),
            '/' if rest.starts_with("/*") => comment(rest),
            '"' => string(rest, 1),
            '\'' => quoted(rest),
            'a'..='z' | 'A'..='Z' | '_' => {
                let len = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
                match literal(rest, len) {
                    Some(len) => len,
                    None => {
                        if depth == 0 && keyword.is_none() {
                            keyword = Keyword::of(&rest[..len]);
                        }
                        len
                    }
                }
            }
            '(' | '[' => {
                depth += 1;
                1
            }
            ')' | ']' => {
                depth = depth.saturating_sub(1);
                1
            }
            '{' => {
                open.push((keyword.take(), depth));
                depth = 0;
                1
            }
            '}' => {
                depth = open.pop().map_or(0, |(_, depth)| depth);
                keyword = None;
                1
            }
            ';' if depth == 0 => {
                keyword = None;
                1
            }
            other => other.len_utf8(),
        };
        rest = rest.get(len..).unwrap_or_default();
    }
    match open.last() {
        Some((Some(Keyword::Impl), _)) => Place::Impl,
        Some((Some(Keyword::Trait), _)) => Place::Trait,
        _ => Place::Elsewhere,
    }
}

/// What an item can begin with.
#[derive(Clone, Copy)]
enum Keyword {
    Impl,
    Trait,
    /// Items and statements whose head may contain an `impl` of another meaning.
    Other,
}

impl Keyword {
    fn of(word: &str) -> Option<Self> {
        match word {
            "impl" => Some(Self::Impl),
            "trait" => Some(Self::Trait),
            "fn" | "mod" | "struct" | "enum" | "union" | "type" | "static" | "let" | "return" | "match" | "if"
            | "while" | "for" | "macro_rules" => Some(Self::Other),
            _ => None,
        }
    }
}

/// The length of a comment, nested comments included.
fn comment(text: &str) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
        let step = match rest {
            _ if rest.starts_with("/*") => {
                depth += 1;
                2
            }
            _ if rest.starts_with("*/") => {
                depth -= 1;
                2
            }
            _ => rest.chars().next().map_or(1, char::len_utf8),
        };
        at += step;
        if depth == 0 {
            break;
        }
    }
    at
}

/// The length of a string whose text begins at `from`.
fn string(text: &str, from: usize) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip_while(|(at, _)| *at < from) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// The length of a character in quotes, or of a lifetime's quote.
fn quoted(text: &str) -> usize {
    let mut chars = text.char_indices().skip(1);
    match (chars.next(), chars.next()) {
        (Some((_, '\\')), Some((at, escaped))) => {
            let from = at + escaped.len_utf8();
            text.get(from..).and_then(|rest| rest.find('\'')).map_or(text.len(), |at| from + at + 1)
        }
        (Some(_), Some((at, '\''))) => at + 1,
        _ => 1,
    }
}

/// The length of a literal that begins with this word: `b"…"`, `r#"…"#`, `b'…'` and their kin.
fn literal(text: &str, word: usize) -> Option<usize> {
    let (prefix, rest) = text.split_at(word);
    if !["b", "c", "r", "br", "cr"].contains(&prefix) {
        return None;
    }
    if prefix == "b" && rest.starts_with('\'') {
        return Some(word + quoted(rest));
    }
    if !prefix.ends_with('r') {
        return rest.starts_with('"').then(|| word + string(rest, 1));
    }
    let hashes = rest.chars().take_while(|c| *c == '#').count();
    let body = rest[hashes..].strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(hashes));
    let len = body.find(&end).map_or(body.len(), |at| at + end.len());
    Some(word + hashes + 1 + len)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The place of the first `#[parallel]`.
    fn place(text: &str) -> Option<Place> {
        let at = text.find("#[parallel]").unwrap();
        let line = text[..at].matches('\n').count() + 1;
        let column = text[..at].chars().rev().take_while(|c| *c != '\n').count() + 1;
        around(text, line, column)
    }

    #[test]
    fn an_impl_is_found_whatever_stands_in_front() {
        for head in [
            "impl T {",
            "impl<const N: usize> Display for [u8; N] {\n",
            "mod m { unsafe impl Send for T {",
            "#[cfg(all(unix, feature = \"x\"))] impl T { fn f() -> impl Fn() { || {} } const C: [u8; 1] = [{ 1 }];",
            "impl T { /* } /* } */ } */ // }\n const A: &str = \"}\\\"}\"; const B: char = '}'; const C: u8 = b'\\'';",
            "impl<'a> T<'a> { const R: &str = r#\"}\"}\"#; const S: &[u8] = br\"}\\\";",
            "fn f() { struct T; impl T { fn first() { if true { } }",
            "impl T { /// It's \"said\": don't }\n",
        ] {
            assert_eq!(place(&format!("{head} #[parallel] fn f()")), Some(Place::Impl), "{head}");
        }
    }

    #[test]
    fn a_trait_is_found_and_nothing_else_is_taken_for_one() {
        assert_eq!(place("pub unsafe trait T where Self: Sized { #[parallel]"), Some(Place::Trait));
        for head in [
            "",
            "mod m {",
            "impl T { fn f() {",
            "impl T {} struct S { a: u8 }",
            "fn f() -> impl Fn() {",
            "fn f(x: impl Into<u8>) {",
            "macro_rules! m { (impl $x:ident) => {",
            "// impl {\n",
            "const S: &str = \"impl {\";",
            "trait A {} ",
        ] {
            assert_eq!(place(&format!("{head} #[parallel] fn f()")), Some(Place::Elsewhere), "{head}");
        }
    }

    #[test]
    fn what_is_not_there_is_nowhere() {
        for (line, column) in [(0, 1), (1, 0), (1, 1), (9, 9), (1, 999)] {
            assert_eq!(around("impl ö { #[parallel]", line, column), None);
        }
        assert_eq!(around("impl ö { #[parallel]", 1, 10), Some(Place::Impl));
    }
}
