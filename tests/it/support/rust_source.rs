//! Just enough of Rust's syntax to see which paths a source file names.
//!
//! No macro expansion and no name resolution beyond `crate`, `self` and `super`: what a file *writes*
//! is what the architecture test judges.

use std::iter::Peekable;
use std::slice::Iter;

/// A word, a path separator or any other sign; comments, literals and lifetimes are left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Token {
    /// An identifier or keyword, without `r#`.
    Word(String),
    /// `::`
    Separator,
    /// One character of anything else.
    Sign(char),
}

/// A token with its line, counted from 1.
pub type Placed = (usize, Token);

/// A path as it is written, with the module in which it is: `["super", "store", "StoreError"]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedPath {
    /// Line of its first segment.
    pub line: usize,
    /// Inline modules around it, outermost first.
    pub inside: Vec<String>,
    /// Its segments; the last may be `*`.
    pub segments: Vec<String>,
}

/// Splits a source file into tokens.
pub fn tokens(source: &str) -> Vec<Placed> {
    let mut lexer = Lexer { rest: source, line: 1, found: Vec::new() };
    while lexer.step() {}
    lexer.found
}

struct Lexer<'a> {
    rest: &'a str,
    line: usize,
    found: Vec<Placed>,
}

impl Lexer<'_> {
    fn step(&mut self) -> bool {
        let rest = self.rest;
        let Some(first) = rest.chars().next() else { return false };
        if rest.starts_with("//") {
            self.skip(rest.find('\n').unwrap_or(rest.len()));
        } else if rest.starts_with("/*") {
            self.skip(block_comment(rest));
        } else if let Some(length) = text_literal(rest) {
            self.skip(length);
        } else if first == '\'' {
            self.skip(character_or_lifetime(rest));
        } else if first.is_alphanumeric() || first == '_' {
            let word = rest.strip_prefix("r#").unwrap_or(rest);
            let end = word.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(word.len());
            if !first.is_ascii_digit() {
                self.found.push((self.line, Token::Word(word[..end].to_owned())));
            }
            self.skip(rest.len() - word.len() + end);
        } else if rest.starts_with("::") {
            self.found.push((self.line, Token::Separator));
            self.skip(2);
        } else {
            if !first.is_whitespace() {
                self.found.push((self.line, Token::Sign(first)));
            }
            self.skip(first.len_utf8());
        }
        true
    }

    fn skip(&mut self, bytes: usize) {
        let (gone, rest) = self.rest.split_at(bytes);
        self.line += gone.matches('\n').count();
        self.rest = rest;
    }
}

/// Length of a block comment; they nest.
fn block_comment(text: &str) -> usize {
    let (mut depth, mut at) = (0, 0);
    while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
        let step = if rest.starts_with("/*") {
            depth += 1;
            2
        } else if rest.starts_with("*/") {
            depth -= 1;
            2
        } else {
            rest.chars().next().map_or(1, char::len_utf8)
        };
        at += step;
        if depth == 0 {
            break;
        }
    }
    at
}

/// Length of a string literal of any kind, if one starts here.
fn text_literal(text: &str) -> Option<usize> {
    let letters = text.find(|c| !matches!(c, 'b' | 'c' | 'r'))?;
    if letters > 2 {
        return None;
    }
    let raw = text[..letters].contains('r');
    let after = &text[letters..];
    let hashes = if raw { after.find(|c| c != '#')? } else { 0 };
    let content = after[hashes..].strip_prefix('"')?;
    let start = text.len() - content.len();
    if raw {
        let end = format!("\"{}", "#".repeat(hashes));
        return Some(start + content.find(&end).map_or(content.len(), |at| at + end.len()));
    }
    let mut escaped = false;
    for (at, c) in content.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return Some(start + at + 1),
            _ => {}
        }
    }
    Some(text.len())
}

fn character_or_lifetime(text: &str) -> usize {
    let inner = &text[1..];
    if let Some(escape) = inner.strip_prefix('\\') {
        // The escaped character may itself be a quote.
        let first = escape.chars().next().map_or(0, char::len_utf8);
        return escape[first..].find('\'').map_or(text.len(), |at| 2 + first + at + 1);
    }
    let first = inner.chars().next().map_or(0, char::len_utf8);
    if inner[first..].starts_with('\'') {
        return 1 + first + 1;
    }
    1 + inner.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(inner.len())
}

/// Every path of two or more segments, and every path of a `use` or `extern crate`, groups unfolded.
pub fn paths(tokens: &[Placed]) -> Vec<NamedPath> {
    let mut found = Vec::new();
    let mut modules: Vec<(usize, String)> = Vec::new();
    let mut depth = 0;
    let mut rest = tokens.iter().peekable();
    let mut before: Option<&Token> = None;
    while let Some((line, token)) = rest.next() {
        let mut named = Vec::new();
        match token {
            Token::Sign('{') => depth += 1,
            Token::Sign('}') => {
                depth -= 1;
                modules.retain(|(its_depth, _)| *its_depth <= depth);
            }
            Token::Word(word) if word == "mod" => {
                let mut ahead = rest.clone();
                if let (Some((_, Token::Word(name))), Some((_, Token::Sign('{')))) =
                    (ahead.next(), ahead.next())
                {
                    modules.push((depth + 1, name.clone()));
                }
            }
            Token::Word(word) if word == "use" => use_tree(&mut rest, &[], &mut named),
            Token::Word(word) if word == "crate" && before == Some(&Token::Word("extern".to_owned())) => {
                use_tree(&mut rest, &[], &mut named);
            }
            // Paths are taken whole, so every word that is left starts one.
            Token::Word(word) => {
                let mut segments = vec![word.clone()];
                plain_path(&mut rest, &mut segments);
                if segments.len() > 1 {
                    named.push((*line, segments));
                }
            }
            _ => {}
        }
        before = Some(token);
        let inside: Vec<String> = modules.iter().map(|(_, name)| name.clone()).collect();
        found.extend(named.into_iter().map(|(line, segments)| NamedPath {
            line,
            inside: inside.clone(),
            segments,
        }));
    }
    found
}

fn plain_path(rest: &mut Peekable<Iter<'_, Placed>>, segments: &mut Vec<String>) {
    loop {
        let mut ahead = rest.clone();
        let (Some((_, Token::Separator)), Some((_, Token::Word(word)))) = (ahead.next(), ahead.next()) else {
            return;
        };
        segments.push(word.clone());
        *rest = ahead;
    }
}

/// Reads `a::b::{c, d::*, e as f}` and adds each leaf.
fn use_tree(rest: &mut Peekable<Iter<'_, Placed>>, prefix: &[String], found: &mut Vec<(usize, Vec<String>)>) {
    let mut path = prefix.to_vec();
    let mut first_line = None;
    loop {
        match rest.peek() {
            Some((_, Token::Separator)) => {
                rest.next();
            }
            Some((line, Token::Word(word))) if word != "as" => {
                first_line.get_or_insert(*line);
                path.push(word.clone());
                rest.next();
            }
            Some((line, Token::Sign('*'))) => {
                first_line.get_or_insert(*line);
                path.push("*".to_owned());
                rest.next();
            }
            Some((_, Token::Sign('{'))) => {
                rest.next();
                while !matches!(rest.peek(), None | Some((_, Token::Sign('}')))) {
                    use_tree(rest, &path, found);
                    if matches!(rest.peek(), Some((_, Token::Sign(',')))) {
                        rest.next();
                    } else if !matches!(rest.peek(), Some((_, Token::Sign('}')))) {
                        return; // no `use` after all
                    }
                }
                rest.next();
                return;
            }
            Some((_, Token::Word(_))) => {
                rest.next(); // `as`
                rest.next(); // its new name
            }
            _ => {
                if let Some(line) = first_line {
                    found.push((line, path));
                }
                return;
            }
        }
    }
}
