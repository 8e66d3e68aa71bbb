//! The progress bar: how far the sources are with their history. On a terminal only, to stderr.

use std::io::{self, IsTerminal};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use indicatif::{HumanCount, HumanDuration, ProgressBar, ProgressDrawTarget, ProgressStyle};
use jiff::Timestamp;
use tokio::time::Instant;

use super::{ComponentKind, ComponentReporter, Telemetry, stderr};

/// How often the numbers are read.
const TICK: Duration = Duration::from_millis(250);

/// The second line has what doesn't fit a terminal of 80 columns.
const TEMPLATE: &str = "{prefix} [{bar:24}] {percent} %, {eta} left, {msg}";

/// There is one terminal, so there is one bar. Hidden until [`watch`] shows it. It is only touched by the thread that writes to
/// standard error, which may be stuck there.
static BAR: LazyLock<ProgressBar> = LazyLock::new(ProgressBar::hidden);

/// Writes something to stderr while the bar is out of the way.
pub(super) fn without_bar(write: impl FnOnce()) {
    BAR.suspend(write);
}

/// Shows the bar until all sources have read their history or `ended` resolves, then writes a summary line. Returns at once
/// if stderr isn't a terminal.
pub async fn watch(telemetry: Telemetry, ended: impl Future<Output = ()>) {
    if !io::stderr().is_terminal() {
        return;
    }
    let mut ticks = tokio::time::interval(TICK);
    let mut ended = std::pin::pin!(ended);
    let mut last: Option<History> = None;
    let begun = Instant::now();
    loop {
        let stop = tokio::select! {
            biased;
            () = &mut ended => true,
            _ = ticks.tick() => false,
        };
        if let Some(mut history) = History::of(&telemetry, stop) {
            match &last {
                Some(last) => history.keep(last),
                None => stderr::draw_last(begin),
            }
            let (drawn, elapsed) = (history.clone(), begun.elapsed());
            stderr::draw(move || drawn.draw(&BAR, elapsed));
            last = Some(history);
        }
        if stop || last.as_ref().is_some_and(History::is_complete) {
            break;
        }
    }
    stderr::draw_last(|| BAR.finish_and_clear());
    if let Some(history) = last {
        stderr::write(format!("{}\n", history.summary(begun.elapsed())).as_bytes());
    }
}

fn begin() {
    let style = ProgressStyle::with_template(TEMPLATE).unwrap_or_else(|_| ProgressStyle::default_bar());
    BAR.set_style(style.progress_chars("=> "));
    BAR.reset();
    BAR.set_draw_target(ProgressDrawTarget::stderr());
}

/// All sources' history as one.
#[derive(Clone, Debug, PartialEq)]
struct History {
    /// The source's name, or the number of sources.
    name: String,
    events: u64,
    pages: u64,
    /// Unix seconds.
    from: i64,
    to: i64,
    /// Seconds of history, of all sources together.
    done: i64,
    total: i64,
}

impl History {
    /// `None` while no source knows its history.
    fn of(telemetry: &Telemetry, ended: bool) -> Option<Self> {
        let components = telemetry.components();
        let sources: Vec<_> = components.iter().filter_map(|component| Self::of_source(component, ended)).collect();
        let count = sources.len();
        sources.into_iter().reduce(|all, one| Self {
            name: format!("{count} sources"),
            events: all.events + one.events,
            pages: all.pages + one.pages,
            from: all.from.min(one.from),
            to: all.to.max(one.to),
            done: all.done + one.done,
            total: all.total + one.total,
        })
    }

    fn of_source(component: &ComponentReporter, ended: bool) -> Option<Self> {
        let progress = component.progress();
        let read = |second: &AtomicI64| second.load(Ordering::Relaxed);
        let (from, to) = (read(&progress.history_from), read(&progress.history_to));
        if component.kind() != ComponentKind::Source || from == 0 || to <= from {
            return None;
        }
        // The last part of a history may be read before others. Until the run has ended, only a source that has stopped, or
        // whose cursor is beyond the history, has read all of it.
        let cursor = component.numbers().cursor();
        let is_read = component.status().get().has_ended() || cursor.is_some_and(|cursor| cursor >= to as f64);
        let furthest = if ended && cursor.is_none() { to } else { to - 1 };
        let at = if is_read { to } else { read(&progress.history_at).clamp(from, furthest) };
        Some(Self {
            name: component.name().to_owned(),
            events: progress.events.load(Ordering::Relaxed),
            pages: progress.pages.load(Ordering::Relaxed),
            from,
            to,
            done: at - from,
            total: to - from,
        })
    }

    /// Doesn't go back behind `before`: parts of a history are read side by side, and each reports its own end.
    fn keep(&mut self, before: &Self) {
        self.done = self.done.max(before.done).min(self.total);
    }

    fn is_complete(&self) -> bool {
        self.done >= self.total
    }

    fn draw(&self, bar: &ProgressBar, elapsed: Duration) {
        bar.set_length(self.total.unsigned_abs());
        bar.set_prefix(self.name.clone());
        bar.set_message(self.message(elapsed));
        bar.set_position(self.done.unsigned_abs());
    }

    fn message(&self, elapsed: Duration) -> String {
        let rate = HumanCount(self.events / elapsed.as_secs().max(1));
        let (events, pages) = (HumanCount(self.events), HumanCount(self.pages));
        let to = time(self.to, "%Y-%m-%d");
        format!("{rate} events/s\n{events} events, {pages} pages, {} of {to}", self.reached())
    }

    /// The line that stays.
    fn summary(&self, elapsed: Duration) -> String {
        let what = if self.is_complete() { "history read" } else { "stopped while reading history" };
        let (events, pages) = (HumanCount(self.events), HumanCount(self.pages));
        let (name, reached, took) = (&self.name, self.reached(), HumanDuration(elapsed));
        format!("{name}: {what}: {events} events on {pages} pages, {reached}, in {took}")
    }

    /// The part of the history that is read.
    fn reached(&self) -> String {
        let fraction = self.done as f64 / self.total as f64;
        #[expect(clippy::cast_possible_truncation, reason = "a time in seconds")]
        let at = self.from + ((self.to - self.from) as f64 * fraction).round() as i64;
        format!("{} → {}", time(self.from, "%Y-%m-%d"), time(at, "%Y-%m-%d %H:%M"))
    }
}

/// A Unix time in UTC.
fn time(seconds: i64, format: &str) -> String {
    Timestamp::from_second(seconds).map_or_else(|_| "?".to_owned(), |time| time.strftime(format).to_string())
}

#[cfg(test)]
mod tests {
    use super::super::metrics;
    use super::*;

    const FROM: i64 = 1_768_003_200;

    fn source(telemetry: &Telemetry, name: &str, at: i64, events: u64) {
        let component = telemetry.component(ComponentKind::Source, name);
        let progress = component.progress();
        progress.history_from.store(FROM, Ordering::Relaxed);
        progress.history_at.store(FROM + at, Ordering::Relaxed);
        progress.history_to.store(FROM + 7 * 86_400, Ordering::Relaxed);
        progress.page(events);
    }

    #[test]
    fn nothing_to_show_before_a_source_knows_its_history() {
        let telemetry = Telemetry::new();
        telemetry.component(ComponentKind::Sink, "archive");
        telemetry.component(ComponentKind::Source, "nordpass");
        assert_eq!(History::of(&telemetry, false), None);
    }

    #[test]
    fn lines_of_one_source() {
        let telemetry = Telemetry::new();
        source(&telemetry, "nordpass", 0, 0);
        let at_start = History::of(&telemetry, false).unwrap().message(Duration::ZERO);
        assert!(at_start.starts_with("0 events/s\n0 events, 1 pages"), "{at_start}");
        source(&telemetry, "nordpass", 86_400 * 7 / 4, 12_345);
        let history = History::of(&telemetry, false).unwrap();
        assert_eq!(
            history.message(Duration::from_secs(30)),
            "411 events/s\n12,345 events, 2 pages, 2026-01-10 → 2026-01-11 18:00 of 2026-01-17"
        );
        assert_eq!(
            history.summary(Duration::from_secs(30)),
            "nordpass: stopped while reading history: 12,345 events on 2 pages, 2026-01-10 → 2026-01-11 18:00, in 30 seconds"
        );
        assert!(!history.is_complete());
    }

    #[test]
    fn the_bar_shows_seconds_of_history() {
        let bar = ProgressBar::hidden().with_style(ProgressStyle::with_template(TEMPLATE).unwrap());
        let telemetry = Telemetry::new();
        source(&telemetry, "nordpass", 86_400, 0);
        History::of(&telemetry, false).unwrap().draw(&bar, Duration::ZERO);
        assert_eq!((bar.position(), bar.length()), (86_400, Some(7 * 86_400)));
        assert_eq!(bar.prefix(), "nordpass");
    }

    #[test]
    fn several_sources_are_one_bar() {
        let telemetry = Telemetry::new();
        source(&telemetry, "a", 7 * 86_400, 10);
        source(&telemetry, "b", 86_400, 1_000_000);
        let history = History::of(&telemetry, false).unwrap();
        assert_eq!((history.name.as_str(), history.events, history.done), ("2 sources", 1_000_010, 8 * 86_400 - 1));
        assert!(!history.is_complete());
        telemetry.component(ComponentKind::Source, "a").status().stopped(None);
        // A source that failed doesn't keep the bar from ending.
        telemetry.component(ComponentKind::Source, "b").status().stopped(Some("token refused".into()));
        let history = History::of(&telemetry, false).unwrap();
        assert!(history.is_complete());
        assert_eq!(
            history.summary(Duration::from_secs(7_322)),
            "2 sources: history read: 1,000,010 events on 2 pages, 2026-01-10 → 2026-01-17 00:00, in 2 hours"
        );
    }

    /// The parts of a history that are read side by side report their ends in any order. The bar once stopped for ever at
    /// the one reported last, and went back on the way there.
    #[test]
    fn a_history_read_side_by_side_ends_and_never_goes_back() {
        let telemetry = Telemetry::new();
        source(&telemetry, "nordpass", 6 * 86_400, 10);
        let before = History::of(&telemetry, false).unwrap();
        source(&telemetry, "nordpass", 5 * 86_400, 10);
        let mut history = History::of(&telemetry, false).unwrap();
        history.keep(&before);
        assert_eq!(history.done, 6 * 86_400);
        assert!(!history.is_complete());
        telemetry
            .component(ComponentKind::Source, "nordpass")
            .set(&metrics::CURSOR_SECONDS, (FROM + 7 * 86_400) as f64);
        assert!(History::of(&telemetry, false).unwrap().is_complete());
    }

    #[test]
    fn odd_numbers_do_no_harm() {
        let telemetry = Telemetry::new();
        source(&telemetry, "a", -5, 0);
        source(&telemetry, "b", i64::MAX - FROM, 0);
        assert_eq!(History::of(&telemetry, false).unwrap().done, 7 * 86_400 - 1);
        assert_eq!(time(i64::MAX, "%Y-%m-%d"), "?");
    }

    #[tokio::test(start_paused = true)]
    async fn draws_nothing_outside_a_terminal() {
        if io::stderr().is_terminal() {
            return;
        }
        let telemetry = Telemetry::new();
        source(&telemetry, "nordpass", 1, 1);
        watch(telemetry, std::future::pending()).await;
        assert!(BAR.is_hidden());
    }
}
