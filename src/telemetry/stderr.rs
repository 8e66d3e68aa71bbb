//! Standard error, which may be slow, stuck or closed: a terminal that is held (Ctrl-S), a log driver that doesn't read.
//!
//! Nobody waits for it. A thread of its own writes; what doesn't fit the bounded queue before it is dropped and counted,
//! and the count is logged once there is room again.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::{Arc, Condvar, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The most bytes that wait to be written.
const ROOM: usize = 1 << 20;
/// How long the end of the program waits for a next step of the writing.
const PATIENCE: Duration = Duration::from_millis(500);

static STDERR: LazyLock<Arc<Queue>> = LazyLock::new(|| {
    let queue = Arc::new(Queue::default());
    let writer = queue.clone();
    // Without a thread nothing is written, and nothing is held up either.
    let _ = std::thread::Builder::new().name("stderr".to_owned()).spawn(move || writer.write_all(&mut io::stderr()));
    queue
});

/// Writes a line, or drops it.
pub fn write(line: &[u8]) {
    STDERR.push(Job::Line(line.to_owned()));
}

/// Draws on the terminal, in its turn. A drawing that still waits makes a newer one needless.
pub(super) fn draw(work: impl FnOnce() + Send + 'static) {
    STDERR.push(Job::Draw(Box::new(work)));
}

/// [`draw`], also where another drawing waits.
pub(super) fn draw_last(work: impl FnOnce() + Send + 'static) {
    STDERR.push(Job::Last(Box::new(work)));
}

/// Waits until everything is written, or nothing moves any more: before the end of the program.
pub fn finish() {
    STDERR.finish(PATIENCE);
}

type Work = Box<dyn FnOnce() + Send>;

enum Job {
    Line(Vec<u8>),
    Draw(Work),
    Last(Work),
}

#[derive(Default)]
struct Queue {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Job>,
    bytes: usize,
    draws: usize,
    dropped: u64,
    busy: bool,
    steps: u64,
}

impl State {
    fn is_idle(&self) -> bool {
        self.waiting.is_empty() && !self.busy
    }
}

impl Queue {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, job: Job) {
        let mut state = self.state();
        match &job {
            Job::Line(line) if state.bytes + line.len() > ROOM => {
                state.dropped += 1;
                return;
            }
            Job::Line(line) => state.bytes += line.len(),
            Job::Draw(_) if state.draws > 0 => return,
            Job::Draw(_) => state.draws += 1,
            Job::Last(_) => {}
        }
        state.waiting.push_back(job);
        self.changed.notify_all();
    }

    /// Writes what comes, for as long as the process lives.
    fn write_all(&self, out: &mut impl Write) {
        loop {
            self.write_next(out);
        }
    }

    fn write_next(&self, out: &mut impl Write) {
        let mut state = self.state();
        while state.waiting.is_empty() {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        let Some(job) = state.waiting.pop_front() else { return };
        match &job {
            Job::Line(line) => state.bytes -= line.len(),
            Job::Draw(_) => state.draws -= 1,
            Job::Last(_) => {}
        }
        state.busy = true;
        drop(state);
        match job {
            // Nobody can be told that standard error is closed.
            Job::Line(line) => super::progress_bar::without_bar(|| {
                let _ = out.write_all(&line).and_then(|()| out.flush());
            }),
            Job::Draw(work) | Job::Last(work) => work(),
        }
        let mut state = self.state();
        state.busy = false;
        state.steps += 1;
        let dropped = std::mem::take(&mut state.dropped);
        drop(state);
        self.changed.notify_all();
        if dropped > 0 {
            tracing::warn!(dropped, "standard error was blocked: log lines were dropped");
        }
    }

    fn finish(&self, patience: Duration) {
        let mut state = self.state();
        while !state.is_idle() {
            let steps = state.steps;
            let stuck = |state: &mut State| state.steps == steps && !state.is_idle();
            let (next, waited) =
                (self.changed.wait_timeout_while(state, patience, stuck)).unwrap_or_else(PoisonError::into_inner);
            if waited.timed_out() {
                return;
            }
            state = next;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    /// Says when a write has begun, and ends it when told to.
    struct Stuck(mpsc::Sender<()>, mpsc::Receiver<()>, Vec<u8>);

    impl Write for Stuck {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let _ = self.0.send(());
            let _ = self.1.recv();
            self.2.extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_blocked_standard_error_holds_nobody_up() {
        let queue = Arc::new(Queue::default());
        let (begun, has_begun) = mpsc::channel();
        let (go_on, may_go_on) = mpsc::channel();
        let writer = queue.clone();
        let line = vec![b'x'; 1_000];
        queue.push(Job::Line(line.clone()));
        let thread = std::thread::spawn(move || {
            let mut out = Stuck(begun, may_go_on, Vec::new());
            let text = super::super::logs::tests::logged(
                super::super::logs::LogFormat::Json,
                tracing_subscriber::filter::LevelFilter::INFO,
                || {
                    writer.write_next(&mut out);
                },
            );
            (text, out.2.len())
        });
        has_begun.recv().unwrap();
        for _ in 0..5_000 {
            queue.push(Job::Line(line.clone()));
        }
        assert_eq!(queue.state().waiting.len(), ROOM / 1_000);
        // The end of the program doesn't wait for ever either.
        queue.finish(Duration::from_millis(1));
        go_on.send(()).unwrap();
        let (text, written) = thread.join().unwrap();
        assert_eq!(written, 1_000);
        assert!(text.contains(&format!("\"dropped\":{}", 5_000 - ROOM / 1_000)), "{text}");
    }

    #[test]
    fn the_end_waits_for_what_is_being_written() {
        let queue = Arc::new(Queue::default());
        for _ in 0..100 {
            queue.push(Job::Line(b"line\n".to_vec()));
        }
        let writer = queue.clone();
        let thread = std::thread::spawn(move || {
            let mut out = Vec::new();
            (0..100).for_each(|_| writer.write_next(&mut out));
            out.len()
        });
        queue.finish(Duration::from_mins(1));
        assert!(queue.state().is_idle());
        assert_eq!(thread.join().unwrap(), 500);
    }

    #[test]
    fn a_drawing_that_waits_makes_a_newer_one_needless() {
        let queue = Queue::default();
        (0..10).for_each(|_| queue.push(Job::Draw(Box::new(|| ()))));
        queue.push(Job::Last(Box::new(|| ())));
        assert_eq!(queue.state().waiting.len(), 2);
    }
}
