//! The questions, on a terminal: only about what no option has answered. None of them is about a secret.

use std::io::BufRead;

use clap::ValueEnum;

use super::InitArgs;
use super::choices::{self, API, Credential, DATA_DIR, Sink, Tables};
use crate::cli::error::{CommandError, CommandResult};

/// Asks, and reads the answers.
pub(super) struct Asker<R, W> {
    answers: R,
    say: W,
}

impl<R: BufRead, W: Fn(&str)> Asker<R, W> {
    pub fn new(answers: R, say: W) -> Self {
        Self { answers, say }
    }

    /// The arguments with an answer for everything that they left open.
    pub fn complete(&mut self, mut args: InitArgs) -> CommandResult<InitArgs> {
        (self.say)("Press Enter for what stands in brackets.\n");
        if args.region.is_none() {
            args.region =
                self.or_variable("NordPass data centre: eu, us, or the URL of the Admin Panel", choices::region)?;
        }
        if args.sink.is_none() {
            args.sink = Some(self.one_of("Deliver rows to", &Sink::default())?);
        }
        if args.tables.is_none() {
            args.tables = Some(self.one_of("Tables", &Tables::default())?);
        }
        if args.sink == Some(Sink::Sentinel) {
            if args.data_collection_endpoint.is_none() {
                args.data_collection_endpoint =
                    self.or_variable("Logs ingestion URL of the data collection endpoint or rule", choices::text)?;
            }
            if args.dcr_immutable_id.is_none() {
                args.dcr_immutable_id = self.or_variable("Immutable id of the data collection rule", choices::text)?;
            }
            if args.credential.is_none() {
                args.credential = Some(self.one_of("Identity that writes", &Credential::default())?);
            }
        }
        if args.history.is_none() {
            args.history = Some(self.ask("History that the first run reads", "7d", choices::history)?);
        }
        let has_host = args.systemd || args.compose;
        if args.data_dir.is_none() && !has_host {
            args.data_dir = Some(self.ask("Folder for the state", DATA_DIR, choices::text)?);
        }
        if !args.archive {
            args.archive = self.ask("Also keep the events as NordPass sent them, in files? (y, n)", "n", yes_or_no)?;
        }
        if args.api.is_none() && !has_host {
            let question = format!("Serve a status page and metrics on {API}? (y, n)");
            args.api = self.ask(&question, "n", yes_or_no)?.then(|| API.to_owned());
        }
        Ok(args)
    }

    /// One of the values of an option.
    fn one_of<T: ValueEnum + Clone>(&mut self, question: &str, default: &T) -> CommandResult<T> {
        let values = T::value_variants().iter().filter_map(ValueEnum::to_possible_value);
        let names: Vec<String> = values.map(|value| value.get_name().to_owned()).collect();
        let names = names.join(", ");
        let default = default.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default();
        let parse = |answer: &str| T::from_str(answer, true).map_err(|_| format!("expected one of {names}"));
        self.ask(&format!("{question}: {names}"), &default, parse)
    }

    /// What is answered, or nothing for a variable that is set later.
    fn or_variable(
        &mut self,
        question: &str,
        parse: impl Fn(&str) -> Result<String, String>,
    ) -> CommandResult<Option<String>> {
        self.ask(
            question,
            "a variable",
            |answer| {
                if answer == "a variable" { Ok(None) } else { parse(answer).map(Some) }
            },
        )
    }

    /// Asks until the answer is right. An empty one stands for the default.
    fn ask<T>(&mut self, question: &str, default: &str, parse: impl Fn(&str) -> Result<T, String>) -> CommandResult<T> {
        loop {
            (self.say)(&format!("{question} [{default}] "));
            let mut answer = String::new();
            match self.answers.read_line(&mut answer) {
                Ok(0) => return Err(CommandError::usage("stopped before all questions were answered", UNWRITTEN)),
                Ok(_) => {}
                Err(error) => return Err(CommandError::failed(format!("can't read the answer: {error}"), UNWRITTEN)),
            }
            let answer = answer.trim();
            match parse(if answer.is_empty() { default } else { answer }) {
                Ok(value) => return Ok(value),
                // Not the answer itself: it may be something that was pasted by mistake.
                Err(expected) => (self.say)(&format!("{expected}\n")),
            }
        }
    }
}

const UNWRITTEN: &str = "nothing was written; `--yes` takes the defaults without asking";

fn yes_or_no(answer: &str) -> Result<bool, String> {
    match answer.to_ascii_lowercase().as_str() {
        "y" | "yes" => Ok(true),
        "n" | "no" => Ok(false),
        _ => Err("expected y or n".to_owned()),
    }
}
