//! What stands between brackets: arguments, lists, maps and messages.

use crate::ast::{Expr, Field, Item, Kind as Node, Pair};
use crate::lexer::{Kind, Token};
use crate::parser::{Parser, Result, node};
use crate::recovery::starts_operand;

impl Parser<'_> {
    /// `( … )`, and where it opens.
    pub(crate) fn arguments(&mut self) -> Result<(usize, Vec<Expr>)> {
        let at = self.accept();
        let mut arguments = Vec::new();
        self.follows.push(&[")", ","]);
        self.sync_start(&[")"])?;
        if self.current().kind != Kind::Symbol(")") {
            arguments.push(self.expr()?);
            while self.take(",").is_some() {
                arguments.push(self.expr()?);
            }
        }
        self.follows.pop();
        self.expect_symbol(")", |_| false)?;
        Ok((at, arguments))
    }

    pub(crate) fn list(&mut self) -> Result<Expr> {
        let at = self.accept();
        let mut items = Vec::new();
        self.follows.push(&["]", ","]);
        self.sync_start(&["]", ",", "?"])?;
        while !matches!(self.current().kind, Kind::Symbol("]" | ",")) {
            let optional = self.take("?").is_some();
            items.push(Item { optional, value: self.expr()? });
            if !self.goes_on("]")? {
                break;
            }
        }
        self.follows.pop();
        self.take(",");
        self.expect_symbol("]", |_| false)?;
        node(at, Node::List(items))
    }

    pub(crate) fn map(&mut self) -> Result<Expr> {
        let at = self.accept();
        let mut pairs = Vec::new();
        self.follows.push(&["}", ",", ":"]);
        self.sync_start(&["}", ",", "?"])?;
        while !matches!(self.current().kind, Kind::Symbol("}" | ",")) {
            let optional = self.take("?").is_some();
            let key = self.expr()?;
            self.expect_symbol(":", starts_operand)?;
            pairs.push(Pair { optional, key, value: self.expr()? });
            if !self.goes_on("}")? {
                break;
            }
        }
        self.follows.pop();
        self.take(",");
        self.expect_symbol("}", |_| false)?;
        node(at, Node::Map(pairs))
    }

    /// Whether a name with dots and a brace stands here: the name and where the brace is, which is
    /// taken.
    pub(crate) fn message_name(&mut self) -> Option<(usize, String)> {
        let mut at = self.next;
        loop {
            let (name, after) = (self.tokens.get(at)?, self.tokens.get(at + 1)?);
            match (name.kind, after.kind) {
                (Kind::Name, Kind::Symbol(".")) => at += 2,
                (Kind::Name, Kind::Symbol("{")) => break,
                _ => return None,
            }
        }
        let brace = self.tokens[at + 1];
        let name: String =
            self.tokens[self.next..=at].iter().map(|token| self.slice(*token)).collect();
        self.next = at + 2;
        Some((brace.start, name))
    }

    pub(crate) fn message(&mut self, at: usize, name: String) -> Result<Expr> {
        let mut fields = Vec::new();
        self.follows.push(&["}", ","]);
        while !matches!(self.current().kind, Kind::Symbol("}" | ",")) {
            let optional = self.take("?").is_some();
            let field = self.current();
            self.expect(Kind::Name, "{IDENTIFIER, ESC_IDENTIFIER}", |_| false)?;
            let colon = self.current().start;
            self.expect_symbol(":", starts_operand)?;
            let name = self.slice(field).to_owned();
            fields.push(Field { at: colon, optional, name, value: self.expr()? });
            if !self.goes_on("}")? {
                break;
            }
        }
        self.follows.pop();
        self.take(",");
        self.expect_symbol("}", |_| false)?;
        node(at, Node::Message { name, fields })
    }

    /// Takes the comma after an item if another item follows it.
    fn goes_on(&mut self, close: &'static str) -> Result<bool> {
        self.sync_end(close)?;
        let closes = |token: Option<&Token>| matches!(token.map(|t| t.kind), Some(Kind::Symbol(sign)) if sign == close);
        if self.current().kind != Kind::Symbol(",") || closes(self.tokens.get(self.next + 1)) {
            return Ok(false);
        }
        self.accept();
        Ok(true)
    }
}
