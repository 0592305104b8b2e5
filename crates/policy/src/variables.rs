//! Variables of policies: `${aws:username}` in a resource or a condition is replaced by a fact of the
//! request.

use crate::facts::Facts;

/// Placeholders for a literal `*` and `?`. No name, ARN or tag contains these characters.
const STAR: char = '\u{1}';
const ONE: char = '\u{2}';

/// The values of the variables in a statement. The older version of the language has no variables.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Variables<'a>(pub(crate) Option<&'a Facts>);

impl Variables<'_> {
    /// Runs a test on a text after its variables are replaced. Returns `None` if a variable has no value.
    pub(crate) fn test(self, wanted: &str, found: &str, test: impl Fn(&str, &str) -> bool) -> Option<bool> {
        match self.0.filter(|_| wanted.contains("${")) {
            Some(facts) => Some(test(&fill(wanted, facts)?, &literal(found))),
            None => Some(test(wanted, found)),
        }
    }
}

fn fill(text: &str, facts: &Facts) -> Option<String> {
    let mut filled = String::new();
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once("${") {
        let (variable, behind) = behind.split_once('}')?;
        filled.push_str(before);
        filled.push_str(&value(variable, facts)?);
        rest = behind;
    }
    filled.push_str(rest);
    Some(filled)
}

/// `*`, `?` and `$` are literal. Any other name is a key, with an optional default in quotes after a comma.
fn value(variable: &str, facts: &Facts) -> Option<String> {
    if matches!(variable, "*" | "?" | "$") {
        return Some(literal(variable));
    }
    let (key, default) = match variable.split_once(',') {
        Some((key, default)) => (key, default.trim().strip_prefix('\'')?.strip_suffix('\'')),
        None => (variable, None),
    };
    match facts.find(&key.trim().to_ascii_lowercase()) {
        [] => default.map(literal),
        [value] => Some(literal(value)),
        _ => None,
    }
}

fn literal(text: &str) -> String {
    text.chars()
        .map(|character| match character {
            '*' => STAR,
            '?' => ONE,
            other => other,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pattern;

    #[track_caller]
    fn check(wanted: &str, found: &str, expected: Option<bool>) {
        let mut facts = Facts::default();
        facts.add("aws:username", "ann");
        facts.add("aws:RequestTag/Star", "a*");
        facts.add_all("aws:TagKeys", vec!["a".to_owned(), "b".to_owned()]);
        let matched = Variables(Some(&facts)).test(wanted, found, pattern::matches);
        assert_eq!(matched, expected, "{wanted} {found}");
    }

    #[test]
    fn variables_are_filled_in_and_match_literally() {
        check("home/${aws:UserName}/*", "home/ann/x", Some(true));
        check("home/${aws:username}/*", "home/bob/x", Some(false));
        check("${aws:requesttag/star}", "a*", Some(true));
        check("${aws:RequestTag/Star}", "ab", Some(false));
        check("a${*}c", "a*c", Some(true));
        check("a${*}c", "abc", Some(false));
        check("${$}{a}", "${a}", Some(true));
        check("${?}", "?", Some(true));
        check("*", "a*", Some(true));
    }

    #[test]
    fn a_variable_without_a_value_has_its_default_or_matches_nothing() {
        check("${aws:PrincipalTag/team, 'none'}", "none", Some(true));
        check("${aws:PrincipalTag/team}", "x", None);
        check("${aws:TagKeys}", "a", None);
        check("${aws:username", "${aws:username", None);
    }

    #[test]
    fn the_older_version_has_no_variables() {
        let matched = Variables(None).test("${aws:username}", "${aws:username}", pattern::matches);
        assert_eq!(matched, Some(true));
    }
}
