//! Logs: for people on a terminal, NDJSON anywhere else, always to stderr. stdout belongs to the data.

use std::io::{self, IsTerminal, Write};

use clap::ValueEnum;
use tracing::Subscriber;
use tracing_subscriber::filter::{EnvFilter, LevelFilter};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::{Layer, Registry, fmt};

use super::stderr;
use super::terminal::plain_log;

/// A format of log lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// Human-readable on a terminal, JSON otherwise
    #[default]
    Auto,
    /// Human-readable
    Human,
    /// Print one JSON object per line
    Json,
}

/// How important a log line is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum LogLevel {
    /// What failed
    Error,
    /// What needs a look
    Warn,
    /// What happens
    #[default]
    Info,
    /// Each request and each batch
    Debug,
    /// Everything
    Trace,
}

impl From<LogLevel> for LevelFilter {
    fn from(level: LogLevel) -> Self {
        match level {
            LogLevel::Error => Self::ERROR,
            LogLevel::Warn => Self::WARN,
            LogLevel::Info => Self::INFO,
            LogLevel::Debug => Self::DEBUG,
            LogLevel::Trace => Self::TRACE,
        }
    }
}

/// Logs a panic by its location alone: its message may quote what it came from, such as a peer's response.
pub fn report_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let location = panic.location().map(ToString::to_string);
        tracing::error!(location, "this is a bug, please report it: a task panicked");
    }));
}

/// Begins to log: this program's events from `level` on. Of the libraries' none, as they quote what peers send. The logs of a
/// process are set up once; a second call changes nothing.
pub fn init(format: LogFormat, level: LogLevel) {
    let subscriber = subscriber(format, level.into(), io::stderr().is_terminal(), || Lines(stderr::write));
    let _ = tracing::subscriber::set_global_default(subscriber);
}

fn subscriber<W>(format: LogFormat, ours: LevelFilter, terminal: bool, writer: W) -> impl Subscriber + Send + Sync
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let own = ["nordpass_sentinel", "nordpass_env", "nordpass_simulator"].map(|name| format!(",{name}={ours}"));
    let filter = EnvFilter::builder().parse_lossy(format!("off{}", own.concat()));
    let human = match format {
        LogFormat::Auto => terminal,
        LogFormat::Human => true,
        LogFormat::Json => false,
    };
    // The libraries' own complaint about a writer that fails goes to stderr with `eprintln!`, which panics when
    // stderr is closed: hence `log_internal_errors(false)`.
    let layer = fmt::layer().with_writer(writer).log_internal_errors(false);
    let layer = if human {
        let layer = layer.with_target(false);
        // On a terminal the library decides, which respects `NO_COLOR`.
        if terminal { layer.boxed() } else { layer.with_ansi(false).boxed() }
    } else {
        layer.json().flatten_event(true).with_current_span(false).with_span_list(false).boxed()
    };
    Registry::default().with(layer.with_filter(filter))
}

/// Passes whole log lines on, without what a terminal would obey.
struct Lines<F>(F);

impl<F: FnMut(&[u8])> Write for Lines<F> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        (self.0)(plain_log(&String::from_utf8_lossy(line)).as_bytes());
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    /// What is logged while `work` runs.
    pub fn logged(format: LogFormat, level: LevelFilter, work: impl FnOnce()) -> String {
        let captured = Arc::<Mutex<Vec<u8>>>::default();
        let writer = captured.clone();
        let lines = move || {
            let writer = writer.clone();
            Lines(move |line: &[u8]| writer.lock().unwrap().extend_from_slice(line))
        };
        tracing::subscriber::with_default(subscriber(format, level, false, lines), work);
        String::from_utf8(captured.lock().unwrap().clone()).unwrap()
    }

    fn events() {
        tracing::info!(component = "nordpass", "line\none");
        tracing::debug!("quiet");
        tracing::info!(target: "hyper", "theirs");
        tracing::warn!(target: "hyper", "their warning");
    }

    #[test]
    fn json_is_one_object_for_each_event() {
        let text = logged(LogFormat::Auto, LevelFilter::INFO, events);
        let lines: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.len(), 1, "{text}");
        assert_eq!(lines[0]["message"], "line\none");
        assert_eq!(lines[0]["component"], "nordpass");
        assert_eq!(lines[0]["level"], "INFO");
        assert!(lines[0]["timestamp"].as_str().unwrap().ends_with('Z'));
    }

    #[test]
    fn human_lines_have_no_colours_outside_a_terminal() {
        let text = logged(LogFormat::Human, LevelFilter::DEBUG, events);
        assert!(text.contains("INFO") && text.contains("quiet"), "{text}");
        assert!(!text.contains("their") && !text.contains('\u{1b}'), "{text}");
    }

    #[test]
    fn a_level_is_a_limit() {
        assert_eq!(logged(LogFormat::Json, LevelFilter::ERROR, events), "");
        assert_eq!(logged(LogFormat::Json, LevelFilter::OFF, events), "");
    }

    /// A name that a peer has chosen once stood in the log as it came.
    #[test]
    fn nothing_in_a_line_commands_a_terminal() {
        for format in [LogFormat::Human, LogFormat::Json] {
            let text = logged(format, LevelFilter::INFO, || {
                tracing::info!(field = "\u{1b}[2J\u{202e}\u{9b}x", "a\u{1b}[31m\u{202e}\u{7}");
            });
            let obeyed = |c: char| c != '\n' && (c.is_control() || c == '\u{202e}');
            assert!(!text.contains(obeyed) && text.ends_with('\n'), "{text:?}");
        }
    }
}
