//! Documents that the real sops made (`tests/documents/remake.sh`), opened here: the same bytes.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test reads its files and ends at the first surprise"
)]

use std::path::{Path, PathBuf};

use manifest::{Value, yaml};
use sops::keys::{KeyId, Unwrapped};
use sops::{DataKeys, Format, Wrapped, age, decrypt, decrypt_object, pgp, wrapped, wrapped_of};

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/documents").join(name)
}

fn read(name: &str) -> Vec<u8> {
    std::fs::read(path(name)).unwrap()
}

fn text(name: &str) -> String {
    String::from_utf8(read(name)).unwrap()
}

/// The keys of these files, which are worth nothing.
struct Keys {
    age: age::Identities,
    pgp: pgp::SecretKeys,
}

impl Keys {
    fn of(names: &[&str]) -> Self {
        let mut keys = Self { age: age::Identities::default(), pgp: pgp::SecretKeys::default() };
        for name in names {
            let file = text(&format!("keys/{name}"));
            match name.split_once('.') {
                Some((_, "asc")) => keys.pgp.add(&file).unwrap(),
                _ => keys.age.add(&file).unwrap(),
            }
        }
        keys
    }

    /// Asks the keys of every group until one does it.
    fn ask(&self, wrapped: &Wrapped) -> DataKeys {
        let ask = |key: &sops::MasterKey| match key.id {
            KeyId::Age { .. } => self.age.unwrap(&key.wrapped),
            KeyId::Pgp { .. } => self.pgp.unwrap(&key.wrapped),
            _ => Err("nobody is asked".to_owned()),
        };
        let group = |keys: &Vec<sops::MasterKey>| {
            let mut outcomes: Vec<Unwrapped> = Vec::new();
            for key in keys {
                outcomes.push(ask(key));
                if outcomes.last().is_some_and(Result::is_ok) {
                    break;
                }
            }
            outcomes
        };
        let outcomes: Vec<_> = wrapped.groups.iter().map(group).collect();
        let mut keys = DataKeys::default();
        keys.insert(wrapped.clone(), wrapped.conclude(&outcomes));
        keys
    }
}

/// What a document is in plain, or why it does not open.
fn open(name: &str, from: Format, to: Format, keys: &[&str]) -> String {
    let opened = open_bytes(name, from, to, keys);
    opened.map_or_else(|error| error, |plain| String::from_utf8(plain).unwrap())
}

fn open_bytes(name: &str, from: Format, to: Format, keys: &[&str]) -> Result<Vec<u8>, String> {
    let bytes = read(&format!("encrypted/{name}"));
    let wrapped = wrapped(&bytes, from).map_err(|error| error.to_string())?;
    let opened = decrypt(&bytes, from, to, &Keys::of(keys).ask(&wrapped));
    opened.map(|plain| plain.to_vec()).map_err(|error| error.to_string())
}

#[test]
fn every_format_opens_as_the_reference_opens_it() {
    for name in [
        "secret.yaml",
        "values.yaml",
        "config.json",
        "db.env",
        "my.ini",
        "blob.txt",
        "keystore.jks",
        "pull.dockerconfigjson",
    ] {
        let format = Format::of(name);
        let bytes = read(&format!("encrypted/{name}"));
        assert!(format.marks(&bytes), "{name}");
        assert!(!format.marks(&read(&format!("plain/{name}"))), "{name}");
        let opened = open_bytes(name, format, format, &["one.agekey"]);
        assert_eq!(opened, Ok(read(&format!("expected/{name}"))), "{name}");
    }
}

#[test]
fn every_key_and_every_rule_opens_its_document() {
    let expected = text("expected/secret.yaml");
    for (name, keys) in [
        ("regex.yaml", &["one.agekey"][..]),
        ("unencrypted-regex.yaml", &["one.agekey"]),
        ("mac-only.yaml", &["one.agekey"]),
        ("comment.yaml", &["one.agekey"]),
        ("hybrid.yaml", &["one.agekey", "hybrid.agekey"]),
        ("two.yaml", &["two.agekey"]),
        ("rsa.yaml", &["ecc.asc", "rsa.asc"]),
        ("ecc.yaml", &["ecc.asc"]),
        ("groups.yaml", &["one.agekey", "two.agekey"]),
        ("groups.yaml", &["rsa.asc", "two.agekey"]),
    ] {
        let opened = open(name, Format::Yaml, Format::Yaml, keys);
        assert_eq!(opened, expected, "{name}");
    }
    let opened = open("suffix.yaml", Format::Yaml, Format::Yaml, &["one.agekey"]);
    assert_eq!(opened, text("expected/values.yaml"));
}

#[test]
fn whoever_has_no_key_is_told_whose_it_is() {
    let text = open("secret.yaml", Format::Yaml, Format::Yaml, &["two.agekey"]);
    let begin = "cannot get sops data key: Failed to get the data key required to decrypt the SOPS \
                 file.\n\nGroup 0: FAILED\n  age1";
    assert!(text.starts_with(begin), "{text}");
    assert!(text.contains("\n    - | failed to create reader for decrypting sops data key with\n"));
    let text = open("groups.yaml", Format::Yaml, Format::Yaml, &["two.agekey"]);
    assert!(text.contains("\n\nGroup 1: SUCCESS\n\nGroup 2: FAILED\n"), "{text}");
    assert!(text.contains("but only 1 part(s) were successfully recovered"), "{text}");
    let text = open("secret.yaml", Format::Yaml, Format::Yaml, &[]);
    assert!(
        text.contains("    - | failed to load age identities. Did not find keys in\n"),
        "{text}"
    );
}

/// Documents as the reference made them are intact; one that somebody edited is not, and opens.
#[test]
fn edited_documents_open_and_are_known_as_such() {
    let is_intact = |name: &str, text: &[u8], format: Format| {
        let keys = Keys::of(&["one.agekey"]).ask(&wrapped(text, format).unwrap());
        assert!(decrypt(text, format, format, &keys).is_ok(), "{name}");
        sops::is_intact(text, format, &keys).unwrap()
    };
    for name in [
        "secret.yaml",
        "values.yaml",
        "config.json",
        "db.env",
        "my.ini",
        "blob.txt",
        "keystore.jks",
        "regex.yaml",
        "suffix.yaml",
        "mac-only.yaml",
        "unencrypted-regex.yaml",
    ] {
        let bytes = read(&format!("encrypted/{name}"));
        assert!(is_intact(name, &bytes, Format::of(name)), "{name}");
    }
    for (name, intact) in [("regex.yaml", false), ("mac-only.yaml", true)] {
        let edited = text(&format!("encrypted/{name}")).replace("name: s", "name: other");
        assert_eq!(is_intact(name, edited.as_bytes(), Format::Yaml), intact, "{name}");
    }
}

/// Formats meet where a Secret's key has another ending than its content.
#[test]
fn documents_are_written_in_the_format_that_is_asked_for() {
    let keys = ["one.agekey"];
    let json = open("db.env", Format::Dotenv, Format::Json, &keys);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["MULTI"], "one\ntwo");
    let yaml = open("my.ini", Format::Ini, Format::Yaml, &keys);
    assert!(yaml.contains("db:\n  user: admin\n"), "{yaml}");
    let refused = open("secret.yaml", Format::Yaml, Format::Binary, &keys);
    let text =
        "failed to emit encrypted YAML file as decrypted binary: no binary data found in tree";
    assert_eq!(refused, text);
    let refused = open("secret.yaml", Format::Yaml, Format::Dotenv, &keys);
    assert!(refused.ends_with("cannot use complex value in dotenv file"), "{refused}");
}

fn object(name: &str) -> Value {
    yaml::read_one(&text(&format!("encrypted/{name}"))).unwrap()
}

#[test]
fn objects_open_without_what_they_say_of_themselves() {
    let object = object("regex.yaml");
    assert!(sops::is_encrypted(&object));
    let keys = Keys::of(&["one.agekey"]).ask(&wrapped_of(&object).unwrap());
    let plain = decrypt_object(&object, &keys).unwrap();
    assert_eq!(plain, yaml::read_one(&text("expected/secret.yaml")).unwrap());
    assert!(!sops::is_encrypted(&plain));
}

/// A value is bound to its place and its bytes; no message shows it.
#[test]
fn values_that_were_moved_or_changed_do_not_open() {
    let original = object("regex.yaml");
    let keys = Keys::of(&["one.agekey"]).ask(&wrapped_of(&original).unwrap());
    let user = original.at(&["stringData", "user"]).unwrap().clone();
    let begin = "error decrypting sops tree: Error walking tree: Could not decrypt value: ";
    for (value, problem) in [
        (user, "Could not decrypt with AES_GCM: cipher: message authentication failed"),
        ("canary".into(), "Input string <redacted> does not match sops' data format"),
        (
            "ENC[AES256_GCM,data:canary]".into(),
            "Input string <redacted> does not match sops' data format",
        ),
    ] {
        let mut changed = original.clone();
        let Some(data) = changed.as_map_mut().and_then(|map| map.get_mut("stringData")) else {
            panic!("it is there")
        };
        data.as_map_mut().unwrap().insert("password".into(), value);
        let error = decrypt_object(&changed, &keys).unwrap_err().to_string();
        assert_eq!(error, format!("{begin}{problem}"));
    }
}

#[test]
fn metadata_that_says_nothing_is_named() {
    let load = |text: &str| wrapped_of(&yaml::read_one(text).unwrap()).unwrap_err().to_string();
    let begin = "failed to load encrypted JSON data: ";
    for (metadata, problem) in [
        ("sops: {mac: x, age: []}", "No keys found in file"),
        ("sops: x", "Found sops entry that is not a mapping"),
        ("a: b", "sops metadata not found"),
        ("sops: {age: [{enc: x}], encrypted_regex: (}", "encrypted_regex is no regular expression"),
        ("sops: {age: [{}], shamir_threshold: x}", "shamir_threshold is no number"),
    ] {
        assert_eq!(load(metadata), format!("{begin}{problem}"));
    }
    let two = load("sops: {age: [{}], encrypted_regex: a, encrypted_suffix: b}");
    assert!(two.starts_with(&format!("{begin}Cannot use more than one of")), "{two}");
}

#[test]
fn identities_that_are_none_are_refused_without_being_shown() {
    let refusal = |text: &str| age::Identities::default().add(text).unwrap_err();
    assert_eq!(refusal("canary"), "unknown identity type");
    assert_eq!(refusal("ssh-ed25519 AAAA"), "unknown identity type");
    let garbage = "malformed secret key: invalid character data part: s[3]=98";
    assert_eq!(refusal("AGE-SECRET-KEY-1GAGBCANARY"), garbage);
    let good = text("keys/one.agekey");
    let line = good.lines().last().unwrap();
    let last = if line.ends_with('Q') { 'P' } else { 'Q' };
    let wrong = format!("{}{last}", &line[..line.len() - 1]);
    assert_eq!(refusal(&wrong), "malformed secret key: invalid checksum");
    assert!(pgp::SecretKeys::default().add("canary").is_err());
}
