//! What a document says of itself: its keys, and which of its values are encrypted.

use manifest::Value;
use regex::RegexBuilder;

use crate::cipher::is_encrypted;
use crate::keys::{KeyId, MasterKey, Wrapped};

/// Where a document says it.
pub(crate) const KEY: &str = "sops";
/// Keys of one document; more are a hostile document.
const KEYS_MAX: usize = 1000;
/// What a pattern may compile to.
const PATTERN_BYTES_MAX: usize = 1 << 20;

/// What a document says of itself.
#[derive(Clone, Debug)]
pub(crate) struct Metadata {
    pub(crate) wrapped: Wrapped,
    pub(crate) rule: Rule,
    /// The message authentication code, encrypted.
    pub(crate) code: String,
    /// Whether it covers encrypted values only.
    pub(crate) code_of: Covered,
    /// When the document was written, which the code is bound to.
    pub(crate) modified: String,
}

/// What a document's code covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Covered {
    All,
    Encrypted,
}

/// Which values are encrypted, by the keys on the way to them.
#[derive(Clone, Debug)]
pub(crate) enum Rule {
    /// All but those under a key with this ending.
    NotSuffix(String),
    /// Those under a key with this ending.
    Suffix(String),
    /// All but those under a key that matches.
    NotMatching(Box<regex::Regex>),
    /// Those under a key that matches.
    Matching(Box<regex::Regex>),
    /// Those that look so: what decides is a comment, which a build does not keep.
    Looks,
}

impl Rule {
    /// Whether the value under these keys is encrypted.
    pub(crate) fn covers(&self, path: &[String], text: Option<&str>) -> bool {
        match self {
            Self::NotSuffix(suffix) => !path.iter().any(|key| key.ends_with(suffix)),
            Self::Suffix(suffix) => path.iter().any(|key| key.ends_with(suffix)),
            Self::NotMatching(pattern) => !path.iter().any(|key| pattern.is_match(key)),
            Self::Matching(pattern) => path.iter().any(|key| pattern.is_match(key)),
            Self::Looks => text.is_some_and(is_encrypted),
        }
    }
}

impl Metadata {
    /// Reads what stands under the key `sops`.
    pub(crate) fn parse(value: &Value) -> Result<Self, String> {
        let metadata = value.as_map().ok_or("Found sops entry that is not a mapping")?;
        let text = |name: &str| metadata.get(name).map(Value::to_text).unwrap_or_default();
        let groups = match list(value, "key_groups") {
            [] => vec![group(value)],
            groups => groups.iter().map(group).collect(),
        };
        let count: usize = groups.iter().map(Vec::len).sum();
        if count == 0 {
            return Err("No keys found in file".into());
        }
        if count > KEYS_MAX {
            return Err(format!("more than {KEYS_MAX} keys found in file"));
        }
        let threshold = match text("shamir_threshold").as_str() {
            "" => 0,
            threshold => threshold.parse().map_err(|_| "shamir_threshold is no number")?,
        };
        let (code, modified) = (text("mac"), text("lastmodified"));
        let code_of =
            if text("mac_only_encrypted") == "true" { Covered::Encrypted } else { Covered::All };
        let wrapped = Wrapped { groups, threshold };
        Ok(Self { wrapped, rule: rule(&text)?, code, code_of, modified })
    }
}

const RULES: [&str; 6] = [
    "unencrypted_suffix",
    "encrypted_suffix",
    "unencrypted_regex",
    "encrypted_regex",
    "unencrypted_comment_regex",
    "encrypted_comment_regex",
];

fn rule(text: &impl Fn(&str) -> String) -> Result<Rule, String> {
    let mut found =
        RULES.iter().map(|name| (*name, text(name))).filter(|(_, text)| !text.is_empty());
    let Some((name, text)) = found.next() else {
        return Ok(Rule::NotSuffix("_unencrypted".into()));
    };
    if found.next().is_some() {
        return Err("Cannot use more than one of encrypted_suffix, unencrypted_suffix, \
                    encrypted_regex, unencrypted_regex, encrypted_comment_regex, or \
                    unencrypted_comment_regex in the same file"
            .into());
    }
    let pattern = || {
        let compiled = RegexBuilder::new(&text).size_limit(PATTERN_BYTES_MAX).build();
        compiled.map(Box::new).map_err(|_| format!("{name} is no regular expression"))
    };
    Ok(match name {
        "unencrypted_suffix" => Rule::NotSuffix(text),
        "encrypted_suffix" => Rule::Suffix(text),
        "unencrypted_regex" => Rule::NotMatching(pattern()?),
        "encrypted_regex" => Rule::Matching(pattern()?),
        _ => Rule::Looks,
    })
}

fn list<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    value.get(name).and_then(Value::as_list).unwrap_or_default()
}

/// The keys of a group, in the order in which they are tried: those that need nobody first.
fn group(value: &Value) -> Vec<MasterKey> {
    type Read = fn(&dyn Fn(&str) -> String, &Value) -> KeyId;
    let kinds: [(&str, Read); 7] = [
        ("age", |text, _| KeyId::Age { recipient: text("recipient") }),
        ("pgp", |text, _| KeyId::Pgp { fingerprint: text("fp") }),
        ("kms", |text, value| KeyId::AwsKms {
            arn: text("arn"),
            role: text("role"),
            context: context(value),
        }),
        ("gcp_kms", |text, _| KeyId::GcpKms { resource: text("resource_id") }),
        ("hckms", |text, _| KeyId::HuaweiKms { key_id: text("key_id") }),
        ("azure_kv", |text, _| KeyId::AzureKeyVault {
            vault_url: text("vault_url"),
            name: text("name"),
            version: text("version"),
        }),
        ("hc_vault", |text, _| KeyId::Vault {
            address: text("vault_address"),
            engine_path: text("engine_path"),
            key_name: text("key_name"),
        }),
    ];
    let mut keys = Vec::new();
    for (name, read) in kinds {
        for key in list(value, name) {
            let text = |name: &str| key.get(name).map(Value::to_text).unwrap_or_default();
            keys.push(MasterKey { id: read(&text, key), wrapped: text("enc") });
        }
    }
    keys
}

/// What AWS is told beside the ciphertext, in the order of the names.
fn context(key: &Value) -> Vec<(String, String)> {
    let map = key.get("context").and_then(Value::as_map);
    let pairs = map.into_iter().flatten().map(|(name, text)| (name.to_string(), text.to_text()));
    let mut pairs: Vec<_> = pairs.collect();
    pairs.sort();
    pairs
}
