//! Trust policies: which signatures count where, and how much. The texts are the reference's.

use std::collections::{BTreeMap, HashMap, HashSet};

use artifact::text::quoted;
use serde::Deserialize;

use super::names::Parts;
use super::scope::{self, WILDCARD};
use super::trust::{check_stores, parse_identities};

/// Statements of one document.
const STATEMENTS_MAX: usize = 1000;

/// What is verified, in the order of the arrays below.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Check {
    Integrity,
    Authenticity,
    AuthenticTimestamp,
    Expiry,
    Revocation,
}

const CHECKS: [(&str, Check); 5] = [
    ("integrity", Check::Integrity),
    ("authenticity", Check::Authenticity),
    ("authenticTimestamp", Check::AuthenticTimestamp),
    ("expiry", Check::Expiry),
    ("revocation", Check::Revocation),
];

/// What becomes of a check that fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    Enforce,
    Log,
    Skip,
}

const ACTIONS: [(&str, Action); 3] =
    [("enforce", Action::Enforce), ("log", Action::Log), ("skip", Action::Skip)];

const LEVELS: [(&str, [Action; 5]); 4] = {
    use Action::{Enforce, Log, Skip};
    [
        ("strict", [Enforce, Enforce, Enforce, Enforce, Enforce]),
        ("permissive", [Enforce, Enforce, Log, Log, Log]),
        ("audit", [Enforce, Log, Log, Log, Log]),
        ("skip", [Skip, Skip, Skip, Skip, Skip]),
    ]
};

/// A document that says nothing that can be followed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidPolicy {
    /// Not JSON of that form.
    #[error("error occurred while parsing trustpolicy.json: {0}")]
    Json(String),
    /// No version.
    #[error("trust policy document has empty version, version must be specified")]
    NoVersion,
    /// A version that is not known.
    #[error("trust policy document uses unsupported version {}", quoted(.0))]
    Version(String),
    /// Nothing in it.
    #[error("trust policy document can not have zero trust policy statements")]
    Empty,
    /// More than is read.
    #[error("trust policy document has more than {0} statements")]
    Statements(usize),
    /// Two of one name.
    #[error(
        "multiple trust policy statements use the same name {}, statement names must be unique",
        quoted(.0)
    )]
    Twice(String),
    /// A statement without a name.
    #[error(
        "trust policy: a trust policy statement is missing a name, every statement requires a name"
    )]
    NoName,
    /// Something in a statement.
    #[error("trust policy: trust policy statement {} {problem}", quoted(.name))]
    Statement {
        /// Its name.
        name: String,
        /// What.
        problem: String,
    },
    /// A statement's scopes.
    #[error("trust policy statement {} {problem}", quoted(.name))]
    Scopes {
        /// Its name.
        name: String,
        /// What.
        problem: &'static str,
    },
    /// A scope that is none.
    #[error(
        "registry scope {} is not valid, make sure it is a fully qualified repository without the \
         scheme, protocol or tag. For example domain.com/my/repository or a local scope like \
         local/myOCILayout",
        quoted(.0)
    )]
    Scope(String),
    /// A pattern in the place of a scope.
    #[error(
        "registry scope {} with wild card(s) is not valid, make sure it is a fully qualified \
         repository without the scheme, protocol or tag. For example domain.com/my/repository or a \
         local scope like local/myOCILayout",
        quoted(.0)
    )]
    WildScope(String),
    /// A scope of two statements.
    #[error(
        "registry scope {} is present in multiple trust policy statements, one registry scope \
         value can only be associated with one statement",
        quoted(.0)
    )]
    TwoStatements(String),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    #[serde(default)]
    version: String,
    #[serde(default)]
    trust_policies: Option<Vec<Written>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Written {
    #[serde(default)]
    name: String,
    #[serde(default)]
    registry_scopes: Option<Vec<String>>,
    #[serde(default)]
    signature_verification: Verification,
    #[serde(default)]
    trust_stores: Option<Vec<String>>,
    #[serde(default)]
    trusted_identities: Option<Vec<String>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Verification {
    #[serde(default)]
    level: String,
    #[serde(default, rename = "override")]
    overrides: Option<BTreeMap<String, String>>,
    #[serde(default)]
    verify_timestamp: String,
}

/// A document that was checked.
#[derive(Clone, Debug)]
pub(super) struct Policy(Vec<Statement>);

/// What counts in some repositories.
#[derive(Clone, Debug)]
pub(super) struct Statement {
    pub(super) name: String,
    scopes: Vec<String>,
    actions: [Action; 5],
    /// Types of the stores; what they are called does not matter, as there is one secret.
    pub(super) stores: Vec<String>,
    /// Whether a time is only asked for when a certificate has ended.
    pub(super) timestamp_after_expiry: bool,
    /// `None` is everybody.
    pub(super) identities: Option<Vec<Parts>>,
}

impl Statement {
    /// What becomes of a check that fails.
    pub(super) fn action(&self, check: Check) -> Action {
        self.actions[check as usize]
    }

    /// Whether nothing is verified.
    pub(super) fn skips(&self) -> bool {
        self.action(Check::Integrity) == Action::Skip
    }
}

impl Policy {
    pub(super) fn parse(text: &[u8]) -> Result<Self, InvalidPolicy> {
        let document: Document =
            serde_json::from_slice(text).map_err(|error| InvalidPolicy::Json(error.to_string()))?;
        match document.version.as_str() {
            "1.0" => {}
            "" => return Err(InvalidPolicy::NoVersion),
            _ => return Err(InvalidPolicy::Version(document.version)),
        }
        let written = document.trust_policies.unwrap_or_default();
        if written.is_empty() {
            return Err(InvalidPolicy::Empty);
        }
        if written.len() > STATEMENTS_MAX {
            return Err(InvalidPolicy::Statements(STATEMENTS_MAX));
        }
        let mut names = HashSet::new();
        let mut statements = Vec::new();
        for statement in written {
            if !names.insert(statement.name.clone()) {
                return Err(InvalidPolicy::Twice(statement.name));
            }
            statements.push(statement.check()?);
        }
        check_scopes(&statements)?;
        Ok(Self(statements))
    }

    /// The statement about `host/repository`, or else the one about all.
    pub(super) fn applicable(&self, place: &str) -> Option<&Statement> {
        let about = |scope: &str| {
            self.0.iter().find(|statement| statement.scopes.iter().any(|found| found == scope))
        };
        about(place).or_else(|| about(WILDCARD))
    }
}

impl Written {
    fn check(self) -> Result<Statement, InvalidPolicy> {
        if self.name.is_empty() {
            return Err(InvalidPolicy::NoName);
        }
        let (name, verification) = (self.name, self.signature_verification);
        let invalid = |problem| InvalidPolicy::Statement { name: name.clone(), problem };
        let actions = actions(&verification)
            .map_err(|problem| invalid(format!("has invalid signatureVerification: {problem}")))?;
        if !["", "always", "afterCertExpiry"].contains(&verification.verify_timestamp.as_str()) {
            let found = quoted(&verification.verify_timestamp);
            let must = r#"verifyTimestamp must be "always" or "afterCertExpiry""#;
            let text = format!("has invalid signatureVerification: {must}, but got {found}");
            return Err(invalid(text));
        }
        // What stands beside the level skip counts for nothing.
        let skips = verification.level == "skip";
        let stores = self.trust_stores.filter(|_| !skips).unwrap_or_default();
        let named = self.trusted_identities.filter(|_| !skips).unwrap_or_default();
        let mut identities = None;
        if !skips {
            if stores.is_empty() || named.is_empty() {
                let text = "is either missing trust stores or trusted identities, \
                            both must be specified";
                return Err(invalid(text.into()));
            }
            check_stores(&stores).map_err(invalid)?;
            identities = parse_identities(&named).map_err(invalid)?;
        }
        Ok(Statement {
            name,
            scopes: self.registry_scopes.unwrap_or_default(),
            actions,
            stores: stores
                .iter()
                .filter_map(|store| store.split_once(':'))
                .map(|(kind, _)| kind.to_owned())
                .collect(),
            timestamp_after_expiry: verification.verify_timestamp == "afterCertExpiry",
            identities,
        })
    }
}

/// The actions of a level and what overrides them.
fn actions(verification: &Verification) -> Result<[Action; 5], String> {
    let level = verification.level.as_str();
    if level.is_empty() {
        let text = "signature verification level is empty or missing in the trust policy statement";
        return Err(text.into());
    }
    let found = LEVELS.iter().find(|(name, _)| *name == level);
    let (_, mut actions) =
        *found.ok_or_else(|| format!("invalid signature verification level {}", quoted(level)))?;
    for (check_name, action_name) in verification.overrides.iter().flatten() {
        if level == "skip" {
            return Err(format!(
                "signature verification level {} can't be used to customize signature verification",
                quoted(level)
            ));
        }
        let unknown = |what: &str, name: &str, known: &[&str]| {
            let known: Vec<_> = known.iter().map(|name| quoted(name)).collect();
            format!(
                "verification {what} {} in custom signature verification is not supported, \
                 supported values are [{}]",
                quoted(name),
                known.join(" ")
            )
        };
        let check = CHECKS.iter().find(|(name, _)| name == check_name);
        let names = CHECKS.map(|(name, _)| name);
        let (_, check) = *check.ok_or_else(|| unknown("type", check_name, &names))?;
        let action = ACTIONS.iter().find(|(name, _)| name == action_name);
        let names = ACTIONS.map(|(name, _)| name);
        let (_, action) = *action.ok_or_else(|| unknown("action", action_name, &names))?;
        let refused = match (check, action) {
            (Check::Integrity, _) => "overridden",
            (Check::Revocation, _) | (_, Action::Enforce | Action::Log) => {
                actions[check as usize] = action;
                continue;
            }
            _ => "skipped",
        };
        let name = quoted(check_name);
        return Err(format!(
            "{name} verification can not be {refused} in custom signature verification"
        ));
    }
    Ok(actions)
}

fn check_scopes(statements: &[Statement]) -> Result<(), InvalidPolicy> {
    let mut counts: HashMap<&str, usize> = HashMap::new();
    for Statement { name, scopes, .. } in statements {
        let invalid = |problem| InvalidPolicy::Scopes { name: name.clone(), problem };
        if scopes.is_empty() {
            let text = "has zero registry scopes, \
                        it must specify registry scopes with at least one value";
            return Err(invalid(text));
        }
        if scopes.len() > 1 && scopes.iter().any(|scope| scope == WILDCARD) {
            let text = "uses wildcard registry scope '*', a wildcard scope cannot be used in \
                        conjunction with other scope values";
            return Err(invalid(text));
        }
        for scope in scopes {
            if scope != WILDCARD {
                scope::check(scope)?;
            }
            *counts.entry(scope).or_default() += 1;
        }
    }
    match counts.into_iter().find(|(_, count)| *count > 1) {
        Some((scope, _)) => Err(InvalidPolicy::TwoStatements(scope.into())),
        None => Ok(()),
    }
}
