//! Paths of REST operations: finds the operation of a path, and the labels in it.

use ecru_platform::wire::{Http, ServiceFacts};
use http::{HeaderMap, Method, Uri, request::Parts};

use ecru_model::percent::{decode, decode_form};

/// The parts of a REST request other than its body.
#[derive(Debug, Default)]
pub(crate) struct RestParts {
    pub(crate) labels: Vec<(&'static str, String)>,
    pub(crate) query: Vec<(String, String)>,
    pub(crate) headers: HeaderMap,
}

/// Finds the operation for the method and path of a request. If several match, the one with the most literal
/// text wins.
pub(crate) fn find(facts: &ServiceFacts, method: &Method, uri: &Uri) -> Option<usize> {
    let fits = facts.operations.iter().enumerate().filter(|(_, operation)| {
        operation.http.method == method.as_str() && labels(&operation.http, uri.path(), uri.query()).is_some()
    });
    let best = fits.max_by_key(|(_, operation)| literals(operation.http.path));
    best.map(|(number, _)| number)
}

fn literals(path: &str) -> usize {
    let mut labelled = false;
    let literal = path.chars().filter(|letter| {
        labelled = (labelled || *letter == '{') && *letter != '}';
        !labelled
    });
    literal.count()
}

/// The labels of `path`, or `None` if it does not match the path of the operation.
fn labels(http: &Http, path: &str, query: Option<&str>) -> Option<Vec<(&'static str, String)>> {
    let (form, wanted) = http.path.split_once('?').unwrap_or((http.path, ""));
    let has = |wanted: &str| query.unwrap_or_default().split('&').any(|pair| pair == wanted);
    if !wanted.split('&').filter(|it| !it.is_empty()).all(has) {
        return None;
    }
    let mut found = Vec::new();
    let mut rest = path.strip_prefix('/')?;
    let mut segments = form.strip_prefix('/')?.split('/').peekable();
    while let Some(segment) = segments.next() {
        let is_last = segments.peek().is_none();
        let label = segment.strip_prefix('{').and_then(|it| it.strip_suffix('}'));
        let greedy = label.and_then(|label| label.strip_suffix('+'));
        let (text, behind) = if greedy.is_some() && is_last {
            (rest, None)
        } else {
            match rest.split_once('/') {
                Some((text, behind)) => (text, Some(behind)),
                None => (rest, None),
            }
        };
        match greedy.or(label) {
            Some(label) if !text.is_empty() => found.push((label, decode(text)?.into_owned())),
            None if text == segment => {}
            _ => return None,
        }
        match (behind, is_last) {
            (Some(behind), false) => rest = behind,
            // A slash at the end is ignored.
            (None | Some(""), true) => return Some(found),
            _ => return None,
        }
    }
    None
}

pub(crate) fn parts(http: &Http, parts: &Parts) -> RestParts {
    let labels = labels(http, parts.uri.path(), parts.uri.query()).unwrap_or_default();
    let query = parts.uri.query().unwrap_or_default();
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    let query = pairs.filter_map(|pair| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        Some((decode_form(key)?.into_owned(), decode_form(value)?.into_owned()))
    });
    RestParts {
        labels,
        query: query.collect(),
        headers: parts.headers.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(form: &'static str, path: &str, expected: Option<&[(&str, &str)]>) {
        let http = Http {
            method: "GET",
            path: form,
            status: 200,
        };
        let (path, query) = path
            .split_once('?')
            .map_or((path, None), |(path, query)| (path, Some(query)));
        let found = labels(&http, path, query);
        let found = found
            .as_ref()
            .map(|found| found.iter().map(|(name, text)| (*name, text.as_str())));
        assert_eq!(
            found.map(Iterator::collect::<Vec<_>>).as_deref(),
            expected,
            "{path}"
        );
    }

    #[test]
    fn labels_are_the_segments_of_a_path() {
        let form = "/functions/{name}/versions/{version}";
        check(
            form,
            "/functions/a%2Fb/versions/1",
            Some(&[("name", "a/b"), ("version", "1")]),
        );
        check(
            form,
            "/functions/a/versions/1/",
            Some(&[("name", "a"), ("version", "1")]),
        );
        for other in [
            "/functions/a/versions",
            "/functions//versions/1",
            "/functions/a/b/1",
            "/functions/a/versions/1/2",
            "/",
        ] {
            check(form, other, None);
        }
        check("/tags/{arn+}", "/tags/a/b", Some(&[("arn", "a/b")]));
        check("/a?list", "/a?x=1&list", Some(&[]));
        check("/a?list", "/a", None);
    }
}
