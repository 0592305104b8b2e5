//! The grammar of media types and artifact types in incoming manifests: names as in RFC 6838, of limited length.

/// The length of a whole type: two names of 127 characters and the slash between them.
pub(crate) const MEDIA_TYPE_BYTES_MAX: usize = 255;
const NAME_BYTES_MAX: usize = 127;

/// Whether this is `type/subtype`, both restricted names of RFC 6838, section 4.2. Parameters may follow,
/// because some clients copy them from what they package. Nothing here reads them, but they count towards the
/// length.
pub(crate) fn is_media_type(text: &str) -> bool {
    let (names, parameters) = match text.split_once(';') {
        Some((names, parameters)) => (names, Some(parameters)),
        None => (text, None),
    };
    let printable = |byte: u8| byte == b' ' || byte.is_ascii_graphic();
    text.len() <= MEDIA_TYPE_BYTES_MAX
        && names
            .split_once('/')
            .is_some_and(|(kind, subtype)| is_name(kind) && is_name(subtype))
        && parameters.is_none_or(|parameters| parameters.bytes().all(printable))
}

fn is_name(text: &str) -> bool {
    let mark = |byte: u8| matches!(byte, b'!' | b'#' | b'$' | b'&' | b'-' | b'^' | b'_' | b'.' | b'+');
    text.len() <= NAME_BYTES_MAX
        && text
            .bytes()
            .next()
            .is_some_and(|first| first.is_ascii_alphanumeric())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || mark(byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: bool) {
        assert_eq!(is_media_type(text), expected, "{text:?}");
    }

    #[test]
    fn types_that_clients_push_are_media_types() {
        for text in [
            "application/vnd.oci.image.config.v1+json",
            "application/vnd.docker.image.rootfs.diff.tar.gzip",
            "application/vnd.cncf.helm.chart.content.v1.tar+gzip",
            "application/vnd.in-toto+json",
            "text/sbom",
            "x/y",
            "Text/Plain",
            "text/plain; charset=utf-8",
            "a/b!#$&-^_.+",
        ] {
            check(text, true);
        }
        check(&format!("{}/{}", "a".repeat(127), "b".repeat(127)), true);
    }

    #[test]
    fn what_has_no_two_names_or_is_long_is_none() {
        for text in [
            "",
            "text",
            "/",
            "text/",
            "/plain",
            "text/plain/x",
            "text /plain",
            "text/pla in",
            "text/.plain",
            "+a/b",
            "text/pl\u{e4}in",
            "text/plain\n",
            "text/plain;a=\u{1}",
            "\"a\"/b",
            "a/b,c/d",
        ] {
            check(text, false);
        }
        check(&format!("{}/b", "a".repeat(128)), false);
        check(&format!("a/{}", "b".repeat(128)), false);
        check(&format!("a/b;{}", "c".repeat(252)), false);
        check(&format!("a/{}", "b".repeat(4 << 20)), false);
    }
}
