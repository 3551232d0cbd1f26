//! Artifacts on disk: content once by digest, published at the contract's paths.
//!
//! `<root>/.blobs/<digest>` holds the content; `<root>/ocirepository/<namespace>/<name>/<file>` is
//! a hard link to it, so the file system counts who still uses it. There is no state besides
//! these files: a restart finds what was there.

use std::fs::{self, DirBuilder, File};
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use crate::contents::{Contents, file_error};
use crate::digest::{Algorithm, Digest, HashWriter};
use crate::error::Error;
use crate::revision::Revision;
use crate::tree::{Entries, Limits, Tree};

/// Where content lies; the leading dot keeps it out of what is served.
const BLOBS: &str = ".blobs";
/// Unfinished writes; emptied when the store is opened.
const UNFINISHED: &str = ".unfinished";
/// The folder of our kind in the URL layout.
pub(crate) const KIND: &str = "ocirepository";
/// The link to the newest artifact of an object.
pub(crate) const LATEST: &str = "latest.tar.gz";
/// The most files of one object that expiry looks at (ocirepository.md, 12).
const EXPIRE_FILES_MAX: usize = 1000;

/// A folder of artifacts.
pub struct Store {
    root: PathBuf,
    host: String,
    algorithm: Algorithm,
    /// Held while links are made or removed, so that content that lost its last link is not
    /// linked again while it is being removed.
    contents: Mutex<Contents>,
}

/// One artifact that was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Path below the store's root, as in `status.artifact.path`.
    pub path: String,
    /// Digest of the stored bytes.
    pub digest: Digest,
    /// Number of the stored bytes.
    pub size_bytes: u64,
}

/// What stands at an artifact's path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Check {
    /// The bytes that the digest names.
    Present,
    /// Nothing, or no regular file.
    Missing,
    /// Something else; the text follows `failed to verify integrity of artifact: `.
    Corrupt(String),
}

/// How long old artifacts stay (`--artifact-retention-ttl`, `--artifact-retention-records`).
#[derive(Clone, Copy, Debug)]
pub struct Retention {
    /// Age above which an artifact that is not current goes.
    pub age_max: Duration,
    /// How many artifacts stay, the current one included.
    pub records: usize,
}

impl Store {
    /// Opens the folder `root`, which must exist, and removes what a crash left unfinished.
    ///
    /// `host` is what artifact URLs begin with: a host, or a whole URL (ocirepository.md, 11).
    pub fn open(root: &Path, host: &str, algorithm: Algorithm) -> Result<Self, Error> {
        let root = root.canonicalize().map_err(file_error("open", root))?;
        let unfinished = root.join(UNFINISHED);
        if unfinished.exists() {
            fs::remove_dir_all(&unfinished).map_err(file_error("remove", &unfinished))?;
        }
        create_dir(&unfinished)?;
        let blobs = root.join(BLOBS);
        create_dir(&blobs)?;
        let contents = Mutex::new(Contents::of(&blobs)?);
        Ok(Self { root, host: host.into(), algorithm, contents })
    }

    /// The path of an object's artifact below the root (ocirepository.md, 11).
    pub fn path(&self, namespace: &str, name: &str, revision: &Revision) -> Result<String, Error> {
        let file = format!("{}.tar.gz", revision.file_part());
        for part in [namespace, name, &file] {
            if !is_plain_name(part) {
                return Err(Error::InvalidPath(format!("{namespace}/{name}/{file}")));
            }
        }
        Ok(format!("{KIND}/{namespace}/{name}/{file}"))
    }

    /// Where consumers download the artifact at `path`.
    pub fn url(&self, path: &str) -> String {
        if self.host.starts_with("http://") || self.host.starts_with("https://") {
            format!("{}/{path}", self.host)
        } else {
            format!("http://{}/{path}", self.host)
        }
    }

    /// The stable URL of an object's newest artifact.
    pub fn latest_url(&self, namespace: &str, name: &str) -> String {
        self.url(&format!("{KIND}/{namespace}/{name}/{LATEST}"))
    }

    /// Stores what `produce` writes at `path` and replaces what was there in one step.
    ///
    /// The bytes are hashed as they are written. If `produce` fails, nothing changes.
    pub fn write<E: From<Error>>(
        &self,
        path: &str,
        produce: impl FnOnce(&mut dyn Write) -> Result<(), E>,
    ) -> Result<Stored, E> {
        let target = self.resolve(path)?;
        let unfinished = self.root.join(UNFINISHED);
        let temporary = tempfile::NamedTempFile::new_in(&unfinished)
            .map_err(file_error("create a file in", &unfinished))?;
        let mut out = HashWriter::new(self.algorithm, BufWriter::new(temporary));
        produce(&mut out)?;
        let (buffered, digest, size_bytes) = out.finish();
        let temporary = buffered
            .into_inner()
            .map_err(|error| file_error("write", &unfinished)(error.into_error()))?;
        self.publish(temporary, &digest, &target)?;
        Ok(Stored { path: path.into(), digest, size_bytes })
    }

    /// Stores content that is stored already at `path` too; `None` when it is not there, or is not
    /// what `digest` names any more.
    pub fn adopt(&self, path: &str, digest: &Digest) -> Result<Option<Stored>, Error> {
        let target = self.resolve(path)?;
        let blob = self.blob(digest);
        let mut contents = self.contents();
        let Ok(metadata) = fs::metadata(&blob) else { return Ok(None) };
        if hash_of(&blob, digest.algorithm())? != *digest {
            return Ok(None);
        }
        self.link(&mut contents, &blob, &target)?;
        let (path, digest, size_bytes) = (path.into(), digest.clone(), metadata.len());
        Ok(Some(Stored { path, digest, size_bytes }))
    }

    fn publish(
        &self,
        temporary: tempfile::NamedTempFile,
        digest: &Digest,
        target: &Path,
    ) -> Result<(), Error> {
        temporary.as_file().sync_all().map_err(file_error("write", temporary.path()))?;
        let mut contents = self.contents();
        let blob = self.blob(digest);
        if fs::metadata(&blob).is_ok() && hash_of(&blob, digest.algorithm())? == *digest {
            // Age counts from the last time the content was stored.
            let now = temporary.as_file().metadata().and_then(|metadata| metadata.modified());
            let touched = File::open(&blob).and_then(|file| file.set_modified(now?));
            touched.map_err(file_error("touch", &blob))?;
        } else {
            temporary
                .persist(&blob)
                .map_err(|error| file_error("rename to", &blob)(error.error))?;
        }
        self.link(&mut contents, &blob, target)
    }

    /// Makes `target` a link to content, and removes what it was a link to if nobody else is one.
    fn link(&self, contents: &mut Contents, blob: &Path, target: &Path) -> Result<(), Error> {
        let inode = contents.note(blob)?;
        create_dir(target.parent().unwrap_or(&self.root))?;
        let former = fs::symlink_metadata(target).map(|metadata| metadata.ino()).ok();
        self.replace(target, |link| fs::hard_link(blob, link))?;
        former.filter(|former| *former != inode).map_or(Ok(()), |former| contents.release(former))
    }

    /// Points the stable link of an artifact's object at it.
    pub fn point_latest(&self, path: &str) -> Result<(), Error> {
        let target = self.resolve(path)?;
        let latest = target.with_file_name(LATEST);
        let file = target.file_name().unwrap_or_default();
        self.replace(&latest, |link| std::os::unix::fs::symlink(file, link))
    }

    /// Makes a link. In the place of another it is made under a name nobody else uses and renamed,
    /// so that there is always one.
    fn replace(&self, target: &Path, make: impl Fn(&Path) -> io::Result<()>) -> Result<(), Error> {
        match make(target) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            made => return made.map_err(file_error("link", target)),
        }
        let unfinished = tempfile::Builder::new()
            .make_in(self.root.join(UNFINISHED), |link| make(link))
            .map_err(file_error("link", target))?;
        // Renaming one link of a file to another link of it does nothing at all; dropping the
        // temporary name then removes it.
        fs::rename(unfinished.path(), target).map_err(file_error("rename to", target))
    }

    /// Whether the bytes at `path` are those that `digest` names (ocirepository.md, 12).
    pub fn check(&self, path: &str, digest: &str) -> Result<Check, Error> {
        let file = self.resolve(path)?;
        if !fs::symlink_metadata(&file).is_ok_and(|metadata| metadata.is_file()) {
            return Ok(Check::Missing);
        }
        if digest.is_empty() {
            return Ok(Check::Corrupt("artifact has no digest".into()));
        }
        let corrupt = Check::Corrupt(format!("computed digest doesn't match '{digest}'"));
        let Ok(digest) = digest.parse::<Digest>() else { return Ok(corrupt) };
        let same = hash_of(&file, digest.algorithm())? == digest;
        Ok(if same { Check::Present } else { corrupt })
    }

    /// The files of the artifact at `path`, read in this process.
    ///
    /// The bytes are hashed as they are read; if they are not what `digest` names, nothing is
    /// given ([`Error::Corrupt`]).
    pub fn entries(&self, path: &str, digest: &Digest, limits: &Limits) -> Result<Entries, Error> {
        let path = self.resolve(path)?;
        let file = File::open(&path).map_err(file_error("open", &path))?;
        Tree::unpack_checked(BufReader::new(file), digest, limits, &self.spool_dir())?.entries()
    }

    /// The stored bytes at `path`, for a caller that checks them itself.
    pub fn reader(&self, path: &str) -> Result<impl Read + use<>, Error> {
        let path = self.resolve(path)?;
        File::open(&path).map(BufReader::new).map_err(file_error("open", &path))
    }

    /// Removes the artifact at `path`; that there is none is no error.
    pub fn discard(&self, path: &str) -> Result<(), Error> {
        let file = self.resolve(path)?;
        self.contents().unlink(&file)
    }

    /// Removes old artifacts of the object that owns `current`, and says how many.
    ///
    /// First those older than the retention's age, then the oldest until only its records are
    /// left; never the current one (ocirepository.md, 12; H08 to H10).
    pub fn expire(
        &self,
        current: &str,
        retention: Retention,
        now: SystemTime,
    ) -> Result<usize, Error> {
        let current = self.resolve(current)?;
        let files = artifact_files(current.parent().unwrap_or(&self.root))?;
        let total = files.len();
        let mut others: Vec<_> = files.into_iter().filter(|(_, path)| *path != current).collect();
        others.sort();
        let too_old = others
            .iter()
            .filter(|(stored, _)| {
                now.duration_since(*stored).unwrap_or_default() > retention.age_max
            })
            .count();
        let too_many = total.saturating_sub(retention.records).min(others.len());
        let removed = too_old.max(too_many);
        let mut contents = self.contents();
        for (_, path) in &others[..removed] {
            contents.unlink(path)?;
        }
        Ok(removed)
    }

    /// Removes everything of an object; says whether there was anything.
    pub fn remove(&self, namespace: &str, name: &str) -> Result<bool, Error> {
        if !is_plain_name(namespace) || !is_plain_name(name) {
            return Err(Error::InvalidPath(format!("{namespace}/{name}")));
        }
        let directory = self.root.join(KIND).join(namespace).join(name);
        let mut contents = self.contents();
        for entry in fs::read_dir(&directory).into_iter().flatten().flatten() {
            if entry.file_type().is_ok_and(|kind| kind.is_file()) {
                contents.unlink(&entry.path())?;
            }
        }
        match fs::remove_dir_all(&directory) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(file_error("remove", &directory)(error)),
        }
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Where [`Tree::unpack`] may spool: on the store's own file system, emptied at start.
    pub fn spool_dir(&self) -> PathBuf {
        self.root.join(UNFINISHED)
    }

    fn blob(&self, digest: &Digest) -> PathBuf {
        self.root.join(BLOBS).join(digest.to_string())
    }

    fn contents(&self) -> std::sync::MutexGuard<'_, Contents> {
        self.contents.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The file of an artifact path; refuses every other path.
    fn resolve(&self, path: &str) -> Result<PathBuf, Error> {
        let parts: Vec<&str> = path.split('/').collect();
        match parts.as_slice() {
            [KIND, namespace, name, file]
                if [namespace, name, file].into_iter().all(|part| is_plain_name(part)) =>
            {
                Ok(self.root.join(path))
            }
            _ => Err(Error::InvalidPath(path.into())),
        }
    }
}

/// Whether `part` can be one component of a path and nothing else.
pub(crate) fn is_plain_name(part: &str) -> bool {
    let plain =
        |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':' | '+' | '=');
    !part.is_empty() && !part.starts_with('.') && part.len() <= 255 && part.chars().all(plain)
}

/// Regular files of an object with the time they were stored; links and locks are left out.
fn artifact_files(directory: &Path) -> Result<Vec<(SystemTime, PathBuf)>, Error> {
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(file_error("list", directory)(error)),
    };
    let mut files = Vec::new();
    for entry in entries.take(EXPIRE_FILES_MAX) {
        let entry = entry.map_err(file_error("list", directory))?;
        let metadata = entry.metadata().map_err(file_error("stat", &entry.path()))?;
        let lock = entry.path().extension().is_some_and(|extension| extension == "lock");
        if metadata.is_file() && !lock {
            files.push((metadata.modified().map_err(file_error("stat", directory))?, entry.path()));
        }
    }
    Ok(files)
}

fn hash_of(path: &Path, algorithm: Algorithm) -> Result<Digest, Error> {
    let hash = File::open(path).and_then(|file| Digest::of_reader(algorithm, file));
    hash.map_err(file_error("read", path))
}

fn create_dir(path: &Path) -> Result<(), Error> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.map_err(file_error("create", path))
}
