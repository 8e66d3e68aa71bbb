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
}

impl Reloading {
    /// Reloads whenever it is asked to, one after the other.
    pub async fn serve(self, asked: impl Stream<Item = ()>) {
        self.telemetry.begin_reloads(self.env.clock.now());
        let mut asked = std::pin::pin!(asked);
        while asked.next().await.is_some() {
            self.reload().await;
        }
    }

    async fn reload(&self) {
        tracing::info!("reading the pipeline files again");
        let (config, warnings) = match self.load().await {
            Ok(loaded) => loaded,
            Err(error) => return self.wrong(&error.diagnostics),
        };
        warnings.iter().for_each(log);
        match self.reloader.reload(config).await {
            Reloaded::Applied(changes) => {
                tracing::info!("reloaded: {changes}");
                self.note("applied", None);
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
        let all = errors.clone().count();
        let first = errors.clone().next().map(one_line).unwrap_or_default();
        let more = if all > 1 { format!(" (and {} more)", all - 1) } else { String::new() };
        tracing::error!("the pipeline files are wrong, what ran before goes on; nothing of them was applied");
        self.note("wrong", Some(format!("{first}{more}")));
    }

    fn note(&self, outcome: &'static str, trouble: Option<String>) {
        self.telemetry.reloaded(outcome, trouble, self.env.clock.now());
    }
}

/// A diagnostic for the middle of a sentence.
fn one_line(diagnostic: &Diagnostic) -> String {
    let Diagnostic { location, message, hint, .. } = diagnostic;
    let place = location.as_ref().map(|at| format!("{}:{}: ", at.file.display(), at.line)).unwrap_or_default();
    let hint = hint.as_ref().map(|hint| format!("; {hint}")).unwrap_or_default();
    format!("{place}{message}{hint}")
}
