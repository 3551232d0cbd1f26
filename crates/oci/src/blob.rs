//! Where a layer's bytes are until somebody reads them: a small layer in memory, a large one in a
//! file without a name.

use std::io::{self, Cursor, Read};
use std::path::Path;

use tokio::fs::File;
use tokio::io::{AsyncSeekExt, AsyncWriteExt};

/// A layer of at most this many bytes is kept in memory: making a file costs more than it.
const MEMORY_BYTES_MAX: usize = 256 * 1024;

/// A layer's bytes, checked against size and digest.
#[derive(Debug)]
pub struct Blob {
    kept: Kept<std::fs::File>,
    /// Number of bytes.
    pub size_bytes: u64,
}

#[derive(Debug)]
enum Kept<F> {
    Memory(Vec<u8>),
    File(F),
}

impl Blob {
    /// The bytes from the start.
    pub fn into_reader(self) -> impl Read + Send {
        let reader: Box<dyn Read + Send> = match self.kept {
            Kept::Memory(bytes) => Box::new(Cursor::new(bytes)),
            Kept::File(file) => Box::new(file),
        };
        reader
    }
}

/// A layer that is being fetched.
pub(crate) struct Unchecked<'a> {
    kept: Kept<File>,
    size_bytes: u64,
    temp_dir: &'a Path,
}

impl<'a> Unchecked<'a> {
    /// Nothing yet; a large layer goes to `temp_dir`.
    pub(crate) fn new(temp_dir: &'a Path) -> Self {
        Self { kept: Kept::Memory(Vec::new()), size_bytes: 0, temp_dir }
    }

    pub(crate) async fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.size_bytes += bytes.len() as u64;
        match &mut self.kept {
            Kept::Memory(kept) if kept.len() + bytes.len() <= MEMORY_BYTES_MAX => {
                kept.extend_from_slice(bytes);
            }
            Kept::Memory(kept) => {
                let mut file = File::from_std(tempfile::tempfile_in(self.temp_dir)?);
                file.write_all(kept).await?;
                file.write_all(bytes).await?;
                self.kept = Kept::File(file);
            }
            Kept::File(file) => file.write_all(bytes).await?,
        }
        Ok(())
    }

    /// The blob, once its bytes have been checked.
    pub(crate) async fn checked(self) -> io::Result<Blob> {
        let kept = match self.kept {
            Kept::Memory(bytes) => Kept::Memory(bytes),
            Kept::File(mut file) => {
                file.flush().await?;
                file.rewind().await?;
                Kept::File(file.into_std().await)
            }
        };
        Ok(Blob { kept, size_bytes: self.size_bytes })
    }
}
