//! Ways into an object.

use serde_json::Value;

use crate::dice::Dice;

/// A key of a map, or a place in a list with what tells the item apart.
#[derive(Clone)]
pub enum Step {
    /// A key.
    Key(String),
    /// A place and perhaps a key with its value.
    Item(usize, Option<(&'static str, String)>),
}

/// A random way into a value, and what stands there.
pub fn any(dice: &mut Dice, whole: &Value) -> (Vec<Step>, Value) {
    let mut path = Vec::new();
    let mut at = whole;
    loop {
        let next = match at {
            Value::Object(map) if !map.is_empty() => {
                let keys: Vec<_> = map
                    .keys()
                    .filter(|key| {
                        !path.is_empty() || !["apiVersion", "kind"].contains(&key.as_str())
                    })
                    .collect();
                if keys.is_empty() {
                    break;
                }
                let key = *dice.pick(&keys);
                path.push(Step::Key(key.clone()));
                &map[key]
            }
            Value::Array(list) if !list.is_empty() => {
                let index = dice.below(list.len());
                let keys = ["name", "key", "port", "containerPort"];
                let key = keys.into_iter().find_map(|key| match list[index].get(key)? {
                    Value::String(text) => Some((key, text.clone())),
                    Value::Number(number) => Some((key, number.to_string())),
                    _ => None,
                });
                path.push(Step::Item(index, key));
                &list[index]
            }
            _ => break,
        };
        at = next;
        // What changes a name makes the next reference to it miss.
        if matches!(path.as_slice(), [Step::Key(a), Step::Key(b)] if a == "metadata" && ["name", "namespace"].contains(&b.as_str()))
            && dice.chance(80)
        {
            path.clear();
            at = whole;
            continue;
        }
        if path.len() > 1 && dice.chance(15) {
            break;
        }
    }
    (path, at.clone())
}

/// The way as a JSON pointer.
pub fn pointer(path: &[Step]) -> String {
    let part = |step: &Step| match step {
        Step::Key(key) => format!("/{}", key.replace('~', "~0").replace('/', "~1")),
        Step::Item(index, _) => format!("/{index}"),
    };
    path.iter().map(part).collect()
}

/// The way as replacements write it.
pub fn dotted(dice: &mut Dice, path: &[Step]) -> String {
    let parts: Vec<_> = path
        .iter()
        .map(|step| match step {
            Step::Key(key) if key.contains('.') && dice.chance(50) => format!("[{key}]"),
            Step::Key(key) => key.replace('.', "\\."),
            Step::Item(index, key) => match (dice.below(6), key) {
                (0, _) => index.to_string(),
                (1, _) => "*".to_owned(),
                (_, Some((key, value))) => format!("[{key}={value}]"),
                _ => index.to_string(),
            },
        })
        .collect();
    parts.join(".")
}

/// The group and the version of an object.
pub fn group_version(object: &Value) -> (String, String) {
    let text = object["apiVersion"].as_str().unwrap_or_default();
    let (group, version) = text.split_once('/').unwrap_or(("", text));
    (group.to_owned(), version.to_owned())
}
