//! What the operating system says about this process.

/// A field of `/proc/self/status`: it needs no `unsafe`, and stays readable for a process that mustn't be dumped.
fn status(field: &str) -> Option<String> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    status.lines().find_map(|line| Some(line.strip_prefix(field)?.strip_prefix(':')?.trim().to_owned()))
}

/// The number of the user in whose name this process acts; `None` where the operating system doesn't say it this way.
pub(super) fn user() -> Option<u32> {
    status("Uid")?.split_whitespace().nth(1)?.parse().ok()
}

/// Whether whoever started this process wants it to live on when its terminal goes, as `nohup` does.
pub fn hangup_is_ignored() -> bool {
    const SIGHUP: u32 = 1;
    let ignored = status("SigIgn").and_then(|mask| u64::from_str_radix(&mask, 16).ok());
    ignored.is_some_and(|mask| mask & (1 << (SIGHUP - 1)) != 0)
}
