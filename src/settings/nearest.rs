//! The nearest right word to a wrong one.

/// Longer words are no typing mistakes, and comparing them costs time.
const LONGEST: usize = 64;

/// The right word that `wrong` was probably meant to be, if one is near enough.
pub(crate) fn nearest<'a>(wrong: &str, right: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if wrong.len() > LONGEST {
        return None;
    }
    let folded = fold(wrong);
    let near = 1.max(folded.chars().count() / 3);
    right
        .into_iter()
        .map(|word| (strsim::osa_distance(&folded, &fold(word)), word))
        .filter(|(distance, _)| *distance <= near)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, word)| word)
}

/// Case and the choice between `-` and `_` aren't mistakes worth counting.
fn fold(word: &str) -> String {
    word.to_ascii_lowercase().replace('-', "_")
}

/// Keys or names in a sentence: "`a`, `b` and `c`".
pub(crate) fn all_of<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    join(words, '`', "and")
}

/// Values as one would write them: "\"a\", \"b\" or \"c\"".
pub(crate) fn any_value<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    join(words, '"', "or")
}

/// Values as one would write them: "\"a\", \"b\" and \"c\"".
pub(crate) fn all_values<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    join(words, '"', "and")
}

fn join<'a>(words: impl IntoIterator<Item = &'a str>, quote: char, conjunction: &str) -> String {
    let mut words: Vec<String> = words.into_iter().map(|word| format!("{quote}{word}{quote}")).collect();
    match words.pop() {
        None => "nothing".into(),
        Some(last) if words.is_empty() => last,
        Some(last) => format!("{} {conjunction} {last}", words.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_typing_mistakes_only() {
        let keys = ["poll_interval", "page_size", "token", "overlap"];
        assert_eq!(nearest("poll_intervall", keys), Some("poll_interval"));
        assert_eq!(nearest("Page-Size", keys), Some("page_size"));
        assert_eq!(nearest("tokne", keys), Some("token"));
        assert_eq!(nearest("batch", keys), None);
        assert_eq!(nearest(&"x".repeat(100_000), keys), None);
        assert_eq!(nearest("", keys), None);
    }

    #[test]
    fn lists_read_as_sentences() {
        assert_eq!(all_of(["a"]), "`a`");
        assert_eq!(all_of(["a", "b", "c"]), "`a`, `b` and `c`");
        assert_eq!(any_value(["a", "b"]), "\"a\" or \"b\"");
    }
}
