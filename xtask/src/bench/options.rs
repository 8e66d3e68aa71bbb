//! The words after `cargo xtask bench`.

use std::time::Duration;

use super::SECTIONS;

/// What is measured how often.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Events of a run.
    pub events: u64,
    /// Runs of each contender.
    pub rounds: u32,
    /// Starts that are timed.
    pub starts: u32,
    /// Events of a first connection over a slow network.
    pub backfill: u64,
    /// Organizations in one process.
    pub organizations: u32,
    /// How long they are watched.
    pub idle: Duration,
    /// Also ten times the events, for the memory.
    pub memory: bool,
    /// This section alone.
    pub only: Option<&'static str>,
}

impl Options {
    /// Reads the words.
    pub fn read(words: &[&str]) -> Result<Self, String> {
        let mut options = Self {
            events: 1_000_000,
            rounds: 3,
            starts: 10,
            backfill: 100_000,
            organizations: 500,
            idle: Duration::from_secs(120),
            memory: false,
            only: None,
        };
        let mut words = words.iter();
        while let Some(word) = words.next() {
            match *word {
                "--quick" => {
                    (options.events, options.rounds, options.starts) = (100_000, 1, 3);
                    (options.backfill, options.organizations, options.idle) = (20_000, 50, Duration::from_secs(20));
                }
                "--memory" => options.memory = true,
                "--only" => options.only = Some(section(words.next())?),
                "--events" => options.events = number(word, words.next())?,
                "--rounds" => options.rounds = number(word, words.next())?,
                _ => {
                    return Err(format!(
                        "unknown word `{word}`\nhint: --events N, --rounds N, --quick, --memory, --only SECTION"
                    ));
                }
            }
        }
        Ok(options)
    }

    /// Whether a section is to be measured.
    pub fn wants(&self, name: &str) -> bool {
        self.only.map_or(name != MEMORY || self.memory, |only| only == name)
    }
}

/// The section that takes long.
const MEMORY: &str = "memory";

fn section(word: Option<&&str>) -> Result<&'static str, String> {
    let mut names = SECTIONS.iter().map(|(name, _)| *name);
    names.clone().find(|name| word == Some(name)).ok_or_else(|| {
        let last = names.next_back().unwrap_or_default();
        format!("--only needs a section: {} or {last}", names.collect::<Vec<_>>().join(", "))
    })
}

fn number<N: std::str::FromStr + PartialOrd + From<u8>>(name: &str, word: Option<&&str>) -> Result<N, String> {
    let value = word.and_then(|word| word.parse().ok()).filter(|value| *value > N::from(0));
    value.ok_or_else(|| format!("{name} needs a number above 0"))
}

#[cfg(test)]
mod tests {
    use super::Options;

    #[test]
    fn words() {
        let read = Options::read(&["--quick", "--rounds", "5"]).expect("right");
        assert_eq!((read.events, read.rounds, read.memory), (100_000, 5, false));
        assert!(read.wants("backfill") && !read.wants("memory"));
        let read = Options::read(&["--only", "memory"]).expect("right");
        assert!(read.wants("memory") && !read.wants("backfill"));
        for wrong in
            [&["--rounds"][..], &["--rounds", "0"], &["--events", "x"], &["fast"], &["--only"], &["--only", "x"]]
        {
            assert!(Options::read(wrong).is_err(), "{wrong:?}");
        }
    }
}
