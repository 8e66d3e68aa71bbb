//! The tokens that were issued, and whether one is still good.

use std::{collections::HashMap, sync::Arc, time::Duration};

use jiff::Timestamp;

use nordpass_env::{Mutex, mix};

/// All tokens: Entra issues them, the ingestion endpoint checks them. Cloning shares them.
#[derive(Clone, Debug, Default)]
pub struct Tokens(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    issued: HashMap<String, Token>,
    ready: Vec<String>,
    number: u64,
}

#[derive(Debug)]
struct Token {
    audience: String,
    expires_at: Timestamp,
}

/// Why a token isn't good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Nobody issued it, or it was revoked.
    Unknown,
    /// Its time is over.
    Expired,
    /// It is for another resource.
    Audience,
}

impl Tokens {
    /// A new token for an audience.
    pub fn issue(&self, audience: &str, lifetime: Duration, now: Timestamp) -> String {
        let mut state = self.0.lock();
        state.number += 1;
        // Opaque, as clients must treat it; and never a secret of anything real.
        let text = format!("simulated-{}-{:016x}", state.number, mix(state.number));
        let expires_at = now.checked_add(lifetime).unwrap_or(Timestamp::MAX);
        state.issued.insert(text.clone(), Token { audience: bare(audience).to_owned(), expires_at });
        // Long runs issue many: what expired an hour ago is only unknown then instead of expired.
        let hour_ago = now.checked_sub(Duration::from_hours(1)).unwrap_or(Timestamp::MIN);
        state.issued.retain(|_, token| token.expires_at >= hour_ago);
        text
    }

    /// Accepts a ready token for every audience, until it is revoked by name: for the `token` credential.
    pub fn accept(&self, token: impl Into<String>) {
        self.0.lock().ready.push(token.into());
    }

    /// Whether a token is good for an audience.
    pub fn check(&self, token: &str, audience: &str, now: Timestamp) -> Result<(), Refusal> {
        let state = self.0.lock();
        if state.ready.iter().any(|ready| ready == token) {
            return Ok(());
        }
        match state.issued.get(token) {
            None => Err(Refusal::Unknown),
            Some(token) if token.expires_at <= now => Err(Refusal::Expired),
            Some(token) if token.audience != bare(audience) => Err(Refusal::Audience),
            Some(_) => Ok(()),
        }
    }

    /// Makes every issued token void at once.
    pub fn revoke_all(&self) {
        self.0.lock().issued.clear();
    }

    /// Makes one token void, issued or ready.
    pub fn revoke(&self, token: &str) {
        let mut state = self.0.lock();
        state.issued.remove(token);
        state.ready.retain(|ready| ready != token);
    }

    /// The texts of the tokens that are known now: what must stand in no log.
    pub fn texts(&self) -> Vec<String> {
        let state = self.0.lock();
        state.issued.keys().chain(&state.ready).cloned().collect()
    }

    /// How many were ever issued.
    pub fn issued(&self) -> u64 {
        self.0.lock().number
    }
}

/// Official clients write audiences with and without a slash at the end.
pub fn bare(audience: &str) -> &str {
    audience.trim_end_matches('/')
}

#[cfg(test)]
mod tests {
    use super::*;

    const AUDIENCE: &str = "https://monitor.azure.com";

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).expect("a time")
    }

    #[test]
    fn good_until_it_expires() {
        let tokens = Tokens::default();
        let token = tokens.issue("https://monitor.azure.com/", Duration::from_mins(1), at(100));
        assert_eq!(tokens.check(&token, AUDIENCE, at(159)), Ok(()));
        assert_eq!(tokens.check(&token, AUDIENCE, at(160)), Err(Refusal::Expired));
        assert_eq!(tokens.check(&token, "https://vault.azure.net", at(100)), Err(Refusal::Audience));
        assert_eq!(tokens.check("made up", AUDIENCE, at(100)), Err(Refusal::Unknown));
    }

    #[test]
    fn revoking() {
        let tokens = Tokens::default();
        tokens.accept("ready");
        let token = tokens.issue(AUDIENCE, Duration::from_mins(1), at(100));
        tokens.revoke_all();
        assert_eq!(tokens.check(&token, AUDIENCE, at(100)), Err(Refusal::Unknown));
        assert_eq!(tokens.check("ready", AUDIENCE, at(100)), Ok(()));
        tokens.revoke("ready");
        assert_eq!(tokens.check("ready", AUDIENCE, at(100)), Err(Refusal::Unknown));
        assert_ne!(tokens.issue(AUDIENCE, Duration::from_mins(1), at(100)), token);
    }
}
