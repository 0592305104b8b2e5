//! Properties of a JSON text that can be checked before it is parsed.

/// Maximum nesting of objects and lists in every accepted document.
pub const DEPTH_MAX: usize = 64;

/// Whether objects and lists nest deeper than `depth`. The check does not recurse, and the text need not be
/// valid JSON.
pub fn nests_deeper_than(text: &[u8], depth: usize) -> bool {
    // Counts brackets, many bytes at once. Most texts have too few brackets to nest deeper, whatever their
    // order.
    let brackets = text.iter().filter(|byte| matches!(byte, b'{' | b'['));
    if brackets.count() <= depth {
        return false;
    }
    let mut open = 0_usize;
    outside_strings(text).any(|byte| {
        match byte {
            b'{' | b'[' => open += 1,
            b'}' | b']' => open = open.saturating_sub(1),
            _ => {}
        }
        open > depth
    })
}

/// Whether the text may hold more than `count` values. Each value but the first follows a comma or bracket of
/// its own.
pub fn holds_more_values_than(text: &[u8], count: usize) -> bool {
    let mut marks = outside_strings(text).filter(|byte| matches!(byte, b',' | b'{' | b'['));
    text.len() > count && marks.nth(count).is_some()
}

/// An upper bound of the number of values, for a text with at most `count` values. Many bytes are counted at
/// once, so characters inside strings count too.
pub fn values_at_most(text: &[u8], count: usize) -> usize {
    let marks = text.iter().filter(|byte| matches!(byte, b',' | b'{' | b'['));
    count.min(marks.count() + 1)
}

fn outside_strings(text: &[u8]) -> impl Iterator<Item = u8> {
    let mut in_string = false;
    let mut escaped = false;
    text.iter().copied().filter(move |byte| {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            _ => return !in_string,
        }
        false
    })
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
            ("[][][][]", 1, false),
            ("", 0, false),
        ];
        for (text, depth, expected) in cases {
            assert_eq!(nests_deeper_than(text.as_bytes(), depth), expected, "{text}");
        }
    }

    #[test]
    fn values_are_counted_by_commas_and_brackets_outside_strings() {
        let cases = [
            ("[1,2]", 2, false),
            ("[1,2]", 1, true),
            (r#"{"a,[{":"b,"}"#, 1, false),
            ("[[[[", 3, true),
        ];
        for (text, count, expected) in cases {
            assert_eq!(holds_more_values_than(text.as_bytes(), count), expected, "{text}");
            assert!(
                !expected || values_at_most(text.as_bytes(), count + 1) > count,
                "{text}"
            );
        }
    }
}
