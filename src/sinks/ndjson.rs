//! One record, one line: what the `file` and `console` sinks write.

/// Appends a record's JSON text and a line end.
///
/// JSON may have line ends between its tokens (an API that answers indented), never inside a string. Here a line is a
/// record, so they become spaces.
pub fn push_line(out: &mut Vec<u8>, body: &str) {
    let start = out.len();
    out.extend_from_slice(body.as_bytes());
    if memchr::memchr2(b'\n', b'\r', body.as_bytes()).is_some() {
        for byte in &mut out[start..] {
            if matches!(byte, b'\n' | b'\r') {
                *byte = b' ';
            }
        }
    }
    out.push(b'\n');
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_record_is_one_line() {
        let mut out = Vec::new();
        super::push_line(&mut out, r#"{"a":"\n"}"#);
        super::push_line(&mut out, "{\r\n \"a\": 1\n}");
        assert_eq!(String::from_utf8(out).unwrap(), "{\"a\":\"\\n\"}\n{   \"a\": 1 }\n");
    }
}
