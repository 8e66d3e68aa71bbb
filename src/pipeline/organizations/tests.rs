//! The organizations file as its users meet it.

mod destinations;

use std::fmt::Write as _;
use std::path::Path;

use crate::pipeline::{Config, load};
use crate::settings::{Diagnostic, Environment, Severity};

const EU: &str = "https://eu.example/activities/query";

/// A folder with secrets, and a set that names a file of organizations in it.
struct World {
    folder: tempfile::TempDir,
}

impl World {
    fn new(secrets: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::create_dir(folder.path().join("secrets")).expect("a folder");
        let world = Self { folder };
        for name in secrets {
            world.secret(name);
        }
        world
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    fn secret(&self, name: &str) {
        let path = self.path("secrets").join(name);
        std::fs::write(&path, format!("hidden-{name}\n")).expect("a file");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).expect("a file");
        }
    }

    fn load(&self, file: &str, organizations: &str) -> Result<(Config, Vec<Diagnostic>), Vec<Diagnostic>> {
        self.load_with(file, organizations, "", &Environment::of([("NONE", "")]))
    }

    fn load_with(
        &self,
        file: &str,
        organizations: &str,
        more: &str,
        environment: &Environment,
    ) -> Result<(Config, Vec<Diagnostic>), Vec<Diagnostic>> {
        std::fs::write(self.path(file), organizations).expect("a file");
        let folder = self.folder.path().display();
        let text = format!(
            "[organizations]\nfile = \"{folder}/{file}\"\nsecrets_dir = \"{folder}/secrets\"\nallowed_endpoints = [\"{EU}\"]\n\
             {more}\n[sources.nordpass]\ntype = \"nordpass\"\n\n[sinks.none]\ntype = \"blackhole\"\ninputs = [\"nordpass\"]\n"
        );
        load(&[("pipeline.toml".into(), text)], environment)
    }

    /// What is said, without the folder's name.
    fn said(&self, found: &[Diagnostic]) -> String {
        let shown: Vec<String> = found.iter().map(|diagnostic| diagnostic.human(false)).collect();
        let shown = shown.join("\n").replace(&*self.folder.path().to_string_lossy(), "FOLDER");
        assert!(!shown.contains("hidden"), "{shown}");
        shown
    }
}

fn names(config: &Config) -> Vec<&str> {
    config.sources.iter().map(|source| source.name.as_str()).collect()
}

#[test]
fn each_organization_is_a_source_that_the_templates_readers_read() {
    let world = World::new(&["acme", "beta"]);
    let text = "[acme]\nid = \"c-1\"\ntoken = \"acme\"\nlabels = { tenant = \"t 1\" }\n\n[beta]\nid = \"c-2\"\nendpoint = \
                \"https://eu.example/activities/query\"\ntoken = \"beta\"\nstate = \"old\"\n";
    let (config, found) = world.load("organizations.toml", text).expect("a set");
    assert_eq!((names(&config), found.len()), (vec!["nordpass@acme", "nordpass@beta"], 0));
    assert_eq!(config.sinks[0].inputs, [config.sources[0].output()], "adding one changes no reader");
    assert_eq!(config.sources[0].output(), config.sources[1].output());
    let key = |at: usize| config.sources[at].settings.state_key(&config.sources[at].name).expect("a key");
    assert_eq!((key(0).name.as_str(), key(1).name.as_str(), key(0).endpoint.as_str()), ("@c-1", "old", EU));
    let acme = config.sources[0].settings.organization().expect("an organization");
    assert_eq!(acme.labels, [("tenant".to_owned(), "t 1".to_owned())]);
    let debug = format!("{config:?}");
    assert!(!debug.contains("hidden"), "{debug}");
}

#[test]
fn a_table_with_commas_says_the_same() {
    let world = World::new(&["acme", "beta"]);
    let text = "\u{feff}id,name,token,label.tenant\r\nc-1,acme,acme,\"t, \"\"1\"\"\"\r\n\r\nc-2,beta,beta,\r\n";
    let (config, _) = world.load("organizations.csv", text).expect("a set");
    let of = |at: usize| config.sources[at].settings.organization().expect("an organization").clone();
    assert_eq!((of(0).name.as_str(), of(0).labels[0].1.as_str()), ("acme", "t, \"1\""));
    assert_eq!((of(1).id.as_str(), of(1).labels.len()), ("c-2", 0));
}

/// One entry for each thing that can be wrong; `good` stays.
const WRONG: &str = r#"[good]
id = "c-1"
token = "good"

[reused]
id = "c-1"
token = "reused"

[missing]
id = "c-3"
token = "nowhere"

[elsewhere]
id = "c-4"
endpoint = "https://evil.example/query"
token = "elsewhere"

[shared]
id = "c-5"
token = "good"

[outside]
id = "c-6"
token = "../outside"

[linked]
id = "c-7"
token = "link"

[pasted]
id = "c-8"
token = "hidden0123456789abcdefHIDDEN0123456789"

[labelled]
id = "c-9"
token = "labelled"
labels = { key = "hidden0123456789abcdefHIDDEN0123456789" }

[hidden0123456789abcdefHIDDEN0123456789]
id = "c-10"
token = "x"

["two words"]
id = "c-11"
token = "x"

[typed]
id = 12
tokn = "x"

[none]

[empty]
id = "c-14"
token = "empty"

[taken]
id = "c-15"
token = "taken"
state = "none"
"#;

fn wrong() -> World {
    let world = World::new(&["good", "reused", "elsewhere", "labelled", "taken"]);
    std::fs::write(world.path("secrets/empty"), "\n").expect("a file");
    std::fs::write(world.path("outside"), "hidden").expect("a file");
    #[cfg(unix)]
    std::os::unix::fs::symlink("../outside", world.path("secrets/link")).expect("a link");
    world
}

#[cfg(unix)]
#[test]
fn a_wrong_entry_is_named_and_the_rest_goes_on() {
    let world = wrong();
    let (config, found) = world.load("organizations.toml", WRONG).expect("a set");
    assert_eq!(names(&config), ["nordpass@good"]);
    assert!(found.iter().all(|found| found.severity == Severity::Warning));
    insta::assert_snapshot!("wrong_entries", world.said(&found));
    assert!(config.kept_out.names.contains("missing") && config.kept_out.ids.contains("c-3"));
    assert!(!config.kept_out.ids.contains("c-1"), "it belongs to the one that is right");
}

#[cfg(unix)]
#[test]
fn all_or_nothing_is_a_setting() {
    let world = wrong();
    let environment = Environment::of([("NONE", "")]);
    let found = world.load_with("organizations.toml", WRONG, "on_error = \"refuse\"", &environment).unwrap_err();
    assert!(found.iter().all(|found| found.severity == Severity::Error));
    assert!(!world.said(&found).contains("isn't used"));
}

#[test]
fn wrong_lines_of_a_table_are_named() {
    let world = World::new(&["acme"]);
    let text = "id,name,token\nc-1,acme,acme\nc-1,beta,beta\nc-3,gamma\nc-4,acme,acme\n";
    let (config, found) = world.load("organizations.csv", text).expect("a set");
    assert_eq!(names(&config), ["nordpass@acme"]);
    insta::assert_snapshot!("wrong_lines", world.said(&found));
    let errors =
        ["", "id;name;token\n", "id,name,token,color\nc-1,a,b,c\n", "id,name,token,id\n", "id,name,token\n\"a,b"];
    let said: Vec<String> = errors.map(|text| world.said(&world.load("organizations.csv", text).unwrap_err())).into();
    insta::assert_snapshot!("wrong_tables", said.join("\n"));
}

#[test]
fn the_file_as_a_whole_can_be_wrong() {
    let world = World::new(&["acme"]);
    let texts = ["[acme]\nid = 'c-1'\n[acme]\n", "", "[acme]\nid = \"hidden\n", "acme = 1\n"];
    let mut said: Vec<String> =
        texts.map(|text| world.said(&world.load("organizations.toml", text).unwrap_err())).into();
    std::fs::remove_dir_all(world.path("secrets")).expect("a folder");
    said.push(world.said(&world.load("organizations.toml", "[acme]\nid = 'c-1'\ntoken = 'acme'\n").unwrap_err()));
    insta::assert_snapshot!("wrong_files", said.join("\n"));
}

/// On another machine neither the file nor the secrets need be there.
#[test]
fn without_its_machine_only_the_rest_is_checked() {
    let world = World::new(&[]);
    std::fs::remove_dir_all(world.path("secrets")).expect("a folder");
    let environment = || Environment::of([("NONE", "")]).may_be_absent();
    let text = "[acme]\nid = 'c-1'\ntoken = 'acme'\n";
    let (config, _) = world.load_with("organizations.toml", text, "", &environment()).expect("a set");
    assert_eq!(names(&config), ["nordpass@acme"]);
    let set = "[organizations]\nfile = \"nowhere\"\nsecrets_dir = \"nowhere\"\nallowed_endpoints = [\"https://eu.example/q\"]\n\
               [sources.a]\ntype = \"nordpass\"\n[sinks.none]\ntype = \"blackhole\"\ninputs = [\"a\"]\n";
    let (config, _) = load(&[("p.toml".into(), set.to_owned())], &environment()).expect("a set");
    assert_eq!(names(&config), ["a"], "the template stands for itself");
}

#[test]
fn one_source_is_the_template() {
    let table = "[organizations]\nfile = \"x\"\nsecrets_dir = \"/\"\nallowed_endpoints = [\"http://far.example\"]\n";
    let sink = "[sinks.none]\ntype = \"blackhole\"\ninputs = [\"a\", \"b\"]\n";
    let own = "endpoint = \"https://eu.example/q\"\ntoken = \"${TOKEN}\"\n";
    let said = |sources: &str| {
        let text = format!("{table}{sources}{sink}");
        let found = load(&[("p.toml".into(), text)], &Environment::of([("TOKEN", "hidden")])).unwrap_err();
        found.iter().map(|found| found.human(false)).collect::<Vec<_>>().join("\n")
    };
    let two = said("[sources.a]\ntype = \"nordpass\"\n[sources.b]\ntype = \"nordpass\"\n");
    let none = said(&format!("[sources.a]\ntype = \"nordpass\"\n{own}[sources.b]\ntype = \"nordpass\"\n{own}"));
    let half = said("[sources.a]\ntype = \"nordpass\"\n[sources.b]\ntype = \"nordpass\"\ntoken = \"${TOKEN}\"\n");
    insta::assert_snapshot!("templates", [two, none, half].join("\n"));
}

#[test]
fn at_a_reload_what_has_become_wrong_stays_as_it_was() {
    let world = World::new(&["acme", "beta", "gamma"]);
    let entry = |name: &str, id: &str, token: &str| format!("[{name}]\nid = \"{id}\"\ntoken = \"{token}\"\n");
    let all = [entry("acme", "c-1", "acme"), entry("beta", "c-2", "beta"), entry("gamma", "c-3", "gamma")].concat();
    let (running, _) = world.load("organizations.toml", &all).expect("a set");
    // One is wrong, one is gone, one is new.
    world.secret("delta");
    let text =
        [entry("acme", "c-1", "nowhere"), entry("gamma", "c-3", "gamma"), entry("delta", "c-4", "delta")].concat();
    let (mut config, _) = world.load("organizations.toml", &text).expect("a set");
    config.keep_as_they_were(&running);
    assert_eq!(names(&config), ["nordpass@gamma", "nordpass@delta", "nordpass@acme"]);
}

/// 5,000 lines, one of them wrong, in time that grows with the lines.
#[test]
fn five_thousand_are_read_and_the_wrong_one_is_named() {
    let world = World::new(&[]);
    let mut text = String::from("id,name,token\n");
    for number in 0..5_000 {
        let token = if number == 4_321 { "nowhere".to_owned() } else { format!("t{number}") };
        let _ = writeln!(text, "c-{number},org-{number},{token}");
        world.secret(&format!("t{number}"));
    }
    let (config, found) = world.load("organizations.csv", &text).expect("a set");
    assert_eq!((config.sources.len(), found.len()), (4_999, 1));
    let location = found[0].location.as_ref().expect("a place");
    assert_eq!((location.line, location.column, found[0].path.as_str()), (4_323, 17, "org-4321.token"));
    assert!(location.file.ends_with(Path::new("organizations.csv")));
}
