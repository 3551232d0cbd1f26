//! Expressions as trees.

use crate::value::Value;

/// One node, and where it is shown to be, in bytes.
#[derive(Clone, Debug)]
pub(crate) struct Expr {
    pub(crate) at: usize,
    /// How many nodes lie on the longest way down, this one included.
    pub(crate) depth: usize,
    pub(crate) kind: Kind,
}

impl Expr {
    pub(crate) fn new(at: usize, kind: Kind) -> Self {
        let below = kind.children().into_iter().map(|child| child.depth).max().unwrap_or(0);
        Self { at, depth: below + 1, kind }
    }

    /// A name with dots, if that is all it is.
    pub(crate) fn path(&self) -> Option<String> {
        match &self.kind {
            Kind::Name(name) => Some(name.trim_start_matches('.').to_owned()),
            Kind::Select { operand, field, optional: false } => {
                operand.path().map(|path| format!("{path}.{field}"))
            }
            _ => None,
        }
    }
}

#[derive(Clone, Debug)]
pub(crate) enum Kind {
    Constant(Value),
    Name(String),
    /// `a.b`, or `a.?b`.
    Select {
        operand: Box<Expr>,
        field: String,
        optional: bool,
    },
    /// `has(a.b)`.
    Has {
        operand: Box<Expr>,
        field: String,
    },
    /// `a[b]`, or `a[?b]`.
    Index {
        operand: Box<Expr>,
        index: Box<Expr>,
        optional: bool,
    },
    /// A function, a method, or an operator under the name that the reference gives it.
    Call {
        name: String,
        target: Option<Box<Expr>>,
        arguments: Vec<Expr>,
    },
    /// `a && b && …`, or with `||`.
    Logic {
        any: bool,
        terms: Vec<Expr>,
    },
    /// `a ? b : c`.
    Choice(Box<[Expr; 3]>),
    List(Vec<Item>),
    Map(Vec<Pair>),
    Message {
        name: String,
        fields: Vec<Field>,
    },
    Fold(Box<Fold>),
    /// `a.optMap(x, …)`, or `optFlatMap`.
    Unwrap {
        target: Box<Expr>,
        variable: String,
        body: Box<Expr>,
        flat: bool,
    },
}

impl Kind {
    /// A call of the function that an operator stands for.
    pub(crate) fn operator(name: &str, arguments: Vec<Expr>) -> Self {
        Self::Call { name: name.to_owned(), target: None, arguments }
    }

    /// The nodes directly below, in the order in which the reference plans them.
    pub(crate) fn children(&self) -> Vec<&Expr> {
        match self {
            Self::Constant(_) | Self::Name(_) => Vec::new(),
            Self::Select { operand, .. } | Self::Has { operand, .. } => vec![operand],
            Self::Index { operand, index, .. } => vec![operand, index],
            Self::Call { target, arguments, .. } => {
                target.as_deref().into_iter().chain(arguments).collect()
            }
            Self::Logic { terms, .. } => terms.iter().collect(),
            Self::Choice(parts) => parts.iter().collect(),
            Self::List(items) => items.iter().map(|item| &item.value).collect(),
            Self::Map(pairs) => pairs.iter().flat_map(|pair| [&pair.key, &pair.value]).collect(),
            Self::Message { fields, .. } => fields.iter().map(|field| &field.value).collect(),
            Self::Fold(fold) => {
                [&fold.range].into_iter().chain(&fold.condition).chain(&fold.body).collect()
            }
            Self::Unwrap { target, body, .. } => vec![target, body],
        }
    }
}

/// An item of a list.
#[derive(Clone, Debug)]
pub(crate) struct Item {
    pub(crate) optional: bool,
    pub(crate) value: Expr,
}

/// An entry of a map.
#[derive(Clone, Debug)]
pub(crate) struct Pair {
    pub(crate) optional: bool,
    pub(crate) key: Expr,
    pub(crate) value: Expr,
}

/// A field of a message.
#[derive(Clone, Debug)]
pub(crate) struct Field {
    pub(crate) at: usize,
    pub(crate) optional: bool,
    pub(crate) name: String,
    pub(crate) value: Expr,
}

/// What is made of the items of a list or the keys of a map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Quantity {
    All,
    Exists,
    ExistsOne,
    Map,
    Filter,
}

/// `range.all(variable, body)` and its like.
#[derive(Clone, Debug)]
pub(crate) struct Fold {
    pub(crate) quantity: Quantity,
    pub(crate) range: Expr,
    pub(crate) variable: String,
    /// Which items are looked at: `map` with three arguments, and `filter`.
    pub(crate) condition: Option<Expr>,
    /// What is said of an item, or made of it; `filter` has none.
    pub(crate) body: Option<Expr>,
}
