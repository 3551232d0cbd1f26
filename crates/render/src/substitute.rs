//! The grammar of variables in a built object's text.
//!
//! Bug-compatible with the reference (kustomization.md, 7 and 22.1 to 22.4): only `${…}` is
//! special, `$$` is a dollar, all five default operators are the same, globs cross slashes.

use indexmap::IndexMap;

/// Values by name.
pub type Variables = IndexMap<String, String>;

/// How deep expressions may nest.
pub const DEPTH_MAX: usize = 64;
/// How long a substituted text may become.
pub const TEXT_BYTES_MAX: usize = 64 << 20;

/// What becomes of a variable that is not set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Unset {
    /// It is an error.
    #[default]
    Refused,
    /// It is empty.
    Empty,
}

/// Why a text cannot be substituted. Never shows a value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// `${` is not followed by a name.
    #[error("unable to parse variable name")]
    Name,
    /// An expression is not closed where it must be.
    #[error("missing closing brace")]
    Brace,
    /// An expression breaks the grammar.
    #[error("bad substitution")]
    Bad,
    /// The argument of an operator breaks the grammar.
    #[error("unable to parse substitution within function")]
    Argument,
    /// A variable without default is not set.
    #[error("variable not set (strict mode): {0:?}")]
    Unset(String),
    /// A part of a value is asked for that ends before it begins.
    #[error("slice bounds out of range in `${{{0}}}`")]
    Range(String),
    /// A bound of this grammar is exceeded.
    #[error("{0} exceeds its limit")]
    Limit(&'static str),
}

/// Expands a template. Slices count bytes, so the result may be no text.
pub fn substitute(template: &str, variables: &Variables, unset: Unset) -> Result<Vec<u8>, Error> {
    let mut parser = Parser { text: template.as_bytes().to_vec(), at: 0, depth: 0 };
    let mut out = Vec::new();
    for node in parser.template()? {
        node.evaluate(variables, unset, &mut out)?;
        if out.len() > TEXT_BYTES_MAX {
            return Err(Error::Limit("substituted text"));
        }
    }
    Ok(out)
}

enum Node {
    Text(Vec<u8>),
    Function { name: String, operator: String, arguments: Vec<Node> },
}

/// Which backslashes escape.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Escape {
    None,
    Dollar,
    All,
}

struct Parser {
    text: Vec<u8>,
    at: usize,
    depth: usize,
}

impl Parser {
    /// The next byte; a NUL ends the template.
    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied().filter(|byte| *byte != 0)
    }

    fn after(&self) -> Option<u8> {
        self.text.get(self.at + 1).copied().filter(|byte| *byte != 0)
    }

    fn opens(&self) -> bool {
        self.peek() == Some(b'$') && self.after() == Some(b'{')
    }

    fn escapes(&self, escape: Escape) -> bool {
        match (self.peek(), escape) {
            (_, Escape::None) => false,
            (Some(b'$'), _) => self.after() == Some(b'$'),
            (Some(b'\\'), Escape::All) => matches!(self.after(), Some(b'/' | b'\\')),
            _ => false,
        }
    }

    /// Takes bytes up to an expression or the first that is not accepted.
    fn take(&mut self, escape: Escape, accept: impl Fn(u8) -> bool) -> Vec<u8> {
        let mut taken = Vec::new();
        while let Some(byte) = self.peek() {
            if self.escapes(escape) {
                taken.extend(self.after());
                self.at += 2;
            } else if (escape != Escape::None || !taken.is_empty() || self.opens()) && self.opens()
            {
                break;
            } else if accept(byte) {
                taken.push(byte);
                self.at += 1;
            } else {
                break;
            }
        }
        taken
    }

    fn template(&mut self) -> Result<Vec<Node>, Error> {
        let mut nodes = Vec::new();
        while self.peek().is_some() {
            if !self.escapes(Escape::Dollar) && self.opens() {
                self.at += 2;
                nodes.push(self.expression()?);
            } else {
                nodes.push(Node::Text(self.take(Escape::Dollar, |_| true)));
            }
        }
        Ok(nodes)
    }

    fn name(&mut self) -> String {
        let rest = String::from_utf8_lossy(&self.text[self.at..]).into_owned();
        let legal = |c: char| c.is_alphanumeric() || c == '_';
        let end = rest.find(|c| !legal(c)).unwrap_or(rest.len());
        self.at += end;
        rest[..end].to_owned()
    }

    /// What follows `${`.
    fn expression(&mut self) -> Result<Node, Error> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(Error::Limit("nesting of expressions"));
        }
        let node = self.function()?;
        self.depth -= 1;
        Ok(node)
    }

    fn function(&mut self) -> Result<Node, Error> {
        if self.peek() == Some(b'#') {
            self.at += 1;
            let name = self.name();
            if name.is_empty() {
                return Err(Error::Bad);
            }
            self.close(Error::Bad)?;
            return Ok(Node::Function { name, operator: "#".into(), arguments: Vec::new() });
        }
        let name = self.name();
        if name.is_empty() {
            return Err(Error::Name);
        }
        let (operator, arguments) = match self.peek() {
            Some(b':') => match self.after() {
                Some(b'=' | b'-' | b'?' | b'+') => self.default(2)?,
                _ => self.slice()?,
            },
            Some(b'=') => self.default(1)?,
            Some(b',' | b'^') => self.casing()?,
            Some(b'/') => self.replace()?,
            Some(sign @ (b'#' | b'%')) => self.trim(sign)?,
            _ => {
                self.close(Error::Brace)?;
                (String::new(), Vec::new())
            }
        };
        Ok(Node::Function { name, operator, arguments })
    }

    fn close(&mut self, error: Error) -> Result<(), Error> {
        if self.peek() != Some(b'}') {
            return Err(error);
        }
        self.at += 1;
        Ok(())
    }

    fn argument(&mut self, escape: Escape, accept: impl Fn(u8) -> bool) -> Result<Node, Error> {
        if !self.escapes(escape) && self.opens() {
            self.at += 2;
            return self.expression();
        }
        let start = self.at;
        let text = self.take(escape, accept);
        if self.at == start { Err(Error::Argument) } else { Ok(Node::Text(text)) }
    }

    fn default(&mut self, length: usize) -> Result<(String, Vec<Node>), Error> {
        self.at += length;
        let mut arguments = Vec::new();
        while self.peek() != Some(b'}') {
            arguments.push(self.argument(Escape::None, |byte| byte != b'}')?);
        }
        self.at += 1;
        Ok((":=".into(), arguments))
    }

    fn slice(&mut self) -> Result<(String, Vec<Node>), Error> {
        self.at += 1;
        if self.peek().is_none() {
            return Err(Error::Bad);
        }
        let mut arguments = vec![self.argument(Escape::None, |byte| byte != b':' && byte != b'}')?];
        match self.peek() {
            Some(b'}') => {}
            Some(b':') => {
                while self.peek() == Some(b':') {
                    self.at += 1;
                }
                arguments.push(self.argument(Escape::None, |byte| byte != b'}')?);
            }
            _ => return Err(Error::Bad),
        }
        self.close(Error::Bad)?;
        Ok((":".into(), arguments))
    }

    fn casing(&mut self) -> Result<(String, Vec<Node>), Error> {
        let mut operator = String::new();
        while let Some(sign @ (b',' | b'^')) = self.peek() {
            if operator.len() == 2 {
                break;
            }
            operator.push(char::from(sign));
            self.at += 1;
        }
        self.close(Error::Bad)?;
        Ok((operator, Vec::new()))
    }

    fn replace(&mut self) -> Result<(String, Vec<Node>), Error> {
        self.at += 1;
        let mut operator = String::from("/");
        if let Some(sign @ (b'/' | b'#' | b'%')) = self.peek() {
            operator.push(char::from(sign));
            self.at += 1;
        }
        let mut arguments = vec![self.argument(Escape::All, |byte| byte != b'/')?];
        if self.peek() != Some(b'/') {
            return Err(Error::Bad);
        }
        while self.peek() == Some(b'/') {
            self.at += 1;
        }
        if self.peek() != Some(b'}') {
            arguments.push(self.argument(Escape::All, |byte| byte != b'}')?);
        }
        self.close(Error::Bad)?;
        Ok((operator, arguments))
    }

    fn trim(&mut self, sign: u8) -> Result<(String, Vec<Node>), Error> {
        let mut operator = String::new();
        while self.peek() == Some(sign) && operator.len() < 2 {
            operator.push(char::from(sign));
            self.at += 1;
        }
        let argument = self.argument(Escape::None, |byte| byte != b'}')?;
        self.close(Error::Bad)?;
        Ok((operator, vec![argument]))
    }
}

impl Node {
    fn evaluate(
        &self,
        variables: &Variables,
        unset: Unset,
        out: &mut Vec<u8>,
    ) -> Result<(), Error> {
        let (name, operator, arguments) = match self {
            Self::Text(text) => {
                out.extend(text);
                return Ok(());
            }
            Self::Function { name, operator, arguments } => (name, operator, arguments),
        };
        let mut values = Vec::new();
        for argument in arguments {
            let mut value = Vec::new();
            argument.evaluate(variables, unset, &mut value)?;
            values.push(value);
        }
        let value = variables.get(name);
        if value.is_none() && unset == Unset::Refused && operator != ":=" {
            return Err(Error::Unset(name.clone()));
        }
        let value = value.map_or(&[][..], String::as_bytes);
        out.extend(apply(name, operator, value, &values)?);
        Ok(())
    }
}

fn apply(
    name: &str,
    operator: &str,
    value: &[u8],
    arguments: &[Vec<u8>],
) -> Result<Vec<u8>, Error> {
    let text = || String::from_utf8_lossy(value).into_owned();
    let first = arguments.first().map_or(&[][..], Vec::as_slice);
    Ok(match (operator, arguments) {
        ("#", []) => value.len().to_string().into_bytes(),
        ("^^", _) => text().to_uppercase().into_bytes(),
        (",,", _) => text().to_lowercase().into_bytes(),
        ("^", _) => first_letter(&text(), char::to_uppercase),
        (",", _) => first_letter(&text(), char::to_lowercase),
        ("#", _) => trim(value, first, Length::Shortest),
        ("##", _) => trim(value, first, Length::Longest),
        ("%", _) => reversed(&trim(&reversed(value), &reversed(first), Length::Shortest)),
        ("%%", _) => reversed(&trim(&reversed(value), &reversed(first), Length::Longest)),
        ("/", [from, to @ ..]) => replace(value, from, to.first(), 1),
        ("//", [from, to @ ..]) => replace(value, from, to.first(), usize::MAX),
        ("/#", [from, to]) if value.starts_with(from) => [to, &value[from.len()..]].concat(),
        ("/%", [from, to]) if value.ends_with(from) => {
            [&value[..value.len() - from.len()], to].concat()
        }
        (":", _) => slice(name, value, arguments)?,
        (":=", _) if value.is_empty() => arguments.concat(),
        _ => value.to_vec(),
    })
}

fn first_letter<I: Iterator<Item = char>>(text: &str, change: fn(char) -> I) -> Vec<u8> {
    let mut chars = text.chars();
    let first: String = chars.next().into_iter().flat_map(change).collect();
    format!("{first}{}", chars.as_str()).into_bytes()
}

/// Go's `Atoi`.
fn number(text: &[u8]) -> Option<i64> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

fn slice(name: &str, value: &[u8], arguments: &[Vec<u8>]) -> Result<Vec<u8>, Error> {
    let length = i64::try_from(value.len()).unwrap_or(i64::MAX);
    let Some(offset) = arguments.first().and_then(|text| number(text)) else {
        return Ok(value.to_vec());
    };
    let offset = if offset < 0 { offset.saturating_add(length).max(0) } else { offset };
    let end = match arguments.get(1) {
        None => length,
        Some(text) => match number(text) {
            None => return Ok(value.to_vec()),
            Some(count) => offset.saturating_add(count).min(length),
        },
    };
    if offset >= length && end >= length {
        return Ok(Vec::new());
    }
    let part = usize::try_from(offset)
        .ok()
        .zip(usize::try_from(end).ok())
        .and_then(|(offset, end)| value.get(offset..end));
    part.map(<[u8]>::to_vec).ok_or_else(|| Error::Range(name.to_owned()))
}

fn replace(value: &[u8], from: &[u8], to: Option<&Vec<u8>>, most: usize) -> Vec<u8> {
    let to = to.map_or(&[][..], Vec::as_slice);
    let mut out = Vec::new();
    let (mut at, mut count) = (0, 0);
    if from.is_empty() {
        return if most == 1 { [to, value].concat() } else { between(value, to) };
    }
    while at < value.len() {
        if count < most && value[at..].starts_with(from) {
            out.extend(to);
            at += from.len();
            count += 1;
        } else {
            out.push(value[at]);
            at += 1;
        }
    }
    out
}

/// An empty pattern matches before every character and at the end.
fn between(value: &[u8], to: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(value);
    let mut out = to.to_vec();
    for c in text.chars() {
        out.extend(c.to_string().as_bytes());
        out.extend(to);
    }
    out
}

fn reversed(text: &[u8]) -> Vec<u8> {
    String::from_utf8_lossy(text).chars().rev().collect::<String>().into_bytes()
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Length {
    Shortest,
    Longest,
}

/// Removes the shortest or longest start that matches; it is never empty.
fn trim(value: &[u8], pattern: &[u8], length: Length) -> Vec<u8> {
    let Some(pattern) = glob(pattern) else { return value.to_vec() };
    let mut ends: Vec<usize> = (1..=value.len()).collect();
    if length == Length::Longest {
        ends.reverse();
    }
    let fits = |end: &usize| {
        let chars: Vec<char> = String::from_utf8_lossy(&value[..*end]).chars().collect();
        fits(&pattern, &chars)
    };
    ends.into_iter().find(fits).map_or_else(|| value.to_vec(), |end| value[end..].to_vec())
}

enum Piece {
    Any,
    One,
    Char(char),
    Class { negated: bool, ranges: Vec<(char, char)> },
}

/// Reads a pattern; `None` when it is malformed.
fn glob(pattern: &[u8]) -> Option<Vec<Piece>> {
    let text = String::from_utf8_lossy(pattern).into_owned();
    let mut chars = text.chars().peekable();
    let mut pieces = Vec::new();
    while let Some(c) = chars.next() {
        pieces.push(match c {
            '*' => Piece::Any,
            '?' => Piece::One,
            '\\' => Piece::Char(chars.next()?),
            '[' => {
                let negated = chars.next_if_eq(&'^').is_some();
                let mut ranges = Vec::new();
                loop {
                    if chars.peek() == Some(&']') && !ranges.is_empty() {
                        chars.next();
                        break;
                    }
                    let low = class_char(&mut chars)?;
                    let high = match chars.next_if_eq(&'-') {
                        Some(_) => class_char(&mut chars)?,
                        None => low,
                    };
                    ranges.push((low, high));
                }
                Piece::Class { negated, ranges }
            }
            c => Piece::Char(c),
        });
    }
    Some(pieces)
}

fn class_char(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Option<char> {
    match chars.next()? {
        '-' | ']' => None,
        '\\' => chars.next(),
        c => Some(c),
    }
}

/// Matches a whole text, in time proportional to both lengths.
fn fits(pattern: &[Piece], text: &[char]) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        let one = match pattern.get(p) {
            Some(Piece::Any) => {
                star = Some((p, t));
                p += 1;
                continue;
            }
            Some(Piece::One) => true,
            Some(Piece::Char(c)) => *c == text[t],
            Some(Piece::Class { negated, ranges }) => {
                ranges.iter().any(|(low, high)| (*low..=*high).contains(&text[t])) != *negated
            }
            None => false,
        };
        if one {
            p += 1;
            t += 1;
        } else if let Some((star_p, star_t)) = star {
            p = star_p + 1;
            t = star_t + 1;
            star = Some((star_p, star_t + 1));
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|piece| matches!(piece, Piece::Any))
}
