//! Which objects a patch or a rule is for.

/// Which objects something is for; every part that is empty fits all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Target {
    /// Regular expression for the API group.
    pub group: String,
    /// For the version.
    pub version: String,
    /// For the kind.
    pub kind: String,
    /// For the name.
    pub name: String,
    /// For the namespace.
    pub namespace: String,
    /// Selector of labels.
    pub label_selector: String,
    /// Selector of annotations.
    pub annotation_selector: String,
}
