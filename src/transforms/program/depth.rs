//! How deep a program nests. The language's compiler, and what runs a program, call themselves for each bracket, operator and
//! `else`: without a bound a long line ends the process.

use std::ops::Range;

/// The deepest nesting of brackets.
const MOST_BRACKETS: usize = 64;
/// The most operators in one expression, those around it included.
const MOST_OPERATORS: usize = 400;

/// Where a program becomes too deep, and what to say. Texts and comments don't count.
pub fn too_deep(source: &str) -> Option<(Range<usize>, String)> {
    // The operators of the expressions that are open, the innermost last.
    let mut open = vec![0];
    let (mut at, mut was_operator) = (0, false);
    while let Some((token, length)) = token(&source[at..]) {
        let place = at..at + length;
        at += length;
        match token {
            Token::Open if open.len() > MOST_BRACKETS => {
                return Some((place, format!("the program nests deeper than {MOST_BRACKETS} brackets")));
            }
            Token::Open => open.push(0),
            Token::Close if open.len() > 1 => _ = open.pop(),
            Token::Operator => *open.last_mut()? += 1,
            // An operator on either side of a line's end goes on with the expression.
            Token::LineEnd if was_operator || next_is_operator(&source[at..]) => {}
            Token::LineEnd | Token::Separator => *open.last_mut()? = 0,
            Token::Close | Token::Space | Token::Other => {}
        }
        if token == Token::Operator && open.iter().sum::<usize>() > MOST_OPERATORS {
            return Some((place, format!("an expression of the program has more than {MOST_OPERATORS} operators")));
        }
        if !matches!(token, Token::Space | Token::LineEnd) {
            was_operator = token == Token::Operator;
        }
    }
    None
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token {
    Open,
    Close,
    Operator,
    Separator,
    LineEnd,
    /// White space and comments.
    Space,
    Other,
}

fn next_is_operator(mut rest: &str) -> bool {
    while let Some((found, length)) = token(rest) {
        if !matches!(found, Token::Space | Token::LineEnd) {
            return found == Token::Operator;
        }
        rest = &rest[length..];
    }
    false
}

/// The first token of a text, and its length.
fn token(rest: &str) -> Option<(Token, usize)> {
    let first = rest.chars().next()?;
    let is_word = |c: char| c.is_alphanumeric() || c == '_' || c == '@';
    let up_to = |end: &dyn Fn(char) -> bool| rest.find(end).unwrap_or(rest.len());
    Some(match first {
        '(' | '[' | '{' => (Token::Open, 1),
        ')' | ']' | '}' => (Token::Close, 1),
        ';' | ',' => (Token::Separator, 1),
        '\n' => (Token::LineEnd, 1),
        '#' => (Token::Space, up_to(&|c| c == '\n')),
        c if c.is_whitespace() => (Token::Space, c.len_utf8()),
        // Each of them can stand alone, as in `!!!.a`.
        '!' | '-' => (Token::Operator, 1),
        '+' | '*' | '/' | '%' | '|' | '&' | '=' | '<' | '>' | '?' => {
            (Token::Operator, up_to(&|c| !"+*/%|&=<>?".contains(c)))
        }
        '"' => (Token::Other, 1 + text(&rest[1..], '"')),
        's' | 'r' | 't' if rest[1..].starts_with('\'') => (Token::Other, 2 + text(&rest[2..], '\'')),
        c if is_word(c) => {
            let length = up_to(&|c| !is_word(c));
            let token = if &rest[..length] == "else" { Token::Operator } else { Token::Other };
            // `int!(…)`: the mark belongs to the name.
            (token, length + usize::from(rest[length..].starts_with("!(")))
        }
        c => (Token::Other, c.len_utf8()),
    })
}

/// The length of a text's rest, with the quote that ends it.
fn text(rest: &str, quote: char) -> usize {
    let mut is_escaped = false;
    for (at, c) in rest.char_indices() {
        if c == quote && !is_escaped {
            return at + c.len_utf8();
        }
        is_escaped = c == '\\' && !is_escaped;
    }
    rest.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(source: &str) -> Option<String> {
        too_deep(source).map(|(_, message)| message)
    }

    #[test]
    fn long_programs_of_short_expressions_are_fine() {
        let line = ".a = int!(.b) + 1 * (2 - .c) # ((((\nif .a == 1 || .b != 2 { .t = \"((((\\\"((\" + r'[(]+' } else { .c = -1 }\n";
        assert_eq!(found(&line.repeat(500)), None);
        assert_eq!(found(&format!(".a = [{}]", "1 + 2, ".repeat(1_000))), None);
        assert_eq!(found(&format!(".a = {}1{}", "(".repeat(64), ")".repeat(64))), None);
    }

    #[test]
    fn every_kind_of_nesting_has_a_bound() {
        for chain in [
            format!(".a = 1{}", " + 1".repeat(500)),
            format!(".a = 1{}", " +\n1".repeat(500)),
            format!(".a = {}true", "!".repeat(500)),
            format!(".a = {}1", "-".repeat(500)),
            format!("if .a == 1 {{ .b = 1 }}{}", " else if .a == 2 { .b = 2 }".repeat(500)),
            format!(".a = {}", "(1 + 1 + 1 + 1 + 1 + 1 + 1 + 1 + ".repeat(60)),
            format!(".a = .b{}", " ?? .c".repeat(500)),
        ] {
            assert!(found(&chain).expect(&chain).contains("more than 400 operators"), "{chain}");
        }
        assert!(found(&"[{(".repeat(500)).expect("too deep").contains("64 brackets"));
    }

    #[test]
    fn any_text_is_read_to_its_end() {
        for text in ["\"", "s'", "#", "'", "é\"\\", "else", "a!", "!(", ")))", "r'\\'"] {
            assert_eq!(found(text), None, "{text}");
        }
    }
}
