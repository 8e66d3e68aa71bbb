//! `metadata.platform`: the NordPass app of the event.
//!
//! It is an operating system for the native apps, and a browser for the extension and the web vault. The one column that covers
//! both, in all three tables, is `ActingAppName` ("the application that initiated the activity, including a process, browser, or
//! service"), so it gets the value unchanged. An operating system also gives `SrcDvcOs` ("the OS of the source device") and
//! `SrcDeviceType`, a browser gives `ActingAppType`. The vendor publishes no list of values: an unknown one fills `ActingAppName`
//! only.

/// What a platform is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Platform {
    /// An operating system of computers.
    Computer,
    /// An operating system of phones and tablets.
    Mobile,
    /// A browser: on any device.
    Browser,
    /// Not known.
    Unknown,
}

/// Classifies by the first word, so that `Windows 11`, `ios_app` and `chrome-extension` are known, too.
pub fn platform(value: &str) -> Platform {
    let word = value.split(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or_default();
    let is = |names: &[&str]| names.iter().any(|name| word.eq_ignore_ascii_case(name));
    if is(&["windows", "macos", "mac", "osx", "linux", "chromeos"]) {
        Platform::Computer
    } else if is(&["android", "ios", "ipados", "iphone", "ipad"]) {
        Platform::Mobile
    } else if is(&["chrome", "firefox", "edge", "safari", "opera", "brave", "vivaldi", "web", "browser", "extension"]) {
        Platform::Browser
    } else {
        Platform::Unknown
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_and_unknown() {
        for (value, expected) in [
            ("macOS", Platform::Computer),
            ("Windows 11", Platform::Computer),
            ("ios_app", Platform::Mobile),
            ("chrome-extension", Platform::Browser),
            ("Web", Platform::Browser),
            ("webos", Platform::Unknown),
            ("", Platform::Unknown),
            ("é", Platform::Unknown),
        ] {
            assert_eq!(platform(value), expected, "{value}");
        }
    }
}
