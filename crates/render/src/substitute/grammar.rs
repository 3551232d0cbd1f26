//! From a template to a tree.

use super::{DEPTH_MAX, EXPRESSIONS_MAX, Error};

/// A part of a template.
pub(super) enum Node<'a> {
    /// Bytes that stand for themselves.
    Text(Vec<u8>),
    /// `${…}`
    Function {
        /// The variable.
        name: &'a str,
        /// What is done with its value; nothing where this is empty.
        operator: &'static str,
        /// What the operator is given.
        arguments: Vec<Self>,
    },
}

/// Reads a whole template.
pub(super) fn parse(template: &str) -> Result<Vec<Node<'_>>, Error> {
    Parser { text: template, at: 0, depth: 0, expressions: 0 }.template()
}

/// Which backslashes escape.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Escape {
    None,
    Dollar,
    All,
}

struct Parser<'a> {
    text: &'a str,
    /// Always between two characters: what is told apart by its first byte is ASCII.
    at: usize,
    depth: usize,
    expressions: usize,
}

impl<'a> Parser<'a> {
    /// The next byte; a NUL ends the template.
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied().filter(|byte| *byte != 0)
    }

    fn after(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at + 1).copied().filter(|byte| *byte != 0)
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
            } else if !self.opens() && accept(byte) {
                taken.push(byte);
                self.at += 1;
            } else {
                break;
            }
        }
        taken
    }

    /// Takes a sign up to two times, and says which of the given operators that is.
    fn signs(&mut self, operators: &[&'static str]) -> &'static str {
        let rest = &self.text.as_bytes()[self.at..];
        let fits = |operator: &&&str| rest.starts_with(operator.as_bytes());
        let operator = operators.iter().find(fits).copied().unwrap_or_default();
        self.at += operator.len();
        operator
    }

    fn template(&mut self) -> Result<Vec<Node<'a>>, Error> {
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

    fn name(&mut self) -> &'a str {
        let rest = &self.text[self.at..];
        let legal = |c: char| c.is_alphanumeric() || c == '_';
        let end = rest.find(|c| !legal(c)).unwrap_or(rest.len());
        self.at += end;
        &rest[..end]
    }

    /// What follows `${`.
    fn expression(&mut self) -> Result<Node<'a>, Error> {
        self.depth += 1;
        self.expressions += 1;
        if self.depth > DEPTH_MAX {
            return Err(Error::Limit("nesting of expressions"));
        }
        if self.expressions > EXPRESSIONS_MAX {
            return Err(Error::Limit("number of expressions"));
        }
        let node = self.function()?;
        self.depth -= 1;
        Ok(node)
    }

    fn function(&mut self) -> Result<Node<'a>, Error> {
        if self.peek() == Some(b'#') {
            return self.length();
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
            Some(b'#' | b'%') => self.trim()?,
            _ => {
                self.close(Error::Brace)?;
                ("", Vec::new())
            }
        };
        Ok(Node::Function { name, operator, arguments })
    }

    fn length(&mut self) -> Result<Node<'a>, Error> {
        self.at += 1;
        let name = self.name();
        if name.is_empty() {
            return Err(Error::Bad);
        }
        self.close(Error::Bad)?;
        Ok(Node::Function { name, operator: "#", arguments: Vec::new() })
    }

    fn close(&mut self, error: Error) -> Result<(), Error> {
        if self.peek() != Some(b'}') {
            return Err(error);
        }
        self.at += 1;
        Ok(())
    }

    fn argument(&mut self, escape: Escape, accept: impl Fn(u8) -> bool) -> Result<Node<'a>, Error> {
        if !self.escapes(escape) && self.opens() {
            self.at += 2;
            return self.expression();
        }
        let start = self.at;
        let text = self.take(escape, accept);
        if self.at == start { Err(Error::Argument) } else { Ok(Node::Text(text)) }
    }

    fn default(&mut self, length: usize) -> Result<(&'static str, Vec<Node<'a>>), Error> {
        self.at += length;
        let mut arguments = Vec::new();
        while self.peek() != Some(b'}') {
            arguments.push(self.argument(Escape::None, |byte| byte != b'}')?);
        }
        self.at += 1;
        Ok((":=", arguments))
    }

    fn slice(&mut self) -> Result<(&'static str, Vec<Node<'a>>), Error> {
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
        Ok((":", arguments))
    }

    fn casing(&mut self) -> Result<(&'static str, Vec<Node<'a>>), Error> {
        let operator = self.signs(&["^^", ",,", "^,", ",^", "^", ","]);
        self.close(Error::Bad)?;
        Ok((operator, Vec::new()))
    }

    fn replace(&mut self) -> Result<(&'static str, Vec<Node<'a>>), Error> {
        let operator = self.signs(&["//", "/#", "/%", "/"]);
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

    fn trim(&mut self) -> Result<(&'static str, Vec<Node<'a>>), Error> {
        let operator = self.signs(&["##", "%%", "#", "%"]);
        let argument = self.argument(Escape::None, |byte| byte != b'}')?;
        self.close(Error::Bad)?;
        Ok((operator, vec![argument]))
    }
}
