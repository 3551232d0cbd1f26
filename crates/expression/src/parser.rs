//! Tokens → tree, by recursive descent over the grammar of the language.

use crate::ast::{Expr, Kind as Node};
use crate::lexer::{Kind, Token, tokens};
use crate::recovery::{Follow, starts_operand};
use crate::source::{self, Fault};
use crate::value::Value;
use crate::{literal, macros};

/// How long an expression may be, in code points (kustomization.md, 22.12).
pub(crate) const CODE_POINTS_MAX: usize = 100_000;
/// How deep any rule may be nested (kustomization.md, 22.12).
pub(crate) const DEPTH_MAX: usize = 250;

/// Words that may not be variables.
const RESERVED: [&str; 17] = [
    "as",
    "break",
    "const",
    "continue",
    "else",
    "for",
    "function",
    "if",
    "import",
    "let",
    "loop",
    "package",
    "namespace",
    "return",
    "var",
    "void",
    "while",
];

/// Signs between operands, how tight they bind, and the names of their functions.
const OPERATORS: [(&str, usize, &str); 14] = [
    ("||", 0, "_||_"),
    ("&&", 1, "_&&_"),
    ("<", 2, "_<_"),
    ("<=", 2, "_<=_"),
    (">=", 2, "_>=_"),
    (">", 2, "_>_"),
    ("==", 2, "_==_"),
    ("!=", 2, "_!=_"),
    ("in", 2, "@in"),
    ("+", 3, "_+_"),
    ("-", 3, "_-_"),
    ("*", 4, "_*_"),
    ("/", 4, "_/_"),
    ("%", 4, "_%_"),
];

/// The text went wrong in a way that ends the rule that is being read.
pub(crate) struct Broken;

/// A rule went wrong so that nothing of the expression can be told.
pub(crate) enum Stop {
    Broken,
    TooDeep,
}

impl From<Broken> for Stop {
    fn from(_: Broken) -> Self {
        Self::Broken
    }
}

pub(crate) type Result<T> = std::result::Result<T, Stop>;

/// A node, unless it makes the tree too deep.
pub(crate) fn node(at: usize, kind: Node) -> Result<Expr> {
    let expr = Expr::new(at, kind);
    if expr.depth > DEPTH_MAX { Err(Stop::TooDeep) } else { Ok(expr) }
}

/// Parses an expression; the error shows every problem as the reference does.
pub(crate) fn parse(text: &str) -> std::result::Result<Expr, String> {
    let size = text.chars().count();
    if size > CODE_POINTS_MAX {
        let fault = format!(
            "expression code point size exceeds limit: size: {size}, limit {CODE_POINTS_MAX}"
        );
        return Err(source::display(text, vec![Fault::of_all(fault)]));
    }
    let mut faults = Vec::new();
    let tokens = tokens(text, &mut faults);
    let mut parser = Parser {
        text,
        tokens,
        next: 0,
        faults,
        recovering: false,
        depth: 0,
        follows: Vec::new(),
        wrong: Vec::new(),
    };
    let parsed = parser.start();
    let Parser { mut faults, wrong, .. } = parser;
    match parsed {
        Err(Stop::TooDeep) => {
            let text = format!("expression recursion limit exceeded: {DEPTH_MAX}");
            faults.push(Fault::of_all(text));
        }
        Ok(expr) if faults.is_empty() && wrong.is_empty() => return Ok(expr),
        _ if faults.is_empty() => faults = wrong,
        _ => {}
    }
    Err(source::display(text, faults))
}

pub(crate) struct Parser<'a> {
    pub(crate) text: &'a str,
    pub(crate) tokens: Vec<Token>,
    pub(crate) next: usize,
    /// Breaches of the grammar.
    pub(crate) faults: Vec<Fault>,
    /// Whether a fault was told and nothing has been understood since: no more are told then.
    pub(crate) recovering: bool,
    depth: usize,
    /// What may follow the rules that are being read.
    pub(crate) follows: Vec<Follow>,
    /// What the grammar allows and the language does not.
    wrong: Vec<Fault>,
}

impl Parser<'_> {
    fn start(&mut self) -> Result<Expr> {
        let expr = self.expr()?;
        self.expect(Kind::End, "<EOF>", |_| false)?;
        Ok(expr)
    }

    pub(crate) fn expr(&mut self) -> Result<Expr> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(Stop::TooDeep);
        }
        let result = self.choice();
        self.depth -= 1;
        result
    }

    fn choice(&mut self) -> Result<Expr> {
        let condition = self.binary(0)?;
        let Some(at) = self.take("?") else { return Ok(condition) };
        self.follows.push(&[":"]);
        let yes = self.binary(0);
        self.follows.pop();
        let yes = yes?;
        self.expect_symbol(":", starts_operand)?;
        let no = self.expr()?;
        node(at, Node::Choice(Box::new([condition, yes, no])))
    }

    /// Operands with signs between them that bind at least so tight. One function for all signs,
    /// so that brackets in brackets need little stack.
    fn binary(&mut self, tightness: usize) -> Result<Expr> {
        let mut left = self.unary()?;
        let mut last = "";
        while let Some((sign, level, name)) = self.operator().filter(|(_, l, _)| *l >= tightness) {
            let at = self.accept();
            let right = self.binary(level + 1)?;
            left = match left {
                // Terms of one kind are one node, however many they are.
                Expr { at, kind: Node::Logic { any, mut terms }, .. } if sign == last => {
                    terms.push(right);
                    node(at, Node::Logic { any, terms })?
                }
                left if level < 2 => {
                    node(at, Node::Logic { any: level == 0, terms: vec![left, right] })?
                }
                left => node(at, Node::operator(name, vec![left, right]))?,
            };
            last = sign;
        }
        Ok(left)
    }

    fn operator(&self) -> Option<(&'static str, usize, &'static str)> {
        let here = self.current().kind;
        OPERATORS.into_iter().find(|(sign, ..)| here == Kind::Symbol(sign))
    }

    fn unary(&mut self) -> Result<Expr> {
        if self.operand_is_missing(true) {
            return Ok(Expr::new(self.current().start, Node::Constant(Value::Null)));
        }
        for (sign, name) in [("!", "!_"), ("-", "-_")] {
            let first = self.current();
            let mut count = 0;
            // A minus before a number is part of the number.
            while self.current().kind == Kind::Symbol(sign)
                && !(sign == "-" && self.is_number(self.next + 1))
            {
                self.accept();
                count += 1;
            }
            if count == 0 {
                continue;
            }
            let negative = self.current().kind == Kind::Symbol("-");
            if sign == "-" && negative {
                self.accept();
                count += 1;
            }
            if self.operand_is_missing(false) {
                return Ok(Expr::new(first.start, Node::Constant(Value::Null)));
            }
            let operand = self.member()?;
            if count % 2 == 0 {
                return Ok(operand);
            }
            return node(first.start, Node::operator(name, vec![operand]));
        }
        self.member()
    }

    fn is_number(&self, at: usize) -> bool {
        matches!(self.tokens.get(at).map(|token| token.kind), Some(Kind::Int | Kind::Double))
    }

    fn member(&mut self) -> Result<Expr> {
        let mut expr = self.primary()?;
        loop {
            let token = self.current();
            expr = match token.kind {
                Kind::Symbol(".") => self.select(expr)?,
                Kind::Symbol("[") => self.index(expr)?,
                _ => return Ok(expr),
            };
        }
    }

    fn select(&mut self, operand: Expr) -> Result<Expr> {
        let dot = self.current();
        let after = self.tokens.get(self.next + 1).copied().unwrap_or(dot);
        if !matches!(after.kind, Kind::Name | Kind::Escaped | Kind::Symbol("?")) {
            self.no_alternative(dot, after);
            return Ok(operand);
        }
        self.accept();
        let optional = self.take("?").is_some();
        let name = self.current();
        if !matches!(name.kind, Kind::Name | Kind::Escaped) {
            self.expect(Kind::Name, "{IDENTIFIER, ESC_IDENTIFIER}", |_| false)?;
        }
        self.accept();
        if name.kind == Kind::Escaped {
            self.wrong.push(Fault::new(name.start, "unsupported syntax: '`'"));
        }
        let field = self.slice(name).to_owned();
        if !optional && name.kind == Kind::Name && self.current().kind == Kind::Symbol("(") {
            let (at, arguments) = self.arguments()?;
            return self.expanded(at, &field, Some(operand), arguments);
        }
        node(dot.start, Node::Select { operand: Box::new(operand), field, optional })
    }

    fn index(&mut self, operand: Expr) -> Result<Expr> {
        let at = self.accept();
        let optional = self.take("?").is_some();
        self.follows.push(&["]"]);
        let index = self.expr();
        self.follows.pop();
        let (operand, index) = (Box::new(operand), Box::new(index?));
        self.expect_symbol("]", |_| false)?;
        node(at, Node::Index { operand, index, optional })
    }

    /// A call, or what a macro makes of it.
    fn expanded(
        &mut self,
        at: usize,
        name: &str,
        target: Option<Expr>,
        arguments: Vec<Expr>,
    ) -> Result<Expr> {
        let kind = macros::expand(name, target, arguments).unwrap_or_else(|fault| {
            self.wrong.push(fault);
            Node::Constant(Value::Null)
        });
        node(at, kind)
    }

    fn primary(&mut self) -> Result<Expr> {
        let token = self.current();
        match token.kind {
            Kind::Symbol("(") => {
                self.accept();
                self.follows.push(&[")"]);
                let inner = self.expr();
                self.follows.pop();
                let inner = inner?;
                self.expect_symbol(")", |_| false)?;
                Ok(inner)
            }
            Kind::Symbol("[") => self.list(),
            Kind::Symbol("{") => self.map(),
            Kind::Name | Kind::Symbol(".") => self.name(),
            _ => Ok(self.literal()),
        }
    }

    fn literal(&mut self) -> Expr {
        let first = self.current();
        let negative = first.kind == Kind::Symbol("-");
        self.accept();
        let token = if negative { self.current() } else { first };
        if negative {
            self.accept();
        }
        let text = self.slice(token);
        match literal::value(token.kind, text, negative) {
            Ok(value) => Expr::new(first.start, Node::Constant(value)),
            Err(why) => {
                self.wrong.push(Fault::new(first.start, why));
                Expr::new(first.start, Node::Constant(Value::Null))
            }
        }
    }

    /// A variable, a function call or a message; all begin with a name.
    fn name(&mut self) -> Result<Expr> {
        let first = self.current();
        let dot = self.take(".");
        let token = self.current();
        if token.kind != Kind::Name {
            self.next -= usize::from(dot.is_some());
            self.no_alternative(first, token);
            return Ok(Expr::new(first.start, Node::Constant(Value::Null)));
        }
        if let Some((at, name)) = self.message_name() {
            return self.message(at, name);
        }
        self.accept();
        let name = self.slice(token).to_owned();
        if RESERVED.contains(&name.as_str()) {
            self.wrong.push(Fault::new(first.start, format!("reserved identifier: {name}")));
        }
        if self.current().kind == Kind::Symbol("(") {
            let (at, arguments) = self.arguments()?;
            return self.expanded(at, &name, None, arguments);
        }
        let name = if dot.is_some() { format!(".{name}") } else { name };
        Ok(Expr::new(token.start, Node::Name(name)))
    }
}
