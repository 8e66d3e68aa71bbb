//! Running other programs.

use std::process::{Child, Command};

/// Runs a command in the repository's folder, its output on ours.
pub fn run(command: &mut Command) -> Result<(), String> {
    let line = describe(command);
    println!("$ {line}");
    let status = command.current_dir(crate::root()).status().map_err(|error| {
        format!("can't run `{line}`: {error}\nhint: install `{}`", command.get_program().to_string_lossy())
    })?;
    if status.success() { Ok(()) } else { Err(format!("`{line}` failed ({status})")) }
}

/// The command as one would type it, without its folder's path.
fn describe(command: &Command) -> String {
    let root = format!("{}/", crate::root().display());
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy().replace(&root, "")).collect::<Vec<_>>().join(" ")
}

/// A process that ends with this value, whatever happens in between.
pub struct Running(pub Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
