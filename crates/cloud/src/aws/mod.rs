//! AWS: whose keys we have, and what they open.

mod ambient;
mod eks;
mod registry;
pub(crate) mod sign;
mod sts;

use jiff::Timestamp;
use regex::Regex;

use crate::cache::Lasting;
use crate::error::Error;
use crate::secret::Secret;
use crate::who::Account;

pub(crate) use ambient::ambient;
pub(crate) use eks::{Eks, TOKEN_SECONDS as CLUSTER_TOKEN_SECONDS};
pub(crate) use registry::{login, parse_registry};
pub(crate) use sts::{assume, take_role};

/// Whom tokens of ServiceAccounts are for.
pub(crate) const AUDIENCE: &str = "sts.amazonaws.com";
/// Names the role of a ServiceAccount.
const ROLE_ANNOTATION: &str = "eks.amazonaws.com/role-arn";
const ROLE_PATTERN: &str = r"^arn:aws[\w-]*:iam::[0-9]{1,30}:role/.{1,200}$";

/// Keys that sign requests.
#[derive(Clone, Debug)]
pub struct Keys {
    pub(crate) id: String,
    pub(crate) secret: Secret,
    /// Goes with keys that end.
    pub(crate) session: Option<Secret>,
    pub(crate) ends: Timestamp,
}

impl Keys {
    /// Keys that somebody wrote down; a session goes with those that end.
    pub fn new(id: String, secret: Secret, session: Option<Secret>) -> Self {
        Self { id, secret, session, ends: Timestamp::MAX }
    }

    /// What no text may show.
    pub(crate) fn secrets(&self) -> Vec<&str> {
        let session = self.session.as_ref().map(Secret::reveal);
        [self.secret.reveal()].into_iter().chain(session).collect()
    }
}

impl Lasting for Keys {
    fn ends(&self) -> Timestamp {
        self.ends
    }
}

/// The role that a ServiceAccount's annotation names.
pub(crate) fn role(account: &Account) -> Result<&str, Error> {
    let role = account.annotation(ROLE_ANNOTATION);
    if matches(ROLE_PATTERN, role) {
        return Ok(role);
    }
    let text = format!("invalid {ROLE_ANNOTATION} annotation: '{role}'. must match {ROLE_PATTERN}");
    Err(Error::Annotation(text))
}

/// Whether a pattern of ours matches.
pub(crate) fn matches(pattern: &str, text: &str) -> bool {
    Regex::new(pattern).is_ok_and(|pattern| pattern.is_match(text))
}

/// The domain of a region's services.
pub(crate) fn domain(region: &str) -> &'static str {
    let partitions = [
        ("cn-", "amazonaws.com.cn"),
        ("eusc-", "amazonaws.eu"),
        ("us-iso-", "c2s.ic.gov"),
        ("us-isob-", "sc2s.sgov.gov"),
        ("us-isof-", "csp.hci.ic.gov"),
        ("eu-isoe-", "cloud.adc-e.uk"),
    ];
    let found = partitions.iter().find(|(prefix, _)| region.starts_with(prefix));
    found.map_or("amazonaws.com", |(_, domain)| domain)
}
