//! What a person sees.

use std::io::{IsTerminal as _, Write as _};
use std::time::{Duration, Instant};

use anstyle::{AnsiColor, Style};

use crate::objects::{Ready, State};

const BOLD: Style = Style::new().bold();
const DIM: Style = Style::new().dimmed();
/// Erases from here to the end of the screen.
const ERASE_BELOW: &str = "\r\x1b[J";
/// Switch the wrapping of long lines: a state that wraps would be more than one line up.
const WRAP_OFF: &str = "\x1b[?7l";
const WRAP_ON: &str = "\x1b[?7h";

/// Says what happens next.
pub(crate) fn announce(text: &str) {
    anstream::println!("{BOLD}▸ {text}{BOLD:#}");
}

/// Says what was verified.
pub(crate) fn verified(text: &str) {
    let green = AnsiColor::Green.on_default();
    anstream::println!("  {green}✓{green:#} {text}");
}

/// Says something by the way.
pub(crate) fn remark(text: &str) {
    anstream::println!("  {DIM}{text}{DIM:#}");
}

/// Prints a failure and its causes.
pub(crate) fn failure(error: &anyhow::Error) {
    let red = AnsiColor::Red.on_default().bold();
    // Nobody is left to tell when standard error is gone.
    let _ = writeln!(anstream::stderr(), "{red}error:{red:#} {error:#}");
}

/// Prints the end of the operator's log.
pub(crate) fn log(lines: &[String]) {
    if lines.is_empty() {
        return;
    }
    let mut out = anstream::stderr();
    let _ = writeln!(out, "the end of the operator's log:");
    for line in lines {
        let _ = writeln!(out, "  {line}");
    }
}

/// The states of all objects: on a terminal they change in place, elsewhere each change is a line.
pub(crate) struct Board {
    in_place: bool,
    began: Instant,
    shown: Vec<String>,
}

impl Board {
    /// An empty board.
    pub(crate) fn new() -> Self {
        Self { in_place: moves_its_cursor(), began: Instant::now(), shown: Vec::new() }
    }

    /// Begins anew below what was printed since.
    pub(crate) fn begin(&mut self) {
        self.began = Instant::now();
        if self.in_place {
            self.shown.clear();
        }
    }

    /// How long ago it began.
    pub(crate) fn age(&self) -> Duration {
        self.began.elapsed()
    }

    /// Shows the states.
    pub(crate) fn show(&mut self, states: &[State]) {
        let lines: Vec<_> = states.iter().map(line).collect();
        if lines == self.shown {
            return;
        }
        if self.in_place {
            self.redraw(&lines);
        } else {
            self.append(&lines);
        }
        self.shown = lines;
    }

    fn redraw(&self, lines: &[String]) {
        let up = match self.shown.len() {
            0 => String::new(),
            lines => format!("\x1b[{lines}A"),
        };
        anstream::println!("{WRAP_OFF}{up}{ERASE_BELOW}{}{WRAP_ON}", lines.join("\n"));
        let _ = std::io::stdout().flush();
    }

    fn append(&self, lines: &[String]) {
        let seconds = self.age().as_secs_f64();
        for line in lines.iter().filter(|line| !self.shown.contains(line)) {
            anstream::println!("{seconds:6.1}s {line}");
        }
    }
}

/// Whether standard output is a terminal that takes more than text.
fn moves_its_cursor() -> bool {
    let out = std::io::stdout();
    out.is_terminal() && anstream::AutoStream::choice(&out) != anstream::ColorChoice::Never
}

fn line(state: &State) -> String {
    let (symbol, color) = match state.ready {
        Ready::Yes => ("✓", AnsiColor::Green),
        Ready::No => ("✗", AnsiColor::Red),
        Ready::Unknown => ("…", AnsiColor::Yellow),
    };
    let color = color.on_default();
    let State { kind, name, revision, message, .. } = state;
    format!("  {color}{symbol}{color:#} {kind:<13} {name:<31} {revision:<45} {DIM}{message}{DIM:#}")
}
