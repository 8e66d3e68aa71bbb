//! The expressions of ARM templates and portal forms: `"[concat(variables('name'), '-x')]"`.

use std::fmt;

/// An expression.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Expression {
    /// `'text'`; the text itself, with quotes written once.
    Text(String),
    /// A whole number.
    Number(String),
    /// `name(arguments)`.
    Call(String, Vec<Expression>),
    /// `expression.member`.
    Member(Box<Expression>, String),
    /// `expression[index]`.
    Index(Box<Expression>, Box<Expression>),
}

impl Expression {
    /// Reads a template's string: an expression, or `None` for a plain text. `[[` means a plain bracket.
    pub fn read(text: &str) -> Result<Option<Self>, String> {
        let Some(inner) = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) else { return Ok(None) };
        if inner.starts_with('[') {
            return Ok(None);
        }
        let mut reader = Reader { rest: inner };
        let expression = reader.expression()?;
        reader.space();
        if reader.rest.is_empty() { Ok(Some(expression)) } else { Err(format!("`{}` is too much", reader.rest)) }
    }

    /// Returns the expression and all its parts, the outermost first.
    pub fn parts(&self) -> Vec<&Self> {
        let mut parts = vec![self];
        match self {
            Self::Text(_) | Self::Number(_) => {}
            Self::Call(_, arguments) => parts.extend(arguments.iter().flat_map(Self::parts)),
            Self::Member(of, _) => parts.extend(of.parts()),
            Self::Index(of, index) => parts.extend(of.parts().into_iter().chain(index.parts())),
        }
        parts
    }

    /// Returns the first argument of a call, if it is a text: the name in `parameters('name')`.
    pub fn name_in(&self, function: &str) -> Option<&str> {
        match self {
            Self::Call(name, arguments) if name == function => arguments.first()?.text(),
            _ => None,
        }
    }

    /// Returns the text, if it is one.
    pub fn text(&self) -> Option<&str> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }

    /// Replaces every call by what `with` returns for it, the innermost first.
    pub fn replaced(&self, with: &dyn Fn(&Self) -> Option<Self>) -> Self {
        let whole = match self {
            Self::Call(name, arguments) => {
                Self::Call(name.clone(), arguments.iter().map(|argument| argument.replaced(with)).collect())
            }
            Self::Member(of, name) => Self::Member(Box::new(of.replaced(with)), name.clone()),
            Self::Index(of, index) => Self::Index(Box::new(of.replaced(with)), Box::new(index.replaced(with))),
            other => other.clone(),
        };
        with(&whole).unwrap_or(whole)
    }
}

impl fmt::Display for Expression {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => write!(out, "'{}'", text.replace('\'', "''")),
            Self::Number(number) => out.write_str(number),
            Self::Call(name, arguments) => {
                let arguments: Vec<_> = arguments.iter().map(Self::to_string).collect();
                write!(out, "{name}({})", arguments.join(", "))
            }
            Self::Member(of, name) => write!(out, "{of}.{name}"),
            Self::Index(of, index) => write!(out, "{of}[{index}]"),
        }
    }
}

struct Reader<'a> {
    rest: &'a str,
}

impl Reader<'_> {
    fn space(&mut self) {
        self.rest = self.rest.trim_start();
    }

    fn takes(&mut self, mark: char) -> bool {
        self.space();
        let rest = self.rest.strip_prefix(mark);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn expects(&mut self, mark: char) -> Result<(), String> {
        if self.takes(mark) { Ok(()) } else { Err(format!("`{mark}` is missing before `{}`", self.rest)) }
    }

    fn word(&mut self) -> String {
        self.space();
        let end = self.rest.find(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
        let (word, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
        self.rest = rest;
        word.to_owned()
    }

    fn expression(&mut self) -> Result<Expression, String> {
        let mut whole = self.beginning()?;
        loop {
            if self.takes('.') {
                let name = self.word();
                if name.is_empty() {
                    return Err(format!("a name is missing before `{}`", self.rest));
                }
                whole = Expression::Member(Box::new(whole), name);
            } else if self.takes('[') {
                let index = self.expression()?;
                self.expects(']')?;
                whole = Expression::Index(Box::new(whole), Box::new(index));
            } else {
                return Ok(whole);
            }
        }
    }

    fn beginning(&mut self) -> Result<Expression, String> {
        if self.takes('\'') {
            return self.text();
        }
        let word = self.word();
        if word.is_empty() {
            return Err(format!("an expression is missing before `{}`", self.rest));
        }
        if word.bytes().all(|byte| byte.is_ascii_digit()) {
            return Ok(Expression::Number(word));
        }
        self.expects('(')?;
        let mut arguments = Vec::new();
        if !self.takes(')') {
            loop {
                arguments.push(self.expression()?);
                if !self.takes(',') {
                    break;
                }
            }
            self.expects(')')?;
        }
        Ok(Expression::Call(word, arguments))
    }

    /// Reads a text after its first quote. A doubled quote means one.
    fn text(&mut self) -> Result<Expression, String> {
        let mut text = String::new();
        loop {
            let (before, after) = self.rest.split_once('\'').ok_or("a quote isn't closed")?;
            text.push_str(before);
            self.rest = after;
            let Some(after) = after.strip_prefix('\'') else { return Ok(Expression::Text(text)) };
            text.push('\'');
            self.rest = after;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_is_written_as_it_was() {
        for text in [
            "concat(variables('a'), '-', parameters('b')[0].c)",
            "reference(resourceId('T/t', 'it''s'), '2020-01-01').x.y",
            "if(empty(f()), null(), split('a/b', '/')[1])",
        ] {
            let read = Expression::read(&format!("[ {text} ]")).expect("readable").expect("an expression");
            assert_eq!(read.to_string(), text);
        }
    }

    #[test]
    fn plain_texts_are_none() {
        for text in ["", "text", "[[plain]", "[no end", "no [beginning]"] {
            assert_eq!(Expression::read(text), Ok(None), "{text}");
        }
    }

    #[test]
    fn wrong_ones_say_what_is_wrong() {
        for (text, wrong) in [
            ("[concat('a']", "`)` is missing"),
            ("[concat('a'))]", "too much"),
            ("[concat('a)]", "quote"),
            ("[variables]", "`(` is missing"),
            ("[]", "expression is missing"),
            ("[f().]", "name is missing"),
            ("[f(1,)]", "expression is missing"),
            ("[/subscriptions/){0}]", "expression is missing"),
        ] {
            let error = Expression::read(text).expect_err(text);
            assert!(error.contains(wrong), "{text}: {error}");
        }
    }

    #[test]
    fn parts_and_names_are_found() {
        let whole = Expression::read("[f(parameters('a').b, g()[parameters('c')])]").expect("readable").expect("one");
        let names: Vec<_> = whole.parts().iter().filter_map(|part| part.name_in("parameters")).collect();
        assert_eq!(names, ["a", "c"]);
        let replaced = whole.replaced(&|part| part.name_in("parameters").map(|name| Expression::Text(name.to_owned())));
        assert_eq!(replaced.to_string(), "f('a'.b, g()['c'])");
    }
}
