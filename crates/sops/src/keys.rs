//! The data key of a document, and the keys that it is wrapped with.

use std::collections::HashMap;
use std::fmt;

use zeroize::Zeroizing;

use crate::report;
use crate::shamir;

/// A data key has so many bytes.
const KEY_BYTES: usize = 32;

/// What the values of a document are encrypted with. Wiped when dropped, and never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct DataKey(Zeroizing<[u8; KEY_BYTES]>);

impl DataKey {
    /// From what a key unwrapped.
    fn new(bytes: &[u8]) -> Result<Self, String> {
        let bytes = bytes.try_into().map_err(|_| "the data key has another length".to_owned())?;
        Ok(Self(Zeroizing::new(bytes)))
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &*self.0
    }
}

impl fmt::Debug for DataKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("DataKey(***)")
    }
}

/// One key that a data key, or a share of it, is wrapped with.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct MasterKey {
    /// Which key it is.
    pub id: KeyId,
    /// What it wrapped, as the document has it.
    pub wrapped: String,
}

/// Whose key it is, and where.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names are those of the fields in a document")]
pub enum KeyId {
    Age { recipient: String },
    Pgp { fingerprint: String },
    AwsKms { arn: String, role: String, context: Vec<(String, String)> },
    GcpKms { resource: String },
    AzureKeyVault { vault_url: String, name: String, version: String },
    Vault { address: String, engine_path: String, key_name: String },
    HuaweiKms { key_id: String },
}

impl KeyId {
    /// Whether it is unwrapped without asking anybody; such keys are tried first.
    pub fn is_offline(&self) -> bool {
        matches!(self, Self::Age { .. } | Self::Pgp { .. })
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Age { recipient: id }
            | Self::Pgp { fingerprint: id }
            | Self::GcpKms { resource: id }
            | Self::HuaweiKms { key_id: id } => out.write_str(id),
            Self::AwsKms { arn, role, context } => {
                out.write_str(arn)?;
                if !role.is_empty() {
                    write!(out, "+{role}")?;
                }
                let pairs: Vec<_> = context.iter().map(|(k, v)| format!("{k}:{v}")).collect();
                if pairs.is_empty() { Ok(()) } else { write!(out, "|{}", pairs.join(",")) }
            }
            Self::AzureKeyVault { vault_url, name, version } => {
                write!(out, "{vault_url}/keys/{name}/{version}")
            }
            Self::Vault { address, engine_path, key_name } => {
                write!(out, "{address}/v1/{engine_path}/keys/{key_name}")
            }
        }
    }
}

/// What a document says of its data key: groups of keys, any one of which gives a group's share.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Wrapped {
    /// The groups, with the order in which their keys are tried.
    pub groups: Vec<Vec<MasterKey>>,
    /// How many groups have to give their share; 0 when any group's is the whole.
    pub threshold: usize,
}

/// What came of one key.
pub type Unwrapped = Result<Zeroizing<Vec<u8>>, String>;

impl Wrapped {
    /// The data key, from what came of the keys of each group, in their order up to the first that
    /// did it. Otherwise the text that tells of all of them.
    pub fn conclude(&self, outcomes: &[Vec<Unwrapped>]) -> Result<DataKey, String> {
        let shares: Vec<_> = outcomes
            .iter()
            .filter_map(|group| group.iter().find_map(|key| key.as_ref().ok()))
            .collect();
        if self.groups.len() < 2 || self.threshold == 0 {
            if let Some(share) = shares.first() {
                return DataKey::new(share);
            }
        } else if shares.len() >= self.threshold {
            return DataKey::new(&shamir::combine(&shares).ok_or("the shares do not fit")?);
        }
        Err(report::failed(self, outcomes, shares.len()))
    }
}

/// The data keys of documents, as far as they are known.
#[derive(Clone, Debug, Default)]
pub struct DataKeys(HashMap<Wrapped, Result<DataKey, String>>);

impl DataKeys {
    /// Adds what came of a document's keys.
    pub fn insert(&mut self, wrapped: Wrapped, key: Result<DataKey, String>) {
        self.0.insert(wrapped, key);
    }

    /// Whether it is known what comes of a document's keys.
    pub fn contains(&self, wrapped: &Wrapped) -> bool {
        self.0.contains_key(wrapped)
    }

    pub(crate) fn get(&self, wrapped: &Wrapped) -> Result<&DataKey, String> {
        let unknown = || Err("the keys of the document were not asked".to_owned());
        self.0.get(wrapped).map_or_else(unknown, |key| key.as_ref().map_err(Clone::clone))
    }
}
