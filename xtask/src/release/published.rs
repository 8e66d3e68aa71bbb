//! The half after the release has been published: what it runs becomes the default of the Azure template, of its form and of the
//! manifests, and the Homebrew formula gets its sums.

use std::collections::BTreeMap;
use std::path::Path;

use crate::package::sum;
use tools_common::{read, write};

use super::facts::{Facts, Version};
use super::formula::formula;

const TEMPLATE: &str = "deploy/azure/mainTemplate.json";
const FORM: &str = "deploy/azure/createUiDefinition.json";
const KUSTOMIZATION: &str = "deploy/kubernetes/kustomization.yaml";
const FORMULA: &str = "deploy/homebrew/nordpass-sentinel.rb";

/// The name of the file that names the image with its digest.
const IMAGE: &str = "IMAGE";

/// Reads a published release's `SHA256SUMS` and `IMAGE` from a folder, writes the files, and says what comes next.
pub fn run(root: &Path, version: &Version, folder: &Path) -> Result<(), String> {
    let facts = Facts::read(root)?;
    if facts.version != *version {
        return Err(format!("Cargo.toml's version is {}\nhint: check out the tag's branch", facts.version));
    }
    if version.is_preview() {
        return Err(format!("{version} is a preview: what people deploy by default stays the last finished version"));
    }
    // Relative to where the command was typed, which for `cargo xtask` is usually the repository.
    let folder = std::path::absolute(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let sums = Sums::parse(&read(folder.join("SHA256SUMS"))?)?;
    let image = read(folder.join(IMAGE))?;
    if sums.of(IMAGE) != Some(sum(image.as_bytes())) {
        return Err(format!(
            "{IMAGE} isn't the file whose sum is in SHA256SUMS\nhint: download both again, and verify them"
        ));
    }
    for (path, text) in Release::new(&facts, sums, image.trim())?.texts(root)? {
        write(root.join(path), text)?;
        println!("wrote {path}");
    }
    println!(
        "\nNext:\n\
         1. cargo xtask test deploy\n\
         2. git commit -am 'Deploy {version} by default', and merge it\n\
         3. Copy {FORMULA} to the tap"
    );
    Ok(())
}

fn is_sum(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

/// What `SHA256SUMS` says.
pub struct Sums(BTreeMap<String, String>);

impl Sums {
    /// Reads what `sha256sum` has written.
    pub fn parse(text: &str) -> Result<Self, String> {
        let line = |line: &str| {
            let (sum, name) = line.split_once("  ").filter(|(sum, _)| is_sum(sum))?;
            Some((name.to_owned(), sum.to_owned()))
        };
        let odd = |number: usize| format!("SHA256SUMS:{}: this is no sum and name", number + 1);
        let lines = text.lines().enumerate();
        lines.map(|(number, text)| line(text).ok_or_else(|| odd(number))).collect::<Result<_, _>>().map(Self)
    }

    /// Returns the sum of a file.
    pub fn of(&self, name: &str) -> Option<String> {
        self.0.get(name).cloned()
    }
}

/// A release, as the files in the repository name it.
pub struct Release<'a> {
    facts: &'a Facts,
    sums: Sums,
    repository: &'a str,
    digest: &'a str,
    function: (String, String),
}

impl<'a> Release<'a> {
    /// `image` is `REGISTRY/NAME@sha256:…`.
    pub fn new(facts: &'a Facts, sums: Sums, image: &'a str) -> Result<Self, String> {
        let parts = image.split_once('@').filter(|(_, digest)| digest.strip_prefix("sha256:").is_some_and(is_sum));
        let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"./_-:".contains(&byte);
        let parts = parts.filter(|(repository, _)| repository.contains('/') && repository.bytes().all(is_plain));
        let (repository, digest) = parts.ok_or_else(|| format!("`{image}` is no image with a digest"))?;
        let name = facts.name("function.zip");
        let sum = sums.of(&name).ok_or_else(|| format!("SHA256SUMS has no {name}"))?;
        let function = (format!("{}/{name}", facts.downloads()), sum);
        Ok(Self { facts, sums, repository, digest, function })
    }

    /// Returns the files that name the release, with its values.
    pub fn texts(&self, root: &Path) -> Result<Vec<(&'static str, String)>, String> {
        let (uri, sum) = &self.function;
        let mut template = read(root.join(TEMPLATE))?;
        let values = [
            ("imageRepository", self.repository),
            ("imageDigest", self.digest),
            ("packageUri", uri),
            ("packageSha256", sum),
        ];
        for (name, value) in values {
            template = with_value(
                TEMPLATE,
                &template,
                &format!("\n    \"{name}\": {{\n"),
                "\n      \"defaultValue\": ",
                value,
            )?;
        }
        let mut form = read(root.join(FORM))?;
        // A password box, such as that of the package's address, can't have a default.
        for (name, value) in [("imageRepository", self.repository), ("imageDigest", self.digest)] {
            form =
                with_value(FORM, &form, &format!("\"name\": \"{name}\","), "\n            \"defaultValue\": ", value)?;
        }
        let mut kustomization = read(root.join(KUSTOMIZATION))?;
        for (key, value) in [("newName", self.repository), ("digest", self.digest)] {
            kustomization = with_line(KUSTOMIZATION, &kustomization, &format!("    {key}: "), value)?;
        }
        let formula = formula(self.facts, |name| self.sums.of(name))?;
        Ok(vec![(TEMPLATE, template), (FORM, form), (KUSTOMIZATION, kustomization), (FORMULA, formula)])
    }
}

/// Returns JSON with another text as the value of `key`, the first one behind `place`.
fn with_value(path: &str, json: &str, place: &str, key: &str, value: &str) -> Result<String, String> {
    let found = || {
        let from = json.find(place)? + place.len();
        // The keys of the next element stand behind its own name.
        let end = json.get(from..)?.find("\n    \"").into_iter().chain(json.get(from..)?.find("\"name\": ")).min();
        let part = json.get(from..end.map_or(json.len(), |end| from + end))?;
        // `place` may have taken the line break that `key` begins with.
        let at = match part.strip_prefix(key.trim_start_matches('\n')) {
            Some(_) => from + key.len() - 1,
            None => from + part.find(key)? + key.len(),
        };
        let old = json.get(at..)?.strip_prefix('"')?.split('"').next()?;
        Some((at + 1, old.len()))
    };
    let (at, length) = found().ok_or_else(|| format!("{path}: {} has no {}", place.trim(), key.trim()))?;
    let mut json = json.to_owned();
    json.replace_range(at..at + length, value);
    Ok(json)
}

/// Returns a text in which the one line that begins with `key` has another value.
fn with_line(path: &str, text: &str, key: &str, value: &str) -> Result<String, String> {
    let lines: Vec<_> = text.lines().filter(|line| line.starts_with(key)).collect();
    match lines.as_slice() {
        [line] => Ok(text.replacen(line, &format!("{key}{value}"), 1)),
        _ => Err(format!("{path}: `{}` isn't there once", key.trim())),
    }
}
