//! What controllers report through subresources, kept apart from what is asked of an object.

use manifest::Value;

/// Whether an entry of the managed fields belongs to somebody who writes through a subresource.
pub(crate) fn is_report(entry: &Value) -> bool {
    entry.get("subresource").and_then(Value::as_str).is_some_and(|name| !name.is_empty())
}

/// The managed fields of an object.
pub(crate) fn managers(object: &Value) -> &[Value] {
    object.at(&["metadata", "managedFields"]).and_then(Value::as_list).unwrap_or_default()
}

/// The labels or annotations of an object, without those that are only reported.
pub(crate) fn asked<'a>(
    object: &'a Value,
    part: &'a str,
) -> impl Iterator<Item = (&'a str, &'a Value)> {
    let (reports, own): (Vec<_>, Vec<_>) =
        managers(object).iter().partition(|entry| is_report(entry));
    let field = format!("f:{part}");
    let sets = move |entry: &&Value, name: &str| {
        entry.at(&["fieldsV1", "f:metadata", &field, &format!("f:{name}")]).is_some()
    };
    let map = object.at(&["metadata", part]).and_then(Value::as_map);
    let pairs = map.into_iter().flatten().map(|(name, value)| (name.as_str(), value));
    pairs.filter(move |(name, _)| {
        !reports.iter().any(|entry| sets(entry, name)) || own.iter().any(|entry| sets(entry, name))
    })
}
