//! How the parser goes on after a breach of the grammar, and what it tells: as the reference does,
//! whose parser drops one token, supplies one, or skips to what may follow.

use crate::lexer::{Kind, Token};
use crate::parser::{Broken, Parser};
use crate::source::Fault;

/// Signs that may follow a rule that is being read.
pub(crate) type Follow = &'static [&'static str];

/// Signs that go on after an operand.
const OPERATORS: Follow =
    &["==", "!=", "in", "<", "<=", ">=", ">", "&&", "||", "-", "?", "+", "*", "/", "%"];

/// The grammar's tokens in their order, as they are named in messages.
const ORDER: [&str; 22] = [
    "'['",
    "']'",
    "'{'",
    "'}'",
    "'('",
    "')'",
    "'.'",
    "','",
    "'-'",
    "'!'",
    "'?'",
    "':'",
    "'true'",
    "'false'",
    "'null'",
    "NUM_FLOAT",
    "NUM_INT",
    "NUM_UINT",
    "STRING",
    "BYTES",
    "IDENTIFIER",
    "",
];

/// Whether an operand may begin with a token.
pub(crate) fn starts_operand(token: Token) -> bool {
    match token.kind {
        Kind::Symbol(sign) => {
            matches!(sign, "[" | "{" | "(" | "." | "-" | "!" | "true" | "false" | "null")
        }
        Kind::End | Kind::Escaped => false,
        _ => true,
    }
}

/// What an operand may begin with, and other signs, as messages list them.
fn listed(signed: bool, more: &[&str]) -> String {
    let names: Vec<&str> = ORDER
        .into_iter()
        .filter(|name| match *name {
            "'!'" => signed,
            "']'" | "'}'" | "')'" | "','" | "'?'" | "':'" => {
                more.iter().any(|sign| name.trim_matches('\'') == *sign)
            }
            name => !name.is_empty(),
        })
        .collect();
    format!("{{{}}}", names.join(", "))
}

impl Parser<'_> {
    pub(crate) fn current(&self) -> Token {
        self.tokens[self.next.min(self.tokens.len() - 1)]
    }

    fn ahead(&self) -> Token {
        self.tokens[(self.next + 1).min(self.tokens.len() - 1)]
    }

    pub(crate) fn slice(&self, token: Token) -> &str {
        &self.text[token.start..token.end]
    }

    /// Takes the current token, which is understood, and says where it was.
    pub(crate) fn accept(&mut self) -> usize {
        let at = self.current().start;
        self.recovering = false;
        self.next = (self.next + 1).min(self.tokens.len() - 1);
        at
    }

    /// Takes a sign if it stands here.
    pub(crate) fn take(&mut self, sign: &str) -> Option<usize> {
        matches!(self.current().kind, Kind::Symbol(here) if here == sign).then(|| self.accept())
    }

    fn shown(&self, token: Token) -> String {
        let text = if token.kind == Kind::End { "<EOF>" } else { self.slice(token) };
        let text = text.replace('\n', "\\n").replace('\r', "\\r").replace('\t', "\\t");
        format!("'{text}'")
    }

    fn tell(&mut self, token: Token, text: &str) {
        if !self.recovering {
            self.faults.push(Fault::new(token.start, format!("Syntax error: {text}")));
        }
        self.recovering = true;
    }

    fn extraneous(&mut self, expected: &str) {
        let token = self.current();
        self.tell(token, &format!("extraneous input {} expecting {expected}", self.shown(token)));
        self.accept();
    }

    fn mismatched(&mut self, expected: &str) {
        let token = self.current();
        self.tell(token, &format!("mismatched input {} expecting {expected}", self.shown(token)));
    }

    /// Takes a sign that must stand here.
    pub(crate) fn expect_symbol(
        &mut self,
        sign: &'static str,
        follows: impl Fn(Token) -> bool,
    ) -> Result<(), Broken> {
        self.expect(Kind::Symbol(sign), &format!("'{sign}'"), follows)
    }

    /// Takes a token that must stand here: drops one that is too many, goes on without it where
    /// what stands here may follow it.
    pub(crate) fn expect(
        &mut self,
        kind: Kind,
        name: &str,
        follows: impl Fn(Token) -> bool,
    ) -> Result<(), Broken> {
        let token = self.current();
        if token.kind == kind {
            self.accept();
        } else if self.ahead().kind == kind && token.kind != Kind::End {
            self.extraneous(name);
            self.accept();
        } else if follows(token) {
            self.tell(token, &format!("missing {name} at {}", self.shown(token)));
        } else {
            self.mismatched(name);
            return Err(Broken);
        }
        Ok(())
    }

    /// Whether no operand stands here, after one token too many was dropped. Then what cannot
    /// follow an operand is skipped.
    pub(crate) fn operand_is_missing(&mut self, signed: bool) -> bool {
        let fits =
            |token: Token| starts_operand(token) && (signed || token.kind != Kind::Symbol("!"));
        if fits(self.current()) {
            return false;
        }
        let expected = listed(signed, &[]);
        if fits(self.ahead()) && self.current().kind != Kind::End {
            self.extraneous(&expected);
            return false;
        }
        self.mismatched(&expected);
        self.skip();
        true
    }

    /// Before the items of brackets: an operand, or one of `others`.
    pub(crate) fn sync_start(&mut self, others: &[&str]) -> Result<(), Broken> {
        let fits = |token: Token| {
            let other = matches!(token.kind, Kind::Symbol(sign) if others.contains(&sign));
            starts_operand(token) || other
        };
        self.sync(fits, &listed(true, others))
    }

    /// After an item of brackets: a comma or their end.
    pub(crate) fn sync_end(&mut self, close: &str) -> Result<(), Broken> {
        let fits =
            |token: Token| matches!(token.kind, Kind::Symbol(sign) if sign == close || sign == ",");
        self.sync(fits, &format!("{{'{close}', ','}}"))
    }

    fn sync(&mut self, fits: impl Fn(Token) -> bool, expected: &str) -> Result<(), Broken> {
        if fits(self.current()) {
            return Ok(());
        }
        if fits(self.ahead()) && self.current().kind != Kind::End {
            self.extraneous(expected);
            return Ok(());
        }
        self.mismatched(expected);
        Err(Broken)
    }

    /// Tells that nothing can begin with the tokens from `first` to `last`.
    pub(crate) fn no_alternative(&mut self, first: Token, last: Token) {
        let input = &self.text[first.start..last.end];
        let text = match &input[1..] {
            word @ ("true" | "false" | "null") => {
                format!("mismatched input '{word}' expecting IDENTIFIER")
            }
            _ => format!("no viable alternative at input '{input}'"),
        };
        self.tell(last, &text);
        self.skip();
    }

    /// Skips to what may follow an operand here.
    fn skip(&mut self) {
        loop {
            match self.current().kind {
                Kind::End => return,
                Kind::Symbol(sign)
                    if OPERATORS.contains(&sign)
                        || self.follows.iter().any(|follow| follow.contains(&sign)) =>
                {
                    return;
                }
                _ => self.next += 1,
            }
        }
    }
}
