//! Text of a manifest, and what is known of how it was written.

use std::fmt;
use std::ops::Deref;

use crate::yaml;

/// How a text was written in its source; what was not read is plain.
///
/// Kustomize keeps the style of a scalar when it puts another one in its place, and what it prints
/// and reads again at the end of a build depends on it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Style {
    /// Without quotes.
    #[default]
    Plain,
    /// In single quotes.
    Single,
    /// In double quotes.
    Double,
    /// As a literal block.
    Literal,
    /// As a folded block, which changes when it is printed and read again.
    Folded,
    /// Without quotes, a date or a time, which is written in full when it is read again.
    Timestamp,
    /// Without quotes, a truth value that is not written as it is printed (`True`).
    Truth,
    /// As `!!binary`, in base64.
    Binary,
    /// Without quotes in a field of another type, which it must not stay in.
    Misplaced(Tag),
    /// Without quotes and set by kustomize itself: only when it is printed and read again shows what
    /// it means.
    Open,
}

/// The type of a field that keeps it whatever is put there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tag {
    /// `!!null`
    Null,
    /// `!!bool`
    Bool,
    /// `!!int`
    Int,
    /// `!!float`
    Float,
    /// `!!timestamp`
    Timestamp,
}

impl Tag {
    /// As it is written.
    pub fn text(self) -> &'static str {
        match self {
            Self::Null => "!!null",
            Self::Bool => "!!bool",
            Self::Int => "!!int",
            Self::Float => "!!float",
            Self::Timestamp => "!!timestamp",
        }
    }
}

impl Style {
    /// Whether whatever is written so is text.
    pub fn is_text(self) -> bool {
        matches!(self, Self::Single | Self::Double | Self::Literal | Self::Folded)
    }
}

/// A text with the style that it was written in. Two texts are equal if they read the same.
#[derive(Clone)]
pub struct Text {
    text: Box<str>,
    style: Style,
}

impl Text {
    /// A text that was written in this style.
    pub fn new(text: impl Into<Box<str>>, style: Style) -> Self {
        Self { text: text.into(), style }
    }

    /// How it was written.
    pub fn style(&self) -> Style {
        self.style
    }

    /// The text alone.
    pub fn into_string(self) -> String {
        self.text.into_string()
    }

    /// Makes this what it is once it was printed and read again.
    pub(crate) fn settle(&mut self) -> Result<(), yaml::Error> {
        let settled = match self.style {
            Style::Folded => Some(yaml::refold(self)),
            Style::Timestamp => yaml::timestamp(self),
            Style::Binary => yaml::decode_base64(self),
            Style::Misplaced(tag) => {
                let (found, value) = (yaml::tag_of(self), self.to_string());
                return Err(yaml::Error::Tag { found, value, wanted: tag.text().to_owned() });
            }
            _ => None,
        };
        if let Some(text) = settled {
            *self = Self::new(text, Style::Double);
        }
        Ok(())
    }
}

impl Deref for Text {
    type Target = str;

    fn deref(&self) -> &str {
        &self.text
    }
}

impl PartialEq for Text {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.text.fmt(formatter)
    }
}

impl fmt::Display for Text {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.text.fmt(formatter)
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Self::new(text, Style::Plain)
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self::new(text, Style::Plain)
    }
}
