//! A difference made small: files and lines go as long as it stays.

use crate::oracle::{Difference, Files, Oracle, Verdict};

/// How many smaller trees are tried.
const TRIALS_MAX: usize = 1500;

/// The smallest tree found that still shows the same class of difference.
pub fn shrink(
    oracle: &Oracle,
    files: &Files,
    found: Difference,
) -> anyhow::Result<(Files, Difference)> {
    let mut hunt = Hunt { oracle, files: files.clone(), found, left: TRIALS_MAX };
    loop {
        let before = size(&hunt.files);
        hunt.drop_files()?;
        hunt.drop_lines()?;
        if size(&hunt.files) == before || hunt.left == 0 {
            return Ok((hunt.files, hunt.found));
        }
    }
}

fn size(files: &Files) -> usize {
    files.values().map(|text| text.len() + 1).sum()
}

struct Hunt<'a> {
    oracle: &'a Oracle,
    files: Files,
    found: Difference,
    left: usize,
}

impl Hunt<'_> {
    /// Takes a smaller tree if it differs in the same way.
    fn offer(&mut self, files: Files) -> anyhow::Result<bool> {
        if self.left == 0 {
            return Ok(false);
        }
        self.left -= 1;
        match self.oracle.judge(&files)? {
            Verdict::Differs(found) if found.class() == self.found.class() => {
                self.files = files;
                self.found = found;
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    /// A file goes together with the lines that name it, or its folder.
    fn drop_files(&mut self) -> anyhow::Result<()> {
        let mut names: Vec<_> = self.files.keys().cloned().collect();
        names
            .extend(self.files.keys().filter_map(|path| Some(path.rsplit_once('/')?.0.to_owned())));
        names.sort_by_key(String::len);
        names.dedup();
        for name in names {
            let last = name.rsplit('/').next().unwrap_or_default().to_owned();
            let inside = format!("{name}/");
            let mut files = self.files.clone();
            files.retain(|path, _| *path != name && !path.starts_with(&inside));
            if files.len() == self.files.len() {
                continue;
            }
            for text in files.values_mut() {
                *text = text.split_inclusive('\n').filter(|line| !line.contains(&last)).collect();
            }
            self.offer(files)?;
        }
        Ok(())
    }

    /// A line goes together with those that are further in.
    fn drop_lines(&mut self) -> anyhow::Result<()> {
        for path in self.files.keys().cloned().collect::<Vec<_>>() {
            let mut at = 0;
            while let Some(text) = self.files.get(&path) {
                let lines: Vec<_> = text.split_inclusive('\n').map(str::to_owned).collect();
                if at >= lines.len() {
                    break;
                }
                let end = block_end(&lines, at);
                let mut gone = false;
                for (from, to) in [(at, end), (at, at + 1)] {
                    if to == from || (gone && to != end) {
                        continue;
                    }
                    if lines[from..to].iter().any(|line| line.contains("apiVersion"))
                        && to == from + 1
                    {
                        continue;
                    }
                    let mut files = self.files.clone();
                    files.insert(path.clone(), [&lines[..from], &lines[to..]].concat().concat());
                    gone = self.offer(files)?;
                    if gone {
                        break;
                    }
                }
                if !gone {
                    at += 1;
                }
            }
        }
        Ok(())
    }
}

/// Where the block that a line opens ends.
fn block_end(lines: &[String], at: usize) -> usize {
    let depth = |line: &str| line.len() - line.trim_start_matches(' ').len();
    let own = depth(&lines[at]);
    let item = lines[at].trim_start().starts_with("- ");
    let further = |line: &String| {
        let within = !item && line.trim_start().starts_with("- ") && depth(line) == own;
        line.trim().is_empty() || depth(line) > own || within
    };
    at + 1 + lines[at + 1..].iter().take_while(|line| further(line)).count()
}
