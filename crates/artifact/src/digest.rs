//! Digests: `algorithm:hex` of some bytes.

use std::fmt;
use std::io::{self, Read, Write};
use std::str::FromStr;

use sha1::Sha1;
use sha2::{Digest as _, Sha256, Sha384, Sha512};

use crate::text::quoted;

/// How many bytes are hashed at a time.
const BUFFER_BYTES: usize = 64 * 1024;

/// A hash function that artifacts may be named by (`--artifact-digest-algo`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub enum Algorithm {
    /// SHA-1, for artifacts that are named by it already.
    Sha1,
    /// SHA-256, the default.
    #[default]
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
    /// BLAKE3.
    Blake3,
}

impl Algorithm {
    const ALL: [Self; 5] = [Self::Sha1, Self::Sha256, Self::Sha384, Self::Sha512, Self::Blake3];

    /// Its name in front of the colon.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sha1 => "sha1",
            Self::Sha256 => "sha256",
            Self::Sha384 => "sha384",
            Self::Sha512 => "sha512",
            Self::Blake3 => "blake3",
        }
    }

    fn hex_digits(self) -> usize {
        match self {
            Self::Sha1 => 40,
            Self::Sha256 | Self::Blake3 => 64,
            Self::Sha384 => 96,
            Self::Sha512 => 128,
        }
    }
}

impl FromStr for Algorithm {
    type Err = InvalidDigest;

    fn from_str(name: &str) -> Result<Self, InvalidDigest> {
        Self::ALL
            .into_iter()
            .find(|algorithm| algorithm.name() == name)
            .ok_or_else(|| InvalidDigest::Unsupported(name.into()))
    }
}

/// The hash of some bytes; its text form is `algorithm:hex`, lower case.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest {
    algorithm: Algorithm,
    hex: String,
}

/// A text that is no digest. The texts are those of ocirepository.md, 20.1.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidDigest {
    /// No colon.
    #[error("cannot parse hash: {}", quoted(.0))]
    NoAlgorithm(String),
    /// Not lower-case hexadecimal.
    #[error("found non-hex character in hash: {0}")]
    NotHex(char),
    /// An algorithm that is not accepted here.
    #[error("unsupported hash: {}", quoted(.0))]
    Unsupported(String),
    /// Too few or too many digits.
    #[error("wrong number of hex digits for {algorithm}: {hex}")]
    Length {
        /// The algorithm's name.
        algorithm: &'static str,
        /// The digits as written.
        hex: String,
    },
}

impl Digest {
    /// The digest of `bytes`.
    pub fn of(algorithm: Algorithm, bytes: &[u8]) -> Self {
        let mut writer = HashWriter::new(algorithm, io::sink());
        writer.hash(bytes);
        writer.finish().1
    }

    /// Reads `from` to its end and gives its digest.
    pub fn of_reader(algorithm: Algorithm, mut from: impl Read) -> io::Result<Self> {
        let mut writer = HashWriter::new(algorithm, io::sink());
        let mut buffer = vec![0; BUFFER_BYTES];
        loop {
            match from.read(&mut buffer)? {
                0 => return Ok(writer.finish().1),
                count => writer.hash(&buffer[..count]),
            }
        }
    }

    /// Reads a digest as a registry reference may carry it: SHA-256 only (ocirepository.md, 4).
    pub fn parse_sha256(text: &str) -> Result<Self, InvalidDigest> {
        Self::parse(text, &[Algorithm::Sha256])
    }

    fn parse(text: &str, accepted: &[Algorithm]) -> Result<Self, InvalidDigest> {
        let (name, hex) =
            text.split_once(':').ok_or_else(|| InvalidDigest::NoAlgorithm(text.into()))?;
        if let Some(bad) = hex.bytes().find(|c| !matches!(c, b'0'..=b'9' | b'a'..=b'f')) {
            return Err(InvalidDigest::NotHex(bad.into()));
        }
        let algorithm = accepted
            .iter()
            .copied()
            .find(|algorithm| algorithm.name() == name)
            .ok_or_else(|| InvalidDigest::Unsupported(name.into()))?;
        if hex.len() != algorithm.hex_digits() {
            return Err(InvalidDigest::Length { algorithm: algorithm.name(), hex: hex.into() });
        }
        Ok(Self { algorithm, hex: hex.into() })
    }

    /// The hash function.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The hash in lower-case hexadecimal.
    pub fn hex(&self) -> &str {
        &self.hex
    }
}

impl FromStr for Digest {
    type Err = InvalidDigest;

    fn from_str(text: &str) -> Result<Self, InvalidDigest> {
        Self::parse(text, &Algorithm::ALL)
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}:{}", self.algorithm.name(), self.hex)
    }
}

enum Hasher {
    Sha1(Sha1),
    Sha256(Sha256),
    Sha384(Sha384),
    Sha512(Sha512),
    Blake3(Box<blake3::Hasher>),
}

/// A writer that hashes and counts what passes through it.
pub struct HashWriter<W> {
    hasher: Hasher,
    algorithm: Algorithm,
    size_bytes: u64,
    inner: W,
}

impl<W> HashWriter<W> {
    /// Wraps `inner`.
    pub fn new(algorithm: Algorithm, inner: W) -> Self {
        let hasher = match algorithm {
            Algorithm::Sha1 => Hasher::Sha1(Sha1::new()),
            Algorithm::Sha256 => Hasher::Sha256(Sha256::new()),
            Algorithm::Sha384 => Hasher::Sha384(Sha384::new()),
            Algorithm::Sha512 => Hasher::Sha512(Sha512::new()),
            Algorithm::Blake3 => Hasher::Blake3(Box::default()),
        };
        Self { hasher, algorithm, size_bytes: 0, inner }
    }

    /// Hashes and counts `bytes` without passing them on.
    pub fn hash(&mut self, bytes: &[u8]) {
        self.size_bytes += bytes.len() as u64;
        match &mut self.hasher {
            Hasher::Sha1(hasher) => hasher.update(bytes),
            Hasher::Sha256(hasher) => hasher.update(bytes),
            Hasher::Sha384(hasher) => hasher.update(bytes),
            Hasher::Sha512(hasher) => hasher.update(bytes),
            Hasher::Blake3(hasher) => drop(hasher.update(bytes)),
        }
    }

    /// The wrapped writer, and the digest and number of the bytes that went through.
    pub fn finish(self) -> (W, Digest, u64) {
        let hex = match self.hasher {
            Hasher::Sha1(hasher) => hex::encode(hasher.finalize()),
            Hasher::Sha256(hasher) => hex::encode(hasher.finalize()),
            Hasher::Sha384(hasher) => hex::encode(hasher.finalize()),
            Hasher::Sha512(hasher) => hex::encode(hasher.finalize()),
            Hasher::Blake3(hasher) => hasher.finalize().to_hex().to_string(),
        };
        (self.inner, Digest { algorithm: self.algorithm, hex }, self.size_bytes)
    }
}

impl<W: Write> Write for HashWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.inner.write(bytes)?;
        self.hash(&bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// A reader that hashes what passes through it.
pub(crate) struct HashReader<R> {
    inner: R,
    writer: HashWriter<io::Sink>,
}

impl<R: Read> HashReader<R> {
    pub(crate) fn new(algorithm: Algorithm, inner: R) -> Self {
        Self { inner, writer: HashWriter::new(algorithm, io::sink()) }
    }

    /// Reads what is left and gives the digest of everything.
    pub(crate) fn drain(mut self) -> io::Result<Digest> {
        io::copy(&mut self, &mut io::sink())?;
        Ok(self.writer.finish().1)
    }
}

impl<R: Read> Read for HashReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.writer.hash(&buffer[..count]);
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_that_are_no_digest_say_why() {
        let error = |text: &str| Digest::parse_sha256(text).err().map(|error| error.to_string());
        assert_eq!(error("invalid").as_deref(), Some("cannot parse hash: \"invalid\""));
        assert_eq!(error("sha256:a:").as_deref(), Some("found non-hex character in hash: :"));
        assert_eq!(error("sha512:aa").as_deref(), Some("unsupported hash: \"sha512\""));
        let short = "wrong number of hex digits for sha256: aa";
        assert_eq!(error("sha256:aa").as_deref(), Some(short));
    }

    #[test]
    fn every_algorithm_names_its_own_length() {
        for algorithm in Algorithm::ALL {
            let digest = Digest::of(algorithm, b"x");
            assert_eq!(digest.to_string().parse(), Ok(digest));
            assert_eq!(algorithm.name().parse(), Ok(algorithm));
        }
    }
}
