//! The faults file.

use std::collections::BTreeMap;

use http::StatusCode;
use serde::Deserialize;

use super::retry_after::duration;
use super::{Effect, Fault, Plan, When};
use crate::reply::Endpoint;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    seed: u64,
    #[serde(default)]
    fault: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Numbers {
    One(u64),
    Several(Vec<u64>),
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Reset {
    Before,
    After,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    endpoint: Option<Endpoint>,
    path: Option<String>,
    nth: Option<Numbers>,
    every: Option<u64>,
    after: Option<String>,
    before: Option<String>,
    probability: Option<f64>,
    times: Option<u64>,
    delay: Option<String>,
    status: Option<u16>,
    body: Option<String>,
    headers: Option<BTreeMap<String, String>>,
    retry_after: Option<String>,
    html: Option<bool>,
    reset: Option<Reset>,
    truncate: Option<usize>,
    expire_tokens: Option<bool>,
    busy: Option<u64>,
}

/// Reads the file's text.
pub fn read(text: &str) -> Result<Plan, String> {
    let file: File = toml::from_str(text).map_err(|error| error.to_string())?;
    let faults = file.fault.into_iter().enumerate().map(|(number, entry)| {
        // TOML's own errors have line and column; these name the fault by its number.
        entry.check().map_err(|error| format!("fault {}: {error}", number + 1))
    });
    Ok(Plan { seed: file.seed, faults: faults.collect::<Result<_, _>>()? })
}

impl Entry {
    fn check(self) -> Result<Fault, String> {
        if self.status.is_none() && (self.body.is_some() || self.headers.is_some() || self.retry_after.is_some()) {
            return Err("`body`, `headers` and `retry_after` belong to a `status`".into());
        }
        if self.every == Some(0) {
            return Err("`every` counts from 1".into());
        }
        if self.busy == Some(0) {
            return Err("`busy` counts from 1: 1 is each record, 2 each second one".into());
        }
        if self.probability.is_some_and(|probability| !(0.0..=1.0).contains(&probability)) {
            return Err("`probability` is between 0 and 1".into());
        }
        let time = |text: &Option<String>| text.as_deref().map(duration).transpose();
        let when = When {
            endpoint: self.endpoint,
            path: self.path,
            nth: match self.nth {
                None => Vec::new(),
                Some(Numbers::One(number)) => vec![number],
                Some(Numbers::Several(numbers)) => numbers,
            },
            every: self.every,
            after: time(&self.after)?,
            before: time(&self.before)?,
            probability: self.probability,
            times: self.times,
        };
        let delay = time(&self.delay)?;
        let status =
            self.status.map(|status| StatusCode::from_u16(status).map_err(|_| format!("`{status}` is no status")));
        let status = status.transpose()?;
        let retry_after = self.retry_after.as_deref().map(str::parse).transpose()?;
        let (body, headers) = (self.body.unwrap_or_default(), self.headers.unwrap_or_default());
        let answer = match (status, self.html) {
            (status, Some(true)) => Some(Effect::Html(status.unwrap_or(StatusCode::OK))),
            (status, _) => status.map(|status| Effect::Status { status, body, headers, retry_after }),
        };
        let reset = self.reset.map(|reset| match reset {
            Reset::Before => Effect::ResetBefore,
            Reset::After => Effect::ResetAfter,
        });
        let expired = (self.expire_tokens == Some(true)).then_some(Effect::ExpireTokens);
        let truncated = self.truncate.map(Effect::Truncate);
        let mut effects = [answer, reset, truncated, expired, self.busy.map(Effect::Busy)].into_iter().flatten();
        let effect = effects
            .next()
            .or(delay.map(|_| Effect::None))
            .ok_or("it does nothing: give `status`, `html`, `reset`, `truncate`, `expire_tokens`, `busy` or `delay`")?;
        if effects.next().is_some() {
            let several = "only one of `status`, `html`, `reset`, `truncate`, `expire_tokens`, `busy` (`html` may have a `status`)";
            return Err(several.into());
        }
        Ok(Fault { when, effect, delay: delay.unwrap_or_default() })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::faults::RetryAfter;

    #[test]
    fn a_file_with_everything() {
        let plan = read(
            r#"
            seed = 7
            [[fault]]
            endpoint = "ingestion"
            nth = 3
            status = 429
            body = "{}"
            headers = { "x-ms-error-code" = "TooManyRequests" }
            retry_after = "date:30s"
            [[fault]]
            endpoint = "nordpass"
            path = "/activities"
            every = 10
            after = "1m"
            before = "2h"
            times = 4
            html = true
            status = 502
            [[fault]]
            nth = [1, 2]
            reset = "after"
            delay = "500ms"
            [[fault]]
            probability = 0.5
            truncate = 10
            [[fault]]
            endpoint = "identity"
            expire_tokens = true
            [[fault]]
            endpoint = "entra"
            delay = "3s"
            [[fault]]
            endpoint = "elastic"
            busy = 2
            "#,
        )
        .expect("a plan");
        assert_eq!((plan.seed, plan.faults.len()), (7, 7));
        let Effect::Status { status, headers, retry_after, .. } = &plan.faults[0].effect else { panic!("a status") };
        assert_eq!((status.as_u16(), headers.len()), (429, 1));
        assert_eq!(retry_after, &Some(RetryAfter::Date(Duration::from_secs(30))));
        assert_eq!(plan.faults[1].effect, Effect::Html(StatusCode::BAD_GATEWAY));
        assert_eq!((plan.faults[1].when.every, plan.faults[1].when.after), (Some(10), Some(Duration::from_mins(1))));
        assert_eq!((&plan.faults[2].when.nth, plan.faults[2].delay), (&vec![1, 2], Duration::from_millis(500)));
        assert_eq!(plan.faults[2].effect, Effect::ResetAfter);
        assert_eq!(plan.faults[3].effect, Effect::Truncate(10));
        assert_eq!(plan.faults[4].when.endpoint, Some(Endpoint::Identity));
        assert_eq!(plan.faults[5].effect, Effect::None);
        assert_eq!((plan.faults[6].when.endpoint, &plan.faults[6].effect), (Some(Endpoint::Elastic), &Effect::Busy(2)));
    }

    #[test]
    fn mistakes_are_explained() {
        for (text, part) in [
            ("[[fault]]\nendpoint = \"azure\"\nstatus = 500", "`azure`"),
            ("[[fault]]\nendpoint = \"entra\"", "does nothing"),
            ("[[fault]]\nstatus = 500\nreset = \"before\"", "only one of"),
            ("[[fault]]\nstatus = 5000", "`5000`"),
            ("[[fault]]\nstatus = 429\nretry_after = \"later\"", "`later`"),
            ("[[fault]]\nbody = \"x\"\nreset = \"before\"", "belong to a `status`"),
            ("[[fault]]\nstatsu = 500", "statsu"),
            ("[[fault]]\ndelay = \"fast\"", "`fast`"),
            ("[[fault]]\nevery = 0\nstatus = 500", "counts from 1"),
            ("[[fault]]\nbusy = 0", "counts from 1"),
            ("[[fault]]\nprobability = 2.0\nstatus = 500", "between 0 and 1"),
            ("[fault", "line 1"),
        ] {
            let error = read(text).expect_err(text);
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}
