//! `cargo xtask release`: what `RELEASING.md` leads through. Nothing here pushes or uploads anything.
//!
//! A release has two halves, because the sums and the image's digest are known only after the build: [`prepare`] before the tag,
//! [`published`] after it. Between them the workflow builds [`files`] on each machine.

mod changelog;
mod check;
mod deb;
mod facts;
mod files;
mod formula;
mod prepare;
mod published;
mod sbom;
mod twice;

#[cfg(test)]
mod tests;

use std::path::PathBuf;

use tools_common::root;

use self::facts::Facts;

/// What to do.
#[derive(clap::Args)]
pub struct Options {
    /// Prepare this version: changelog and versions. Says what to do next
    #[arg(required_unless_present_any = ["build", "dry_run", "check_tag"], conflicts_with_all = ["build", "dry_run", "check_tag"])]
    version: Option<String>,
    /// After the release has been published: write its image and its sums into the Azure template and the Homebrew formula. FOLDER holds
    /// its `SHA256SUMS` and `IMAGE`
    #[arg(long, value_name = "FOLDER", requires = "version")]
    published: Option<PathBuf>,
    /// Build what this machine adds to a release, in `target/release-files/`
    #[arg(long)]
    build: bool,
    /// Build everything twice, in two folders, compare the sums, and check the results and the workflows
    #[arg(long, conflicts_with = "build")]
    dry_run: bool,
    /// Fail unless this tag, the versions, the changelog and `--repository` agree
    #[arg(long, value_name = "TAG", conflicts_with_all = ["build", "dry_run"], requires = "repository")]
    check_tag: Option<String>,
    /// The repository's address, such as <https://github.com/OWNER/nordpass-sentinel>
    #[arg(long, value_name = "URL", requires = "check_tag")]
    repository: Option<String>,
}

/// Does it.
pub fn run(options: &Options) -> Result<(), String> {
    let root = root();
    if options.dry_run {
        return twice::run(&root);
    }
    if options.build {
        return files::write(&root, &Facts::read(&root)?);
    }
    if let (Some(tag), Some(repository)) = (&options.check_tag, &options.repository) {
        return check::tag(&root, tag, repository);
    }
    let version = options.version.as_deref().unwrap_or_default().parse()?;
    match &options.published {
        None => prepare::run(&root, &version),
        Some(folder) => published::run(&root, &version, folder),
    }
}
