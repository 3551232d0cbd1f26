//! Encrypted files and objects (kustomization.md, 8). Their data keys are somebody else's to get, so
//! rendering stops twice to ask for them: before the build, and after it.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kustomize::FILE_NAMES;
use kustomize::files::{FilePath, Files, Kind, Memory};
use manifest::{Object, Value, yaml};
use sops::{DataKeys, Format, Wrapped};
use zeroize::Zeroizing;

use crate::{Error, Rendered, Request, subject};

/// Larger files are not decrypted.
const FILE_BYTES_MAX: usize = 5 << 20;
/// Directories that are looked through for encrypted files.
const DIRECTORIES_MAX: usize = 10_000;
/// Shorter texts are no secrets, and stand in any message.
const MASKED_BYTES_MIN: usize = 4;
/// Leaves an object as it is, whatever its case.
const DECRYPT: &str = "kustomize.toolkit.fluxcd.io/decrypt";
const DISABLED: &str = "disabled";

/// A request over its files, with the encrypted files that its build reads.
pub struct Sources {
    composed: Memory,
    sealed: Vec<Sealed>,
}

struct Sealed {
    path: FilePath,
    format: Format,
    bytes: Vec<u8>,
}

impl Sources {
    /// Finds what secret generators and patches name, from the path of the request through its
    /// resources and components. What is not there is left for the build to say.
    pub fn find(files: &dyn Files, request: &Request) -> Result<Self, Error> {
        let (root, composed) = crate::composed(files, request)?;
        let over = kustomize::files::Overlay::new(files, composed.clone());
        let mut search = Search { files: &over, visited: BTreeSet::new(), sealed: Vec::new() };
        search.run(root)?;
        Ok(Self { composed, sealed: search.sealed })
    }

    /// What the data keys of the files are wrapped with.
    pub fn wrapped(&self) -> Vec<Wrapped> {
        // What cannot be read is reported when it is to be opened.
        self.sealed.iter().filter_map(|file| sops::wrapped(&file.bytes, file.format).ok()).collect()
    }

    /// Builds with the files in plain.
    pub fn build(
        self,
        files: &dyn Files,
        request: &Request,
        keys: &DataKeys,
    ) -> Result<Draft, Error> {
        let Self { composed: mut over, sealed } = self;
        let (mut plain_texts, mut edited) = (Vec::new(), Vec::new());
        for Sealed { path, format, bytes } in sealed {
            let plain = sops::decrypt(&bytes, format, format, keys)
                .map_err(|error| Error::Sources(format!("{path}: {error}")))?;
            if sops::is_intact(&bytes, format, keys) == Ok(false) {
                edited.push(format!("{path} was changed after it was encrypted"));
            }
            over.insert(path, plain.to_vec());
            plain_texts.push((bytes, plain));
        }
        let root = FilePath::root().join_clamped(&request.path);
        let (objects, mut warnings) =
            crate::build(files, over, &root).map_err(|error| match error {
                Error::Build(text) => Error::Build(masked(text, &plain_texts)),
                Error::Decode(text) => Error::Decode(masked(text, &plain_texts)),
                error => error,
            })?;
        warnings.append(&mut edited);
        Ok(Draft { objects, warnings })
    }
}

/// A text without what was encrypted in the files of a build, each before and after: builds quote
/// what they cannot use.
fn masked(mut text: String, files: &[(Vec<u8>, Zeroizing<Vec<u8>>)]) -> String {
    for (sealed, plain) in files {
        let (Ok(sealed), Ok(plain)) = (std::str::from_utf8(sealed), std::str::from_utf8(plain))
        else {
            continue;
        };
        let lines = plain.lines().map(str::trim).flat_map(|line| {
            let value = line.split_once(['=', ':']).map(|(_, value)| value.trim());
            [Some(line), value].into_iter().flatten()
        });
        for part in lines.map(|part| part.trim_matches(['"', '\''])) {
            if part.len() >= MASKED_BYTES_MIN && !sealed.contains(part) {
                text = text.replace(part, "***");
            }
        }
    }
    text
}

struct Search<'a> {
    files: &'a dyn Files,
    visited: BTreeSet<FilePath>,
    sealed: Vec<Sealed>,
}

impl Search<'_> {
    fn run(&mut self, root: FilePath) -> Result<(), Error> {
        let mut open = vec![root];
        while let Some(directory) = open.pop() {
            if !self.visited.insert(directory.clone()) || self.visited.len() > DIRECTORIES_MAX {
                continue;
            }
            let Some(file) = self.kustomization(&directory) else { continue };
            for (name, format) in named(&file) {
                self.add(directory.join(&name), format)?;
            }
            let below = ["resources", "components"].into_iter().flat_map(|key| list(&file, key));
            let below = below.filter_map(|entry| directory.join(entry.as_str()?));
            open.extend(below.filter(|path| self.files.kind(path) == Some(Kind::Directory)));
        }
        Ok(())
    }

    fn kustomization(&self, directory: &FilePath) -> Option<Value> {
        let mut paths = FILE_NAMES.into_iter().map(|name| directory.join_clamped(name));
        let path = paths.find(|path| self.files.kind(path) == Some(Kind::File))?;
        let bytes = self.files.read(&path).ok()?;
        yaml::read_configuration(std::str::from_utf8(&bytes).ok()?).ok()
    }

    /// Adds a file if it is there and encrypted in this format, once.
    fn add(&mut self, path: Option<FilePath>, format: Format) -> Result<(), Error> {
        let Some(path) = path.filter(|path| self.files.kind(path) == Some(Kind::File)) else {
            return Ok(());
        };
        let Ok(bytes) = self.files.read(&path) else { return Ok(()) };
        if bytes.len() > FILE_BYTES_MAX {
            let size = bytes.len();
            return Err(Error::Sources(format!(
                "{path}: cannot decrypt file with size ({size} bytes) exceeding limit ({FILE_BYTES_MAX})"
            )));
        }
        if format.marks(&bytes) && self.visited.insert(path.clone()) {
            self.sealed.push(Sealed { path, format, bytes: bytes.into_owned() });
        }
        Ok(())
    }
}

fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value.get(key).and_then(Value::as_list).unwrap_or_default()
}

/// The files that a kustomization's secret generators and patches name, with the format that the
/// reference takes them for.
fn named(file: &Value) -> Vec<(String, Format)> {
    let mut found = Vec::new();
    for generator in list(file, "secretGenerator") {
        for source in list(generator, "files").iter().filter_map(Value::as_str) {
            // The key decides, which is the file's own name where none is given.
            let (key, path) = source.split_once('=').unwrap_or((source, source));
            found.push((path.to_owned(), Format::of(key)));
        }
        for path in list(generator, "envs").iter().filter_map(Value::as_str) {
            let format = match Format::of(path) {
                Format::Binary => Format::Dotenv,
                format => format,
            };
            found.push((path.to_owned(), format));
        }
    }
    let patches = list(file, "patches").iter().filter_map(|patch| patch.get("path")?.as_str());
    let local = patches.filter(|path| !path.contains("://"));
    found.extend(local.map(|path| (path.to_owned(), Format::of(path))));
    found
}

/// What was built and may still hold encrypted objects.
pub struct Draft {
    objects: Vec<Object>,
    warnings: Vec<String>,
}

impl Draft {
    /// What the data keys of the objects are wrapped with.
    pub fn wrapped(&self) -> Vec<Wrapped> {
        let wrapped = |object: &Object| match parts(object) {
            Parts::Plain => Vec::new(),
            Parts::Whole => sops::wrapped_of(object.value()).into_iter().collect(),
            Parts::Fields(fields) => fields
                .iter()
                .filter_map(|field| sops::wrapped(&field.bytes, field.format).ok())
                .collect(),
        };
        self.objects.iter().flat_map(wrapped).collect()
    }

    /// Decrypts the objects, and goes on as without.
    pub fn finish(self, request: &Request, keys: &DataKeys) -> Result<Rendered, Error> {
        let Self { objects, warnings } = self;
        let opened = objects.into_iter().map(|object| {
            let object_name = subject(&object);
            open(object, keys).map_err(|why| Error::Decrypt { object: object_name, why })
        });
        crate::finish(opened.collect::<Result<_, _>>()?, warnings, request)
    }
}

/// A value of a Secret that is an encrypted document.
struct Field {
    key: String,
    format: Format,
    bytes: Vec<u8>,
}

/// What of an object is encrypted.
enum Parts {
    Plain,
    /// All of it is one document.
    Whole,
    /// Some values of a Secret.
    Fields(Vec<Field>),
}

fn is_disabled(object: &Object) -> bool {
    object.annotation(DECRYPT).is_some_and(|value| value.eq_ignore_ascii_case(DISABLED))
}

fn parts(object: &Object) -> Parts {
    if is_disabled(object) {
        return Parts::Plain;
    }
    if sops::is_encrypted(object.value()) {
        return Parts::Whole;
    }
    if object.kind() != "Secret" {
        return Parts::Plain;
    }
    let data = object.at(&["data"]).and_then(Value::as_map).into_iter().flatten();
    let fields = data.filter_map(|(key, value)| {
        // Generators break long lines. What is no base64 is for the API server to refuse.
        let text = value.as_str()?.replace(['\n', '\r'], "");
        let bytes = STANDARD.decode(text).ok()?;
        let format = Format::marked(&bytes)?;
        Some(Field { key: key.to_string(), format, bytes })
    });
    let fields: Vec<_> = fields.collect();
    if fields.is_empty() { Parts::Plain } else { Parts::Fields(fields) }
}

fn open(mut object: Object, keys: &DataKeys) -> Result<Object, String> {
    let name = format!("{}/{}", object.namespace(), object.name());
    match parts(&object) {
        Parts::Plain => Ok(object),
        Parts::Whole => {
            let kind = object.kind().to_owned();
            let failed =
                |why: String| format!("failed to decrypt and format '{name}' {kind} data: {why}");
            let opened = sops::decrypt_object(object.value(), keys);
            Object::new(opened.map_err(|error| failed(error.to_string()))?)
                .map_err(|error| failed(error.to_string()))
        }
        Parts::Fields(fields) => {
            let mut data = object.at(&["data"]).cloned().unwrap_or_default();
            for Field { key, format, bytes } in fields {
                let plain = sops::decrypt(&bytes, format, Format::of(&key), keys);
                let plain = plain.map_err(|error| {
                    format!("failed to decrypt and format '{name}' Secret field '{key}': {error}")
                })?;
                if let Some(map) = data.as_map_mut() {
                    map.insert(key.as_str().into(), STANDARD.encode(&*plain).into());
                }
            }
            object.set("data", Some(data));
            Ok(object)
        }
    }
}

/// Whether an object is encrypted, or holds an encrypted file.
pub fn is_sealed(object: &Object) -> bool {
    !matches!(parts(object), Parts::Plain)
}

/// Refuses Secrets that nobody decrypted and that do not say that they are to stay so
/// (decisions.md, encrypted Secret without decryption).
pub fn refuse_encrypted(objects: &[Object]) -> Result<(), Error> {
    let encrypted = objects.iter().find(|object| {
        object.kind() == "Secret"
            && object.api_version() == "v1"
            && object.at(&["sops"]).is_some()
            && !is_disabled(object)
    });
    match encrypted {
        Some(secret) => Err(Error::Encrypted(secret.id().subject())),
        None => Ok(()),
    }
}
