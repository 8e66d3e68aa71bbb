//! The progress bar: how far the sources are with their history. On a terminal only, to stderr.

use std::io::{self, IsTerminal, Write};
use std::sync::atomic::Ordering;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use jiff::Timestamp;
use tokio::time::Instant;

use super::{ComponentKind, ComponentState, Telemetry};

/// How often the numbers are looked at.
const TICK: Duration = Duration::from_millis(250);

/// The bar's full length: it shows thousandths.
const STEPS: u64 = 1_000;

/// The bar on the terminal. As there is one terminal, there is one bar; log lines ask for it here.
static DRAWN: Mutex<Option<ProgressBar>> = Mutex::new(None);

/// Writes something to stderr while the bar is out of the way.
pub(super) fn without_bar(write: impl FnOnce()) {
    // Taken out first: the bar must not be held while something that may log runs.
    let bar = DRAWN.lock().unwrap_or_else(PoisonError::into_inner).clone();
    match bar {
        Some(bar) => bar.suspend(write),
        None => write(),
    }
}

/// Shows the bar until all sources have read their history, or `ended` resolves; then a line that sums up. Returns at
/// once where stderr isn't a terminal.
pub async fn watch(telemetry: Telemetry, ended: impl Future<Output = ()>) {
    if !io::stderr().is_terminal() {
        return;
    }
    let began = Instant::now();
    let mut ticks = tokio::time::interval(TICK);
    let mut ended = std::pin::pin!(ended);
    let mut last: Option<View> = None;
    loop {
        let stop = tokio::select! {
            biased;
            () = &mut ended => true,
            _ = ticks.tick() => false,
        };
        let mut view = match View::of(&telemetry, stop) {
            Some(view) => view,
            None if stop => break,
            None => continue,
        };
        if let Some(last) = &last {
            view.keep(last);
        }
        draw(&view, began.elapsed());
        let complete = view.is_complete();
        last = Some(view);
        if stop || complete {
            break;
        }
    }
    if let Some(bar) = DRAWN.lock().unwrap_or_else(PoisonError::into_inner).take() {
        bar.finish_and_clear();
    }
    if let Some(view) = last {
        let _ = writeln!(io::stderr(), "{}", view.summary(began.elapsed()));
    }
}

fn draw(view: &View, elapsed: Duration) {
    let bar = {
        let mut drawn = DRAWN.lock().unwrap_or_else(PoisonError::into_inner);
        drawn
            .get_or_insert_with(|| {
                let style = ProgressStyle::with_template("{prefix} [{bar:24}] {msg}");
                let style = style.unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("=> ");
                ProgressBar::with_draw_target(Some(STEPS), ProgressDrawTarget::stderr()).with_style(style)
            })
            .clone()
    };
    bar.set_position(view.permille());
    bar.set_prefix(view.name.clone());
    bar.set_message(view.lines(elapsed));
}

/// All sources' progress as one.
#[derive(Clone, Debug, PartialEq)]
struct View {
    /// The source's name, or how many there are.
    name: String,
    events: u64,
    pages: u64,
    from: i64,
    /// Up to here everybody has read.
    at: i64,
    to: i64,
    /// Of the whole history, in seconds of all sources.
    done: i64,
    total: i64,
}

impl View {
    /// `None` while no source knows its history. The part at its end may be read before others: until `ended`, only a source
    /// that has finished, or whose cursor is beyond, is at its end.
    fn of(telemetry: &Telemetry, ended: bool) -> Option<Self> {
        let mut sources = Vec::new();
        for component in telemetry.components() {
            let state = component.state();
            let over = matches!(state, ComponentState::Finished | ComponentState::Failed { .. });
            let progress = component.progress();
            let read = |number: &std::sync::atomic::AtomicI64| number.load(Ordering::Relaxed);
            let (from, to) = (read(&progress.history_from), read(&progress.history_to));
            // What a source follows is over when its cursor is beyond: then all of it is delivered and committed.
            let over = over || component.cursor().is_some_and(|cursor| cursor >= to as f64);
            let furthest = if ended && component.cursor().is_none() { to } else { to.saturating_sub(1) };
            if component.kind() != ComponentKind::Source || from == 0 || to <= from {
                continue;
            }
            sources.push(Self {
                name: component.name().to_owned(),
                events: progress.events.load(Ordering::Relaxed),
                pages: progress.pages.load(Ordering::Relaxed),
                from,
                at: if over { to } else { read(&progress.history_at).clamp(from, furthest) },
                to,
                done: 0,
                total: to - from,
            });
        }
        let count = sources.len();
        let sum = |mut all: Self, one: &Self| {
            all.events += one.events;
            all.pages += one.pages;
            all.from = all.from.min(one.from);
            // Whoever is done doesn't hold the others' position back.
            all.at = if one.at == one.to { all.at } else { all.at.min(one.at) };
            all.to = all.to.max(one.to);
            all.done += one.at - one.from;
            all.total += one.total;
            all
        };
        let first = sources.first()?;
        let name = if count == 1 { first.name.clone() } else { format!("{count} sources") };
        let empty = Self { name, events: 0, pages: 0, from: i64::MAX, at: i64::MAX, to: i64::MIN, done: 0, total: 0 };
        let mut all = sources.iter().fold(empty, sum);
        all.at = all.at.min(all.to);
        Some(all)
    }

    /// Parts of a history are read side by side, and each notes its own end: what was reached before stays reached.
    fn keep(&mut self, before: &Self) {
        self.done = self.done.max(before.done).min(self.total);
        self.at = self.at.max(before.at).min(self.to);
    }

    fn is_complete(&self) -> bool {
        self.done >= self.total
    }

    fn permille(&self) -> u64 {
        let (done, total) = (i128::from(self.done), i128::from(self.total.max(1)));
        u64::try_from(done * i128::from(STEPS) / total).unwrap_or(0).min(STEPS)
    }

    fn fraction(&self) -> f64 {
        self.done as f64 / self.total.max(1) as f64
    }

    /// What stands behind the bar, and in a second line below it, so that both fit a terminal of 80 columns.
    fn lines(&self, elapsed: Duration) -> String {
        let seconds = elapsed.as_secs_f64();
        let rate = u128::from(self.events) * 1_000 / elapsed.as_millis().max(1_000);
        let left = match self.fraction() {
            // The first moments say nothing about the rest.
            done if done > 0.001 && seconds >= 3.0 => {
                format!("{} left", time(Duration::from_secs_f64(seconds * (1.0 - done) / done)))
            }
            _ => "time left unknown".to_owned(),
        };
        format!(
            "{} %, {} events/s, {left}\n{} events, {} pages, {} → {} of {}",
            self.permille() / 10,
            grouped(u64::try_from(rate).unwrap_or(u64::MAX)),
            grouped(self.events),
            grouped(self.pages),
            day(self.from),
            date(self.at),
            day(self.to),
        )
    }

    /// The line that stays.
    fn summary(&self, elapsed: Duration) -> String {
        let what = if self.is_complete() { "history read" } else { "stopped while reading history" };
        format!(
            "{}: {what}: {} events on {} pages, {} → {}, in {}",
            self.name,
            grouped(self.events),
            grouped(self.pages),
            day(self.from),
            date(self.at),
            time(elapsed),
        )
    }
}

/// A number with a comma between thousands.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A time to the minute (UTC).
fn date(seconds: i64) -> String {
    Timestamp::from_second(seconds).map_or_else(|_| "?".to_owned(), |time| time.strftime("%Y-%m-%d %H:%M").to_string())
}

/// A day (UTC).
fn day(seconds: i64) -> String {
    Timestamp::from_second(seconds).map_or_else(|_| "?".to_owned(), |time| time.strftime("%Y-%m-%d").to_string())
}

/// A duration in the two units that matter.
fn time(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3_600 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ => format!("{} h {} min", seconds / 3_600, seconds % 3_600 / 60),
    }
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
        assert_eq!(View::of(&telemetry, false), None);
    }

    #[test]
    fn a_line_for_one_source() {
        let telemetry = Telemetry::new();
        source(&telemetry, "nordpass", 0, 0);
        let at_start = View::of(&telemetry, false).unwrap().lines(Duration::ZERO);
        assert!(at_start.starts_with("0 %, 0 events/s, time left unknown\n"), "{at_start}");
        source(&telemetry, "nordpass", 86_400 * 7 / 4, 12_345);
        let view = View::of(&telemetry, false).unwrap();
        assert_eq!(
            view.lines(Duration::from_secs(30)),
            "25 %, 411 events/s, 1 min 30 s left\n12,345 events, 2 pages, 2026-01-10 → 2026-01-11 18:00 of 2026-01-17"
        );
        assert_eq!(
            view.summary(Duration::from_secs(30)),
            "nordpass: stopped while reading history: 12,345 events on 2 pages, 2026-01-10 → 2026-01-11 18:00, in 30 s"
        );
        assert!(!view.is_complete());
    }

    #[test]
    fn several_sources_are_one_bar() {
        let telemetry = Telemetry::new();
        source(&telemetry, "a", 7 * 86_400, 10);
        source(&telemetry, "b", 86_400, 1_000_000);
        let view = View::of(&telemetry, false).unwrap();
        assert_eq!((view.name.as_str(), view.events, view.at), ("2 sources", 1_000_010, FROM + 86_400));
        assert!((view.fraction() - 8.0 / 14.0).abs() < 1e-5 && !view.is_complete());
        telemetry.component(ComponentKind::Source, "a").stopped(None);
        // A source that failed holds nobody up.
        telemetry.component(ComponentKind::Source, "b").stopped(Some("token refused".into()));
        let view = View::of(&telemetry, false).unwrap();
        assert!(view.is_complete());
        assert_eq!(
            view.summary(Duration::from_secs(7_322)),
            "2 sources: history read: 1,000,010 events on 2 pages, 2026-01-10 → 2026-01-17 00:00, in 2 h 2 min"
        );
    }

    /// The parts of a history that are read side by side note their ends in any order. The bar stood still at the last
    /// noted one for ever, and went back on the way there.
    #[test]
    fn a_history_read_side_by_side_ends_and_never_goes_back() {
        let telemetry = Telemetry::new();
        source(&telemetry, "nordpass", 6 * 86_400, 10);
        let before = View::of(&telemetry, false).unwrap();
        source(&telemetry, "nordpass", 5 * 86_400, 10);
        let mut view = View::of(&telemetry, false).unwrap();
        view.keep(&before);
        assert_eq!((view.at, view.permille()), (FROM + 6 * 86_400, 857));
        assert!(!view.is_complete());
        telemetry
            .component(ComponentKind::Source, "nordpass")
            .set(&metrics::CURSOR_SECONDS, (FROM + 7 * 86_400) as f64);
        assert!(View::of(&telemetry, false).unwrap().is_complete());
    }

    #[test]
    fn odd_numbers_do_no_harm() {
        let telemetry = Telemetry::new();
        source(&telemetry, "a", -5, 0);
        source(&telemetry, "b", i64::MAX - FROM, 0);
        let view = View::of(&telemetry, false).unwrap();
        assert_eq!((view.at, view.done), (FROM, 7 * 86_400 - 1));
        assert_eq!(date(i64::MAX), "?");
        assert_eq!(grouped(999), "999");
    }

    #[tokio::test(start_paused = true)]
    async fn draws_nothing_outside_a_terminal() {
        if io::stderr().is_terminal() {
            return;
        }
        let telemetry = Telemetry::new();
        source(&telemetry, "nordpass", 1, 1);
        watch(telemetry, std::future::pending()).await;
        assert!(DRAWN.lock().unwrap().is_none());
    }
}
