//! Reloads the pipeline files of a running set: at SIGHUP, and with `--watch` when they change.

use std::path::PathBuf;

use futures::{Stream, StreamExt};
use nordpass_env::Env;

use super::console::log;
use super::error::CommandError;
use super::files::{VariableArgs, load_files};
use crate::pipeline::{Config, Reloaded, Reloader};
use crate::settings::{Diagnostic, Severity};
use crate::telemetry::Telemetry;

/// Where a running set's files are, and who makes another set of it.
pub(super) struct Reloading {
    pub files: Vec<PathBuf>,
    pub variables: VariableArgs,
    pub reloader: Reloader,
    pub telemetry: Telemetry,
    pub env: Env,
    /// What runs.
    pub running: Config,
}

impl Reloading {
    /// Reloads whenever it is asked to, one after the other.
    pub async fn serve(mut self, asked: impl Stream<Item = ()>) {
        self.telemetry.begin_reloads(self.env.clock.now());
        let mut asked = std::pin::pin!(asked);
        while asked.next().await.is_some() {
            self.reload().await;
        }
    }

    async fn reload(&mut self) {
        tracing::info!("reading the pipeline files again");
        let (mut config, warnings) = match self.load().await {
            Ok(loaded) => loaded,
            Err(error) => return self.wrong(&error.diagnostics),
        };
        warnings.iter().for_each(log);
        for name in config.keep_as_they_were(&self.running) {
            tracing::warn!(component = name, "its entry in the organizations file is wrong: it goes on as it was");
        }
        match self.reloader.reload(config.clone()).await {
            Reloaded::Applied(changes) => {
                tracing::info!("reloaded: {changes}");
                let is_kept_out =
                    |found: &&Diagnostic| found.location.as_ref().is_some_and(|at| at.file == config.kept_out.file);
                let kept_out: Vec<&Diagnostic> = warnings.iter().filter(is_kept_out).collect();
                self.note("applied", first_of(&kept_out));
                self.running = config;
            }
            Reloaded::Refused { message, hint } => {
                tracing::error!(hint, "can't reload, what ran before goes on: {message}");
                self.note("refused", Some(format!("{message}; {hint}")));
            }
            Reloaded::Superseded | Reloaded::Ended => {}
        }
    }

    /// On a thread for slow work: programs are compiled, and a disk may hang.
    async fn load(&self) -> Result<(Config, Vec<Diagnostic>), CommandError> {
        let (files, variables) = (self.files.clone(), self.variables.clone());
        let loading = tokio::task::spawn_blocking(move || load_files(&files, &variables, false));
        loading.await.unwrap_or_else(|_| {
            let hint = "please report it with the log";
            Err(CommandError::failed("reading them stopped unexpectedly: a bug in this program", hint))
        })
    }

    fn wrong(&self, diagnostics: &[Diagnostic]) {
        diagnostics.iter().for_each(log);
        let errors = diagnostics.iter().filter(|diagnostic| diagnostic.severity == Severity::Error);
        tracing::error!("the pipeline files are wrong, what ran before goes on; nothing of them was applied");
        self.note("wrong", Some(first_of(&errors.collect::<Vec<_>>()).unwrap_or_default()));
    }

    fn note(&self, outcome: &'static str, trouble: Option<String>) {
        self.telemetry.reloaded(outcome, trouble, self.env.clock.now());
    }
}

/// The first one, and how many more there are.
fn first_of(diagnostics: &[&Diagnostic]) -> Option<String> {
    let (first, more) = diagnostics.split_first()?;
    let more = if more.is_empty() { String::new() } else { format!(" (and {} more)", more.len()) };
    Some(format!("{}{more}", one_line(first)))
}

/// A diagnostic for the middle of a sentence.
fn one_line(diagnostic: &Diagnostic) -> String {
    let Diagnostic { location, message, hint, .. } = diagnostic;
    let place = location.as_ref().map(|at| format!("{}:{}: ", at.file.display(), at.line)).unwrap_or_default();
    let hint = hint.as_ref().map(|hint| format!("; {hint}")).unwrap_or_default();
    format!("{place}{message}{hint}")
}
