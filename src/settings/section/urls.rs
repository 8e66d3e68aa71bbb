//! Reads addresses of peers and of proxies.

use super::Section;
use crate::settings::url::{check_proxy, check_url};

impl Section {
    /// A required URL (or one with a default): https, or http to a loopback host.
    pub fn url(&mut self, name: &str) -> String {
        let text = self.text(name);
        if text.is_empty() { text } else { self.checked_url(name, &text) }
    }

    /// An optional URL: https, or http to a loopback host.
    pub fn optional_url(&mut self, name: &str) -> Option<String> {
        let text = self.optional_text(name)?;
        Some(self.checked_url(name, &text))
    }

    fn checked_url(&mut self, name: &str, text: &str) -> String {
        let text = text.trim();
        if let Err((message, hint)) = check_url(name, text) {
            self.error(name, message, hint);
        }
        text.to_owned()
    }

    pub(crate) fn optional_proxy(&mut self, name: &str) -> Option<String> {
        if !self.declares(name) {
            return None;
        }
        let text = self.optional_text(name)?.trim().to_owned();
        if let Err((message, hint)) = check_proxy(name, &text) {
            self.error(name, message, hint);
        }
        Some(text)
    }
}
