//! The options of `cargo xtask bench`.

use std::path::PathBuf;

use clap::Args;
use clap::builder::PossibleValuesParser;
use clap::value_parser;

use super::SECTIONS;

/// What is measured how often.
#[derive(Args, Debug)]
pub struct Options {
    /// Events of a run
    #[arg(long, value_parser = value_parser!(u64).range(1..), default_value = "1000000", default_value_if("quick", "true", "100000"))]
    pub events: u64,
    /// Runs of each contender
    #[arg(long, value_parser = value_parser!(u32).range(1..), default_value = "3", default_value_if("quick", "true", "1"))]
    pub rounds: u32,
    /// Measure less, in less time
    #[arg(long)]
    pub quick: bool,
    /// Measure the memory of ten times the events, too
    #[arg(long)]
    pub memory: bool,
    /// Run this program, too: one of an earlier commit, built with `--profile dist`. The reference section compares the two
    #[arg(long, value_name = "PROGRAM")]
    pub against: Option<PathBuf>,
    /// Measure this section alone
    #[arg(long, value_parser = PossibleValuesParser::new(SECTIONS.iter().map(|(name, _)| *name)))]
    pub only: Option<String>,
}

impl Options {
    /// Returns the size of a full measurement, or of a quick one.
    pub fn size<N>(&self, full: N, quick: N) -> N {
        if self.quick { quick } else { full }
    }

    /// Returns whether a section is to be measured. The memory takes long.
    pub fn wants(&self, name: &str) -> bool {
        self.only.as_ref().map_or(name != "memory" || self.memory, |only| only == name)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use clap::Parser as _;

    use super::Options;

    #[derive(clap::Parser)]
    struct Bench {
        #[command(flatten)]
        options: Options,
    }

    fn read(words: &[&str]) -> Result<Options, clap::Error> {
        Bench::try_parse_from(["bench"].iter().chain(words)).map(|bench| bench.options)
    }

    #[test]
    fn words() {
        let options = read(&["--quick", "--rounds", "5"]).expect("right");
        assert_eq!((options.events, options.rounds, options.memory), (100_000, 5, false));
        assert!(options.wants("backfill") && !options.wants("memory"));
        let options = read(&["--against", "target/old"]).expect("right");
        assert_eq!(options.against.as_deref(), Some(Path::new("target/old")));
        let options = read(&["--only", "memory"]).expect("right");
        assert!(options.wants("memory") && !options.wants("backfill"));
        for wrong in
            [&["--rounds"][..], &["--rounds", "0"], &["--events", "x"], &["fast"], &["--only"], &["--only", "x"]]
        {
            assert!(read(wrong).is_err(), "{wrong:?}");
        }
    }
}
