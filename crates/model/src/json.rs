//! What is known of a JSON text before it is parsed.

/// How deep objects and lists may stand in one another, in every document that is taken in.
pub const DEPTH_MAX: usize = 64;

/// Whether objects and lists nest deeper than `depth`, found without recursion. The text need not be valid JSON.
pub fn nests_deeper_than(text: &[u8], depth: usize) -> bool {
    let mut open = 0_usize;
    let mut in_string = false;
    let mut escaped = false;
    for byte in text {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            _ if in_string => {}
            b'{' | b'[' => open += 1,
            b'}' | b']' => open = open.saturating_sub(1),
            _ => {}
        }
        if open > depth {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn depth_counts_open_brackets_outside_strings() {
        let cases = [
            ("{}", 1, false),
            ("[[]]", 1, true),
            ("[[]]", 2, false),
            ("[{},{},[1]]", 2, false),
            (r#"["[[[[","\"[[["]"#, 1, false),
            (r#"["\\",[[]]]"#, 2, true),
            ("]]]][[", 1, true),
            ("", 0, false),
        ];
        for (text, depth, expected) in cases {
            assert_eq!(nests_deeper_than(text.as_bytes(), depth), expected, "{text}");
        }
    }
}
