//! Encodes an input as a form.

use ecru_facts::Member;
use serde_json::Value;

use crate::facts::{Facts, Operation};

/// The form that names an operation, which need not exist.
pub(crate) fn encode(
    facts: &Facts,
    operation: Option<&Operation>,
    action: Option<&str>,
    input: &Value,
) -> String {
    let mut form = Form {
        facts,
        text: String::new(),
    };
    if let Some(action) = action {
        form.add("Action", action);
    }
    form.add("Version", &facts.protocol.api_version);
    let shape = operation.map(|operation| operation.input.as_str());
    form.members(shape, input, "");
    form.text
}

struct Form<'a> {
    facts: &'a Facts,
    text: String,
}

impl Form<'_> {
    fn add(&mut self, key: &str, value: &str) {
        if !self.text.is_empty() {
            self.text.push('&');
        }
        escape(&mut self.text, key);
        self.text.push('=');
        escape(&mut self.text, value);
    }

    fn members(&mut self, shape: Option<&str>, value: &Value, at: &str) {
        let facts = self.facts;
        let shape = shape.and_then(|shape| facts.shape(shape).ok());
        for (name, value) in value.as_object().into_iter().flatten() {
            let member = shape.and_then(|shape| shape.members.iter().find(|member| member.name == *name));
            let named = member
                .and_then(|member| member.location_name.as_ref())
                .unwrap_or(name);
            let key = if at.is_empty() {
                named.clone()
            } else {
                format!("{at}.{named}")
            };
            self.value(member, value, &key);
        }
    }

    fn value(&mut self, member: Option<&Member>, value: &Value, key: &str) {
        let shape = member.map(|member| member.shape.as_str());
        let flattened = member.is_some_and(|member| member.flattened);
        self.shaped(shape, flattened, value, key);
    }

    fn shaped(&mut self, name: Option<&str>, flattened: bool, value: &Value, key: &str) {
        let facts = self.facts;
        let shape = name.and_then(|name| facts.shape(name).ok());
        match value {
            Value::Null => {}
            Value::String(text) => self.add(key, text),
            Value::Bool(_) | Value::Number(_) => self.add(key, &value.to_string()),
            Value::Object(_) => self.members(name, value, key),
            Value::Array(elements) if elements.is_empty() => self.add(key, ""),
            Value::Array(elements) => {
                let element = shape.and_then(|shape| shape.member.as_deref());
                let called = shape.and_then(|shape| shape.member_name.as_deref());
                let at = if flattened || shape.is_some_and(|shape| shape.flattened) {
                    key.to_owned()
                } else {
                    format!("{key}.{}", called.unwrap_or("member"))
                };
                for (before, value) in elements.iter().enumerate() {
                    self.shaped(element, false, value, &format!("{at}.{}", before + 1));
                }
            }
        }
    }
}

fn escape(into: &mut String, text: &str) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            into.push(char::from(byte));
        } else {
            into.push('%');
            for digit in [byte >> 4, byte & 15] {
                into.extend(char::from_digit(digit.into(), 16).map(|digit| digit.to_ascii_uppercase()));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::services::Service;

    #[test]
    fn lists_are_numbered_and_values_escaped() {
        let facts = Service::Sts.facts().unwrap();
        let operation = facts.operations.iter().find(|it| it.name == "AssumeRole");
        let input =
            json!({ "RoleArn": "a/b", "Tags": [{ "Key": "a b" }], "PolicyArns": [], "DurationSeconds": 7 });
        assert_eq!(
            encode(&facts, operation, Some("AssumeRole"), &input),
            "Action=AssumeRole&Version=2011-06-15&DurationSeconds=7&PolicyArns=&RoleArn=a%2Fb&Tags.member.1.Key=a%20b"
        );
    }
}
