//! A stand-in for the Azure Functions host, as far as a custom handler meets it: it reads the app's own `host.json` and
//! `function.json`, starts the handler with the host's variables, waits until it answers, and calls it as the timer does.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use crate::support::{World, found, http_client, repository, until};

const APP: &str = "deploy/functions";
const FUNCTION: &str = "nordpass-sentinel";

/// A deployed function app.
pub struct App {
    /// Where the package is.
    folder: tempfile::TempDir,
    settings: Vec<(String, String)>,
    host: Value,
    binding: Value,
}

/// The handler, started.
pub struct Handler {
    pub child: Child,
    port: u16,
    binding: String,
}

/// What the host makes of an answer.
#[derive(Debug)]
pub struct Invocation {
    /// Whether it shows as succeeded.
    pub succeeded: bool,
    /// HTTP status.
    pub status: u16,
    /// Its log.
    pub logs: String,
}

impl App {
    /// The package in a folder of its own, with the world's app settings and these besides.
    pub fn deployed(world: &World, more: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let read = |name: &str| fs::read_to_string(repository(APP).join(name)).expect("a file of the package");
        let host: Value = serde_json::from_str(&read("host.json")).expect("JSON");
        let function: Value = serde_json::from_str(&read(&format!("{FUNCTION}/function.json"))).expect("JSON");
        // The state's own table, where there is one, is the last: these tests keep it in `data_dir`.
        let pipeline = read("pipeline.toml");
        let pipeline = pipeline.split("\n[checkpoint]").next().expect("a pipeline");
        fs::write(folder.path().join("pipeline.toml"), pipeline).expect("writes");
        let program = host["customHandler"]["description"]["defaultExecutablePath"].as_str().expect("a program");
        let (binary, path) = (env!("CARGO_BIN_EXE_nordpass-sentinel"), folder.path().join(program));
        // A link to the file itself: the program looks for its pipeline beside it.
        fs::hard_link(binary, &path).or_else(|_| fs::copy(binary, &path).map(drop)).expect("the program is there");
        let mut settings: Vec<(String, String)> =
            world.variables().into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        // The system-assigned identity; the template names one of its own.
        settings.retain(|(name, _)| name != "AZURE_CLIENT_ID");
        settings.push(("SCHEDULE".into(), "0 */1 * * * *".into()));
        settings.push(("INSTANCE".into(), "function".into()));
        settings.push(("DATA_DIR".into(), world.folder.path().join("function-data").display().to_string()));
        settings.extend(more.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        Self { folder, settings, host, binding: function["bindings"][0].clone() }
    }

    /// A file of the package.
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The trigger's schedule as the host resolves it. `None` where the app setting is missing: the host refuses the
    /// function then.
    pub fn schedule(&self) -> Option<String> {
        let written = self.binding["schedule"].as_str().expect("a schedule");
        match written.strip_prefix('%').and_then(|rest| rest.strip_suffix('%')) {
            None => Some(written.to_owned()),
            Some(name) => self.settings.iter().rev().find(|(set, _)| set == name).map(|(_, value)| value.clone()),
        }
    }

    pub fn without(mut self, setting: &str) -> Self {
        self.settings.retain(|(name, _)| name != setting);
        self
    }

    /// Starts the handler and waits until it answers the host's first question.
    pub async fn start(&self) -> Handler {
        assert_eq!(self.host["version"], "2.0");
        assert_eq!(self.host["customHandler"]["enableProxyingHttpRequest"], false);
        // Longer than the three minutes that the handler gives itself.
        assert_eq!(self.host["functionTimeout"], "00:05:00");
        let (kind, direction) = (&self.binding["type"], &self.binding["direction"]);
        assert_eq!((kind, direction), (&json!("timerTrigger"), &json!("in")));
        assert_eq!(self.schedule().expect("a schedule").split(' ').count(), 6, "NCronTab has six fields");
        let free = std::net::TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr());
        let port = free.expect("a port").port();
        let description = &self.host["customHandler"]["description"];
        let program = self.file(description["defaultExecutablePath"].as_str().expect("a program"));
        let mut command = Command::new(program);
        for argument in description["arguments"].as_array().expect("arguments") {
            let argument = argument.as_str().expect("a text");
            assert!(!argument.contains('%') && !argument.contains("TOKEN"), "no setting is an argument: {argument}");
            command.arg(argument);
        }
        command
            .env_clear()
            .current_dir(self.folder.path().join(description["workingDirectory"].as_str().unwrap_or_default()))
            .env("FUNCTIONS_CUSTOMHANDLER_PORT", port.to_string())
            .env("FUNCTIONS_CUSTOMHANDLER_WORKER_ID", "8d1c3a42-0c0e-4c8e-9a53-1c7d9e0b4f10")
            .env("FUNCTIONS_HTTPWORKER_PORT", port.to_string())
            .env("FUNCTIONS_HTTPWORKER_ID", "8d1c3a42-0c0e-4c8e-9a53-1c7d9e0b4f10")
            .env("FUNCTIONS_APP_ROOT_PATH", self.folder.path())
            .env("FUNCTIONS_WORKER_RUNTIME", "custom")
            .envs(self.settings.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        let log = fs::OpenOptions::new().create(true).append(true).open(self.file("handler.log")).expect("a file");
        let child = command.stderr(log).spawn().expect("the handler starts");
        let handler = Handler { child, port, binding: self.binding["name"].as_str().expect("a name").to_owned() };
        // Any answer at all means that it is ready.
        let answer = found(async || http_client().get(handler.url("")).send().await.ok()).await;
        assert!(answer.is_some(), "the handler doesn't answer: {}", self.log());
        handler
    }

    /// What the handler wrote, which goes to the host's log.
    pub fn log(&self) -> String {
        fs::read_to_string(self.file("handler.log")).unwrap_or_default()
    }
}

impl Handler {
    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}/{path}", self.port)
    }

    /// The body of a timer's call.
    fn body(&self) -> Value {
        json!({
            "Data": { &self.binding: {
                "Schedule": { "AdjustForDST": true },
                "ScheduleStatus": {
                    "Last": "2026-11-27T10:04:00.0031845+00:00",
                    "Next": "2026-11-27T10:05:00+00:00",
                    "LastUpdated": "2026-11-27T10:04:00.0031845+00:00"
                },
                "IsPastDue": false
            }},
            "Metadata": { "sys": {
                "MethodName": FUNCTION,
                "UtcNow": "2026-11-27T10:05:00.0014221Z",
                "RandGuid": "5a3c7f0e-8a55-4f1b-9a0e-2f8f4d1c6b7a"
            }}
        })
    }

    /// Calls the function as the timer does.
    pub async fn call(&self) -> Invocation {
        self.send(self.body().to_string()).await.expect("an answer")
    }

    /// Calls it with any body.
    pub async fn send(&self, body: String) -> reqwest::Result<Invocation> {
        let request = http_client()
            .post(self.url(FUNCTION))
            .header("content-type", "application/json; charset=utf-8")
            .header("x-azure-functions-invocationid", "b2f7a1d4-7c0e-4d3f-8d55-3a1f0c9e6b21")
            .header("x-azure-functions-hostversion", "4.1041.200.25360")
            .header("user-agent", "Azure-Functions-Host/4.1041.200.25360")
            .body(body);
        let answer = request.send().await?;
        let status = answer.status();
        let body: Value = serde_json::from_slice(&answer.bytes().await?).expect("JSON");
        // What the host reads; of other types it makes an error of its own.
        let object = body.as_object().expect("an object");
        assert!(object.keys().all(|key| ["Outputs", "Logs", "ReturnValue"].contains(&key.as_str())), "{body}");
        assert!(body["Outputs"].is_object() && body["ReturnValue"].is_null(), "{body}");
        let lines: Vec<&str> =
            body["Logs"].as_array().expect("a list").iter().map(|line| line.as_str().expect("a text")).collect();
        Ok(Invocation { succeeded: status.is_success(), status: status.as_u16(), logs: lines.join("\n") })
    }

    /// The same call on a task of its own.
    pub fn call_beside(&self) -> tokio::task::JoinHandle<Option<Invocation>> {
        let other = Self { child: stand_in(), port: self.port, binding: self.binding.clone() };
        tokio::spawn(async move { other.send(other.body().to_string()).await.ok() })
    }

    /// SIGTERM, as the host sends it; the exit code.
    pub async fn terminate(mut self) -> Option<i32> {
        self.signal();
        let mut child = std::mem::replace(&mut self.child, stand_in());
        tokio::task::spawn_blocking(move || child.wait().expect("ends").code()).await.expect("no panic")
    }

    pub fn signal(&self) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().expect("kill runs").success());
    }

    /// SIGKILL.
    pub fn kill(mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A process that has nothing to do and is killed with its owner.
fn stand_in() -> Child {
    Command::new("true").spawn().expect("true runs")
}

impl Drop for Handler {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits until so many events have arrived.
pub async fn delivered(world: &World, events: u64) {
    until("events to arrive", || world.simulation.verdict().events_delivered >= events).await;
}
