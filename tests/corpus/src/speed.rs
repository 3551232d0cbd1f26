//! `make bench-build`: whole processes of `sluice build` against the reference, in turn, on the
//! real builds of the corpus.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, ensure};
use kustomize::files::{FilePath, Files, Kind, Memory, Unreadable};
use nix::sys::resource::{UsageWho, getrusage};
use serde_json::Value as Json;

use crate::build::{options_of, real_entries, unpacked};

/// Timed runs of each program on each build; the fastest counts.
const RUNS: usize = 3;
/// Builds that take the reference less than this beyond an empty one are printed, not judged.
const JUDGED_FROM_SECONDS: f64 = 0.05;
/// Less cannot be told from noise.
const SECONDS_MIN: f64 = 0.000_5;
const LARGEST: usize = 10;
/// Memory that a process may use whatever it reads.
const BASE_BYTES: f64 = 10e6;

/// Argument that makes this program run one other program and say what that took.
pub(crate) const ONE: &str = "--one";

/// Runs one program without its output and prints seconds and peak memory in KiB: a process of its
/// own, because a peak is that of all children together.
pub(crate) fn one(command: &[String]) -> anyhow::Result<()> {
    let (program, arguments) = command.split_first().context("no program")?;
    let start = Instant::now();
    let status = Command::new(program).args(arguments).stdout(Stdio::null()).status()?;
    let seconds = start.elapsed().as_secs_f64();
    ensure!(status.success(), "{program} failed");
    println!("{seconds} {}", getrusage(UsageWho::RUSAGE_CHILDREN)?.max_rss());
    Ok(())
}

#[derive(Clone, Copy)]
struct Measured {
    seconds: f64,
    bytes: f64,
}

struct Contender {
    program: PathBuf,
    verb: &'static [&'static str],
    empty_seconds: f64,
}

impl Contender {
    fn new(program: PathBuf, verb: &'static [&'static str], empty: &Path) -> anyhow::Result<Self> {
        let mut contender = Self { program, verb, empty_seconds: 0.0 };
        for _ in 0..RUNS * 3 {
            let seconds = contender.run(empty, ".", &[])?.seconds;
            let known = contender.empty_seconds;
            contender.empty_seconds = if known > 0.0 { known.min(seconds) } else { seconds };
        }
        Ok(contender)
    }

    fn run(&self, at: &Path, directory: &str, arguments: &[String]) -> anyhow::Result<Measured> {
        let output = Command::new(std::env::current_exe()?)
            .arg(ONE)
            .arg(&self.program)
            .args(self.verb)
            .args(arguments)
            .arg(directory)
            .current_dir(at)
            .stderr(Stdio::null())
            .output()?;
        let text = String::from_utf8(output.stdout)?;
        let (seconds, kib) = text.trim().split_once(' ').context("the build failed")?;
        Ok(Measured { seconds: seconds.parse()?, bytes: kib.parse::<f64>()? * 1024.0 })
    }
}

struct Row {
    id: String,
    theirs: f64,
    ours: f64,
    gross: f64,
    net: f64,
    judged: bool,
    /// Peak memory beyond the base, as a multiple of the bytes read.
    memory: f64,
}

/// Runs all builds and prints a line for each, then what they come to.
pub(crate) fn run(root: &Path) -> anyhow::Result<()> {
    let sluice = std::env::current_exe()?.with_file_name("sluice");
    ensure!(sluice.is_file(), "no `sluice` beside this program: use `make bench-build`");
    let folder = root.join("real");
    let index = std::fs::read_to_string(folder.join("index.json")).context("no real builds")?;
    let index: Json = serde_json::from_str(&index)?;
    let work = tempfile::tempdir()?;
    std::fs::write(work.path().join("kustomization.yaml"), "namePrefix: a-\n")?;
    let theirs = Contender::new(controlplane::binary()?, &["kubectl", "kustomize"], work.path())?;
    let ours = Contender::new(sluice, &["build"], work.path())?;
    println!(
        "empty build: reference {:.4} s, sluice {:.4} s",
        theirs.empty_seconds, ours.empty_seconds
    );
    let mut rows = Vec::new();
    for (tarball, entries) in real_entries(&index) {
        let files = unpacked(&folder.join(tarball))?;
        let place = tempfile::tempdir()?;
        extract(&folder.join(tarball), place.path())?;
        for entry in entries.iter().filter(|entry| entry["kind"] == "ok") {
            rows.push(row(entry, &files, place.path(), &theirs, &ours)?);
        }
    }
    summary(rows);
    Ok(())
}

fn extract(tarball: &Path, to: &Path) -> anyhow::Result<()> {
    let archive = flate2::read::GzDecoder::new(std::fs::File::open(tarball)?);
    Ok(tar::Archive::new(archive).unpack(to)?)
}

fn row(
    entry: &Json,
    files: &Memory,
    at: &Path,
    theirs: &Contender,
    ours: &Contender,
) -> anyhow::Result<Row> {
    let text = |key: &str| entry[key].as_str().unwrap_or_default();
    let arguments = entry["args"].as_array().into_iter().flatten();
    let arguments: Vec<_> = arguments.filter_map(Json::as_str).map(str::to_owned).collect();
    let (mut reference, mut own) = (f64::MAX, f64::MAX);
    let mut peak = 0.0_f64;
    for _ in 0..RUNS {
        reference = reference.min(theirs.run(at, text("dir"), &arguments)?.seconds);
        let measured = ours.run(at, text("dir"), &arguments)?;
        own = own.min(measured.seconds);
        peak = peak.max(measured.bytes);
    }
    let read = Counted { files, read: RefCell::default() };
    let directory = FilePath::root().join_clamped(text("dir"));
    kustomize::build(&read, &directory, &options_of(entry))
        .map_err(|error| anyhow::anyhow!(error.chain()))?;
    #[expect(clippy::cast_precision_loss, reason = "a ratio of sizes")]
    let bytes = read.read.borrow().values().sum::<usize>() as f64;
    let net = (reference - theirs.empty_seconds) / (own - ours.empty_seconds).max(SECONDS_MIN);
    let row = Row {
        id: text("id").to_owned(),
        theirs: reference,
        ours: own,
        gross: reference / own,
        net,
        judged: reference - theirs.empty_seconds >= JUDGED_FROM_SECONDS,
        memory: (peak - BASE_BYTES).max(0.0) / bytes,
    };
    println!(
        "{} reference {:.4} s, sluice {:.4} s, gross {:.1}, net {:.1}, {:.1} MB for {:.3} MB read",
        row.id,
        row.theirs,
        row.ours,
        row.gross,
        row.net,
        peak / 1e6,
        bytes / 1e6
    );
    Ok(row)
}

/// Files that remember which of them were read, with their sizes.
struct Counted<'a> {
    files: &'a Memory,
    read: RefCell<BTreeMap<FilePath, usize>>,
}

impl Files for Counted<'_> {
    fn kind(&self, path: &FilePath) -> Option<Kind> {
        self.files.kind(path)
    }

    fn read(&self, path: &FilePath) -> Result<std::borrow::Cow<'_, [u8]>, Unreadable> {
        let content = self.files.read(path)?;
        self.read.borrow_mut().insert(path.clone(), content.len());
        Ok(content)
    }

    fn list(&self, path: &FilePath) -> Result<Vec<(String, Kind)>, Unreadable> {
        self.files.list(path)
    }
}

fn geometric_mean<'a>(ratios: impl Iterator<Item = &'a f64> + Clone) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "a few thousand builds")]
    let count = ratios.clone().count().max(1) as f64;
    (ratios.map(|ratio| ratio.ln()).sum::<f64>() / count).exp()
}

fn summary(mut rows: Vec<Row>) {
    let all: Vec<f64> = rows.iter().map(|row| row.gross).collect();
    println!("\n{} builds: gross geometric mean {:.1}", rows.len(), geometric_mean(all.iter()));
    rows.sort_by(|a, b| b.theirs.total_cmp(&a.theirs));
    println!("the {LARGEST} largest, gross:");
    for row in rows.iter().take(LARGEST) {
        println!("  {:.1} {}", row.gross, row.id);
    }
    rows.sort_by(|a, b| b.memory.total_cmp(&a.memory));
    if let Some(row) = rows.first() {
        println!("most memory: {:.1} x the bytes read beyond 10 MB: {}", row.memory, row.id);
    }
    rows.retain(|row| row.judged);
    rows.sort_by(|a, b| a.net.total_cmp(&b.net));
    let net: Vec<f64> = rows.iter().map(|row| row.net).collect();
    println!(
        "{} builds of {JUDGED_FROM_SECONDS} s and more: net geometric mean {:.1}, worst:",
        rows.len(),
        geometric_mean(net.iter())
    );
    for row in rows.iter().take(LARGEST) {
        println!("  {:.1} {}", row.net, row.id);
    }
}
