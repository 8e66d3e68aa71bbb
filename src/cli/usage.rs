//! The resources that this process has used, as Linux reports them (`proc(5)`).

/// The most memory that was resident, in bytes; 0 where it isn't known.
pub(super) fn peak_rss_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok()).unwrap_or(0) * 1024
}

/// CPU seconds of all threads, in user mode and in the kernel; 0 where it isn't known. In steps of 10 ms.
pub(super) fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    ticks(&stat).unwrap_or(0) as f64 / TICKS_PER_SECOND
}

/// `USER_HZ`, which is 100 on every architecture that this runs on.
const TICKS_PER_SECOND: f64 = 100.0;

/// `utime` and `stime`, the 14th and 15th fields. The second one is the program's name in brackets, which may hold blanks.
fn ticks(stat: &str) -> Option<u64> {
    let (_, rest) = stat.rsplit_once(") ")?;
    let mut fields = rest.split(' ').skip(11);
    Some(fields.next()?.parse::<u64>().ok()? + fields.next()?.parse::<u64>().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_read_behind_any_name() {
        let stat = "7 (a ) b) S 1 7 7 0 -1 4194560 900 0 0 0 12 30 0 0 20 0 3 0 100 1 1";
        assert_eq!(ticks(stat), Some(42));
        assert_eq!(ticks("nonsense"), None);
        assert_eq!(ticks("7 (x) S 1"), None);
    }

    #[test]
    fn this_process_uses_memory() {
        let known = std::path::Path::new("/proc/self/status").exists();
        assert_eq!(peak_rss_bytes() > 1 << 20, known);
    }
}
