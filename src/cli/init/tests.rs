use std::cell::RefCell;
use std::fmt::Write as _;

use clap::ValueEnum as _;

use super::choices::Host;
use super::output::OutputFile;
use super::*;

/// Every value that a variable of a written file needs, as on the machine that runs it.
fn environment() -> Environment {
    Environment::of([
        ("NORDPASS_ENDPOINT_URL", "https://api-activities.eu.nordpass.com/activities/query"),
        ("NORDPASS_TOKEN", "token"),
        ("DATA_COLLECTION_ENDPOINT", "https://dce.westeurope-1.ingest.monitor.azure.com"),
        ("DCR_IMMUTABLE_ID", "dcr-00000000000000000000000000000001"),
        ("AZURE_TENANT_ID", "11111111-2222-4333-8444-555555555555"),
        ("AZURE_CLIENT_ID", "66666666-7777-4888-9999-000000000000"),
        ("AZURE_CLIENT_SECRET", "secret"),
        ("AZURE_FEDERATED_TOKEN_FILE", "token"),
        ("AZURE_TOKEN", "ready"),
    ])
}

fn args() -> InitArgs {
    InitArgs { file: "pipeline.toml".into(), ..InitArgs::default() }
}

/// The arguments with each combination of what can be chosen.
fn combinations() -> Vec<InitArgs> {
    let mut found = vec![args()];
    let mut each = |variants: &[&dyn Fn(InitArgs) -> InitArgs]| {
        found = found.iter().flat_map(|args| variants.iter().map(|vary| vary(args.clone()))).collect();
    };
    let region = |text: &str| Some(choices::region(text).expect("a region"));
    each(&[
        &|args| args,
        &|args| InitArgs { region: region("EU"), ..args },
        &|args| InitArgs { region: region("us"), ..args },
        &|args| InitArgs { region: region("https://gateway.example/nordpass/query"), ..args },
    ]);
    each(&[&|args| args, &|args| InitArgs { tables: Some(Tables::Official), ..args }]);
    each(&[&|args| args, &|args| InitArgs { archive: true, ..args }]);
    let rule = |args| InitArgs {
        data_collection_endpoint: Some("https://dce.westeurope-1.ingest.monitor.azure.com".into()),
        dcr_immutable_id: Some("dcr-00000000000000000000000000000001".into()),
        history: Some("30d".into()),
        ..args
    };
    let files = |args| InitArgs { sink: Some(Sink::Files), ..args };
    let credential = |credential| move |args| InitArgs { credential: Some(credential), ..args };
    let kinds: Vec<_> = Credential::value_variants().iter().copied().map(credential).collect();
    let mut ways: Vec<&dyn Fn(InitArgs) -> InitArgs> = vec![&files, &rule];
    ways.extend(kinds.iter().map(|way| way as &dyn Fn(InitArgs) -> InitArgs));
    each(&ways);
    each(&[
        &|args| args,
        &|args| InitArgs { api: Some("[::]:9000".into()), data_dir: Some("/srv/\"nord\\pass\"".into()), ..args },
        &|args| InitArgs { systemd: true, ..args },
        &|args| InitArgs { compose: true, ..args },
    ]);
    found
}

fn written(args: InitArgs) -> Vec<OutputFile> {
    let choices = Choices::of(args).unwrap_or_else(|error| panic!("{:?}", error.diagnostics));
    let text = checked(&choices, Path::new("pipeline.toml")).unwrap_or_else(|error| panic!("{:?}", error.diagnostics));
    host::files(&choices, Path::new("pipeline.toml"), text).unwrap_or_else(|error| panic!("{:?}", error.diagnostics))
}

#[test]
fn each_combination_is_valid_without_a_warning() {
    let mut valid = 0;
    for args in combinations() {
        let has_host = args.systemd || args.compose;
        if has_host && Choices::of(args.clone()).is_err() {
            assert!(matches!(args.credential, Some(Credential::AzureCli | Credential::WorkloadIdentity)), "{args:?}");
            continue;
        }
        let text = &written(args.clone())[0].text;
        // A service's secrets are in files that only it has, and so is a certificate.
        let is_absent = has_host || args.credential == Some(Credential::ClientCertificate);
        let environment = if is_absent { Environment::default().may_be_absent() } else { environment() };
        match load(&[("pipeline.toml".into(), text.clone())], &environment) {
            Ok((_, warnings)) => assert!(warnings.is_empty(), "{}\n{text}", warnings[0]),
            Err(found) => panic!("{}\n{text}", found[0]),
        }
        valid += 1;
    }
    assert_eq!(valid, 4 * 2 * 2 * (8 * 2 + 6 * 2), "the others would have no token");
}

/// All names behind a mark, each up to a character that is none of a name.
fn names_after(text: &str, mark: &str) -> Vec<String> {
    let name =
        |rest: &str| rest.split(|c: char| !c.is_ascii_alphanumeric() && !"_-".contains(c)).next().map(str::to_owned);
    let mut names: Vec<String> = text.split(mark).skip(1).filter_map(name).collect();
    names.sort();
    names.dedup();
    names
}

#[test]
fn a_service_gets_the_files_and_variables_that_its_pipeline_refers_to() {
    for args in combinations().into_iter().filter(|args| args.systemd || args.compose) {
        let Ok(choices) = Choices::of(args.clone()) else { continue };
        let files = written(args);
        let [pipeline, unit, settings] = &files[..] else { panic!("{} files", files.len()) };
        let variables: Vec<String> = variables::to_set(&pipeline.text).into_iter().map(|(name, _)| name).collect();
        let set = |text: &str, end: &str| {
            let lines = text.lines().filter(|line| !line.trim_start().starts_with('#'));
            lines.filter_map(|line| Some(line.split_once(end)?.0.trim().to_owned())).collect::<Vec<_>>()
        };
        for name in &variables {
            assert!(set(&settings.text, "=").contains(name), "{name}\n{}", settings.text);
        }
        let unset = set(&settings.text, "=").into_iter().find(|name| name != "IMAGE" && !variables.contains(name));
        assert_eq!(unset, None, "{}", settings.text);
        if choices.host == Some(Host::Systemd) {
            let referred = names_after(&pipeline.text, "${CREDENTIALS_DIRECTORY}/");
            assert_eq!(names_after(&unit.text, "\nLoadCredential="), referred, "{}", unit.text);
            assert!(
                unit.text.contains(
                    "\nExecStart=/usr/local/bin/nordpass-sentinel run /etc/nordpass-sentinel/pipeline.toml\n"
                )
            );
        } else {
            let referred = names_after(&pipeline.text, "/run/secrets/");
            assert_eq!(names_after(&unit.text, "file: ./secrets/"), referred, "{}", unit.text);
            assert_eq!(
                names_after(&unit.text, "\n      - ")
                    .into_iter()
                    .filter(|name| name.ends_with("_token") || name.starts_with("azure_"))
                    .collect::<Vec<_>>(),
                referred,
                "{}",
                unit.text
            );
            let mut passed = set(&unit.text, ": ${");
            passed.retain(|name| name != "image");
            let mut expected = variables.clone();
            passed.sort();
            expected.sort();
            assert_eq!(passed, expected, "{}", unit.text);
        }
    }
}

#[test]
fn what_is_written_reads_like_this() {
    let mut all = String::new();
    let cases = [
        ("init", args()),
        (
            "init --region eu --tables official --credential managed_identity --archive --api=0.0.0.0:8686",
            InitArgs {
                region: choices::region("eu").ok(),
                tables: Some(Tables::Official),
                credential: Some(Credential::ManagedIdentity),
                archive: true,
                api: Some("0.0.0.0:8686".into()),
                ..args()
            },
        ),
        ("init --sink files", InitArgs { sink: Some(Sink::Files), ..args() }),
        ("init --systemd", InitArgs { systemd: true, ..args() }),
        (
            "init --compose --region us --credential token --archive",
            InitArgs {
                compose: true,
                region: choices::region("us").ok(),
                credential: Some(Credential::Token),
                archive: true,
                ..args()
            },
        ),
    ];
    for (line, args) in cases {
        let _ = writeln!(all, "$ nordpass-sentinel {line}");
        for OutputFile { path, text } in written(args) {
            // It's the same for each pipeline file, but for its first lines.
            let text = text.split("\nRestart=on-failure").next().unwrap_or_default();
            let _ = writeln!(all, "==> {} <==\n{text}", path.display());
        }
    }
    insta::assert_snapshot!(all);
}

/// Answers the questions so, and returns the arguments and everything that was said.
fn answered(args: InitArgs, answers: &str) -> (CommandResult<InitArgs>, String) {
    let said = RefCell::new(String::new());
    let args = Asker::new(answers.as_bytes(), |text: &str| said.borrow_mut().push_str(text)).complete(args);
    (args, said.into_inner())
}

#[test]
fn empty_answers_are_the_defaults() {
    let (complete, said) = answered(args(), &"\n".repeat(10));
    let asked = checked(&Choices::of(complete.unwrap()).unwrap(), Path::new("pipeline.toml")).unwrap();
    let unasked = checked(&Choices::of(args()).unwrap(), Path::new("pipeline.toml")).unwrap();
    assert_eq!(asked, unasked);
    assert!(!said.to_lowercase().contains("token:") && !said.to_lowercase().contains("secret:"), "{said}");
}

#[test]
fn wrong_answers_are_asked_again_and_never_repeated() {
    let answers = "s3cret\neu\nnowhere\nfiles\nofficial\n90x\n30d\n/srv/state\nmaybe\ny\nyes\n";
    let (complete, said) = answered(args(), answers);
    let complete = complete.unwrap();
    assert_eq!((complete.sink, complete.tables), (Some(Sink::Files), Some(Tables::Official)));
    assert_eq!((complete.history.as_deref(), complete.data_dir.as_deref()), (Some("30d"), Some("/srv/state")));
    assert!(complete.archive && complete.api.is_some() && complete.region.unwrap().contains(".eu."));
    assert!(complete.credential.is_none(), "files need none");
    for expected in ["expected `eu`, `us` or", "expected one of sentinel, files", "expected y or n"] {
        assert!(said.contains(expected), "{expected}: {said}");
    }
    assert!(!said.contains("s3cret") && !said.contains("nowhere"), "{said}");
}

#[test]
fn what_an_option_says_is_not_asked() {
    let given = InitArgs {
        region: choices::region("us").ok(),
        sink: Some(Sink::Sentinel),
        tables: Some(Tables::Asim),
        credential: Some(Credential::Token),
        history: Some("7d".into()),
        systemd: true,
        archive: true,
        ..args()
    };
    let (complete, said) = answered(given, "\n\n");
    assert!(complete.is_ok() && said.matches(" [").count() == 2, "the endpoint and the rule: {said}");
}

#[test]
fn an_end_of_the_answers_is_an_error() {
    let (complete, _) = answered(args(), "eu\nsentinel\n");
    let error = complete.unwrap_err();
    assert_eq!(error.code, crate::cli::USAGE);
    assert!(error.diagnostics[0].message.starts_with("stopped before"), "{:?}", error.diagnostics);
}

#[test]
fn a_wrong_value_is_told_with_its_option() {
    let wrong = [
        ("`--dcr-immutable-id`: ", InitArgs { dcr_immutable_id: Some("dcr-1".into()), ..args() }),
        ("`--history`: ", InitArgs { history: choices::history("91d").ok(), ..args() }),
        ("`--region`: ", InitArgs { region: choices::region("https://api-activities.eu.nordpass.com").ok(), ..args() }),
        ("`--api`: ", InitArgs { api: Some("8686".into()), ..args() }),
        (
            "`--data-collection-endpoint`: ",
            InitArgs { data_collection_endpoint: Some("http://dce.example".into()), ..args() },
        ),
    ];
    for (expected, args) in wrong {
        let error = checked(&Choices::of(args).unwrap(), Path::new("pipeline.toml")).unwrap_err();
        let first = &error.diagnostics[0];
        assert!(first.message.starts_with(expected) && first.location.is_none(), "{expected} {first}");
    }
    let files = InitArgs { sink: Some(Sink::Files), credential: Some(Credential::Token), ..args() };
    assert!(Choices::of(files).unwrap_err().diagnostics[0].message.contains("`--sink files`"));
}

#[test]
fn nothing_is_overwritten_unless_it_is_forced() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let files = || ["a.toml", "b.service"].map(|name| OutputFile { path: path(name), text: name.to_owned() });
    std::fs::write(path("b.service"), "mine").unwrap();
    let error = output::write(&files(), false).err().expect("it exists");
    assert!(error.diagnostics[0].message.contains("b.service exists"), "{:?}", error.diagnostics);
    assert!(!path("a.toml").exists(), "all or none");
    assert_eq!(std::fs::read_to_string(path("b.service")).unwrap(), "mine");
    assert!(output::write(&files(), true).is_ok());
    assert_eq!(std::fs::read_to_string(path("b.service")).unwrap(), "b.service");
    let error = output::check_target(folder.path(), true).unwrap_err();
    assert!(error.diagnostics[0].message.ends_with("is a folder"), "{:?}", error.diagnostics);
    let nowhere = OutputFile { path: path("none/a.toml"), text: String::new() };
    let error = output::write(&[nowhere], false).err().expect("no folder");
    assert_eq!(error.diagnostics[0].hint.as_deref(), Some("create the folder first"));
}

#[test]
fn a_path_is_quoted_for_the_shell_where_it_has_to_be() {
    for (path, expected) in
        [("a/b-c.toml", "a/b-c.toml"), ("my file", "'my file'"), ("it's", "'it'\\''s'"), ("-x", "'-x'")]
    {
        assert_eq!(output::in_shell(Path::new(path)), expected);
    }
}
