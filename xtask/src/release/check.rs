//! Whether a tag fits what it points at: the workflow's first question.

use std::path::Path;

use tools_common::{passed, read};

use super::changelog;
use super::facts::Facts;
use super::prepare;

/// Fails unless the tag, all versions, the changelog and the repository's address agree.
pub fn tag(root: &Path, tag: &str, repository: &str) -> Result<(), String> {
    let facts = Facts::read(root)?;
    let mut wrong = Vec::new();
    if tag != format!("v{}", facts.version) {
        wrong.push(format!("the tag is {tag}, and Cargo.toml's version {}", facts.version));
    }
    if repository != facts.repository {
        wrong.push(format!("the tag is in {repository}, and Cargo.toml's repository {}", facts.repository));
    }
    for (path, found) in prepare::versions(root)? {
        if found != facts.version.to_string() {
            wrong.push(format!("{path}: the version is {found}"));
        }
    }
    wrong.extend(changelog::notes(&read(root.join("CHANGELOG.md"))?, &facts.version).err());
    passed(&wrong)?;
    println!("{tag} fits");
    Ok(())
}
