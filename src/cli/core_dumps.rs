//! A core dump holds everything in memory, tokens included; so does what another process of this user reads there.

/// Keeps this process from leaving a dump, and other processes of its user from reading its memory. Linux only.
pub fn forbid() {
    #[cfg(target_os = "linux")]
    set(rustix::process::DumpableBehavior::NotDumpable);
}

/// Allows it again: `core_dumps = true` in the pipeline file.
pub(super) fn allow() {
    #[cfg(target_os = "linux")]
    set(rustix::process::DumpableBehavior::Dumpable);
}

#[cfg(target_os = "linux")]
fn set(behavior: rustix::process::DumpableBehavior) {
    if let Err(error) = rustix::process::set_dumpable_behavior(behavior) {
        let error = std::io::Error::from(error);
        tracing::warn!("the system doesn't let this process decide about its core dumps: {error}");
    }
}
