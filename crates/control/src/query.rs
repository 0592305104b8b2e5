//! The parameters of a path and a query, percent-decoded once.

use ecru_model::percent::decode_form;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::problem::Problem;

/// Parameters by name. The first of a name counts.
pub(crate) type Parameters = Map<String, Value>;

/// For routes without parameters. Unknown parameters are ignored everywhere.
#[derive(Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct NoQuery {}

/// Parameters of the path come before those of the query.
pub(crate) fn parse(in_path: &[(&str, &str)], query: &str) -> Result<Parameters, Problem> {
    const NOT_TEXT: Problem = Problem::constant("the query is not percent-encoded UTF-8");

    let mut parameters = Parameters::new();
    for (name, value) in in_path {
        parameters.insert((*name).to_owned(), (*value).into());
    }
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let (Some(name), Some(value)) = (decode_form(name), decode_form(value)) else {
            return Err(NOT_TEXT);
        };
        parameters
            .entry(name)
            .or_insert_with(|| value.into_owned().into());
    }
    Ok(parameters)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_are_decoded_once_and_the_first_of_a_name_counts() {
        let query = "repository=team%2Fa%2525&limit=1&limit=2&flag&x=a+b&service=sts";
        assert_eq!(
            Value::Object(parse(&[("service", "ecr")], query).expect("a query")),
            json!({ "repository": "team/a%25", "limit": "1", "flag": "", "x": "a b", "service": "ecr" })
        );
    }

    #[test]
    fn bytes_that_are_not_text_are_refused() {
        for query in ["a=%", "a=%4", "a=%zz", "a=%ff", "%c3=1"] {
            assert!(parse(&[], query).is_err(), "`{query}`");
        }
    }
}
