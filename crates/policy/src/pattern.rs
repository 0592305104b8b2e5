//! Patterns of policies: `*` matches any run of characters and `?` matches one. The whole text must match.

use ecru_model::matches_wildcard;

/// Never backtracks: each piece between two stars matches at the first possible place.
pub fn matches(pattern: &str, text: &str) -> bool {
    if !pattern.contains('?') {
        return matches_wildcard(pattern, text);
    }
    let mut pieces = pattern.split('*');
    let Some(mut rest) = behind(pieces.next().unwrap_or_default(), text) else {
        return false;
    };
    let Some(last) = pieces.next_back() else {
        return rest.is_empty();
    };
    for piece in pieces {
        // Texts are names, ARNs and tag values of a few hundred characters, so trying every place is cheap.
        let Some(found) = places(rest).find_map(|place| behind(piece, place)) else {
            return false;
        };
        rest = found;
    }
    let length = last.chars().count();
    rest.chars()
        .count()
        .checked_sub(length)
        .and_then(|skipped| places(rest).nth(skipped))
        .is_some_and(|end| behind(last, end).is_some())
}

/// Returns the rest of a text that begins with a piece.
fn behind<'a>(piece: &str, text: &'a str) -> Option<&'a str> {
    let mut rest = text.chars();
    for wanted in piece.chars() {
        let found = rest.next()?;
        if wanted != '?' && wanted != found {
            return None;
        }
    }
    Some(rest.as_str())
}

/// The suffixes of a text, from each character on, and the empty text.
fn places(text: &str) -> impl Iterator<Item = &str> {
    text.char_indices()
        .map(|(at, _)| at)
        .chain([text.len()])
        .filter_map(|at| text.get(at..))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The plain recursive definition, as the oracle.
    fn naive(pattern: &[char], text: &[char]) -> bool {
        match (pattern, text) {
            ([], _) => text.is_empty(),
            (['*', rest @ ..], _) => (0..=text.len()).any(|skip| naive(rest, &text[skip..])),
            (['?', rest @ ..], [_, tail @ ..]) => naive(rest, tail),
            ([first, rest @ ..], [head, tail @ ..]) => first == head && naive(rest, tail),
            _ => false,
        }
    }

    proptest! {
        #[test]
        fn patterns_match_as_their_definition_says(pattern in "[aé*?]{0,7}", text in "[aé]{0,8}") {
            let wanted = pattern.chars().collect::<Vec<_>>();
            let found = text.chars().collect::<Vec<_>>();
            prop_assert_eq!(matches(&pattern, &text), naive(&wanted, &found));
        }
    }
}
