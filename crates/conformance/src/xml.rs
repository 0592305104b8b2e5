//! Reads an XML answer as the value that its shape describes.

use anyhow::{Context, Result, bail};
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::facts::{Facts, Kind, Operation};

/// Maximum nesting of elements.
const DEPTH_MAX: usize = 64;

#[derive(Debug, Default)]
struct Element {
    name: String,
    text: String,
    children: Vec<Element>,
}

/// Converts an XML answer to the JSON body of the same answer: the output, or code and message of an error.
pub(crate) fn body(facts: &Facts, operation: Option<&Operation>, text: &str) -> Result<Value> {
    let root = parse(text)?;
    if root.name == "ErrorResponse" {
        let error = root.child("Error").context("an error without `Error`")?;
        let part = |name: &str| error.child(name).map(|child| child.text.clone());
        return Ok(json!({ "__type": part("Code"), "message": part("Message") }));
    }
    let operation = operation.context("an answer of no operation")?;
    if root.name != format!("{}Response", operation.name) {
        bail!("`{}` is not around the answer", root.name);
    }
    let wrapper = operation.result_wrapper.as_deref().unwrap_or_default();
    match root.child(wrapper) {
        Some(result) => value(facts, &operation.output, result),
        None => Ok(json!({})),
    }
}

fn value(facts: &Facts, shape: &str, element: &Element) -> Result<Value> {
    let shape = facts.shape(shape)?;
    let text = element.text.as_str();
    Ok(match shape.kind {
        Kind::Structure => {
            let mut members = Map::new();
            for child in &element.children {
                let member = shape.members.iter().find(|member| member.name == child.name);
                let value = match member {
                    Some(member) => value(facts, &member.shape, child)?,
                    None => Value::Null,
                };
                members.insert(child.name.clone(), value);
            }
            Value::Object(members)
        }
        Kind::List => {
            let inside = shape.member.as_deref().context("a list has elements")?;
            let elements = element.children.iter().map(|child| value(facts, inside, child));
            Value::Array(elements.collect::<Result<_>>()?)
        }
        Kind::Map => {
            let inside = shape.value.as_deref().context("a map has values")?;
            let entries = element.children.iter().map(|entry| {
                let key = entry.child("key").context("an entry has a key")?;
                let of = entry.child("value").context("an entry has a value")?;
                anyhow::Ok((key.text.clone(), value(facts, inside, of)?))
            });
            Value::Object(entries.collect::<Result<_>>()?)
        }
        Kind::String | Kind::Blob => json!(text),
        Kind::Boolean => text.parse::<bool>().map_or(Value::Null, Value::from),
        Kind::Integer | Kind::Long => text.parse::<i64>().map_or(Value::Null, Value::from),
        Kind::Double => text.parse::<f64>().map_or(Value::Null, Value::from),
        Kind::Timestamp => text
            .parse::<Timestamp>()
            .map_or(Value::Null, |moment| json!(moment.as_second())),
    })
}

impl Element {
    fn child(&self, name: &str) -> Option<&Element> {
        self.children.iter().find(|child| child.name == name)
    }
}

/// Parses elements and text, the only parts of XML that services send. Everything else is an error.
fn parse(text: &str) -> Result<Element> {
    let mut open = vec![Element::default()];
    let mut rest = text.trim();
    while let Some((before, behind)) = rest.split_once('<') {
        let (tag, behind) = behind.split_once('>').context("a tag is not closed")?;
        let top = open.last_mut().context("an element is closed twice")?;
        top.text.push_str(&unescape(before));
        rest = behind;
        if let Some(name) = tag.strip_prefix('/') {
            let closed = open.pop().context("an element is closed twice")?;
            if closed.name != name {
                bail!("`{}` is closed as `{name}`", closed.name);
            }
            open.last_mut()
                .context("an element is closed twice")?
                .children
                .push(closed);
        } else if !tag.starts_with('?') {
            let name = tag.split_whitespace().next().unwrap_or_default();
            if name.ends_with('/') || name.starts_with('!') || open.len() > DEPTH_MAX {
                bail!("`<{tag}>` is not expected");
            }
            open.push(Element {
                name: name.to_owned(),
                ..Element::default()
            });
        }
    }
    match (open.pop(), open.len()) {
        (Some(mut document), 0) if document.children.len() == 1 => {
            document.children.pop().context("an element is there")
        }
        _ => bail!("the XML is not one element"),
    }
}

fn unescape(text: &str) -> String {
    let named = [
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&quot;", "\""),
        ("&apos;", "'"),
        ("&#xD;", "\r"),
    ];
    let text = named.iter().fold(text.to_owned(), |text, (escape, letter)| {
        text.replace(escape, letter)
    });
    text.replace("&amp;", "&")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::services::Service;

    fn read(operation: &str, text: &str) -> Result<Value> {
        let facts = Service::Sts.facts().unwrap();
        let operation = facts.operations.iter().find(|it| it.name == operation);
        body(&facts, operation, text)
    }

    #[test]
    fn a_result_is_read_by_its_shape() {
        let text = "<?xml version=\"1.0\"?><AssumeRoleResponse xmlns=\"a\"><AssumeRoleResult><PackedPolicySize>6</PackedPolicySize>\
                    <Credentials><SecretAccessKey>a&lt;b&amp;lt;</SecretAccessKey><Expiration>2026-01-01T00:00:00Z</Expiration>\
                    </Credentials><Other>x</Other></AssumeRoleResult></AssumeRoleResponse>";
        let credentials = json!({ "SecretAccessKey": "a<b&lt;", "Expiration": 1_767_225_600 });
        let expected = json!({ "PackedPolicySize": 6, "Credentials": credentials, "Other": null });
        assert_eq!(read("AssumeRole", text).unwrap(), expected);
    }

    #[test]
    fn an_error_is_its_code_and_message() {
        let text = "<ErrorResponse><Error><Type>Sender</Type><Code>A</Code><Message>b</Message></Error></ErrorResponse>";
        assert_eq!(
            read("AssumeRole", text).unwrap(),
            json!({ "__type": "A", "message": "b" })
        );
    }

    #[test]
    fn what_is_no_answer_is_refused() {
        for text in [
            "",
            "a",
            "<a>",
            "<a></b>",
            "<a/>",
            "<a></a><b></b>",
            "<OtherResponse></OtherResponse>",
        ] {
            read("AssumeRole", text).unwrap_err();
        }
    }
}
