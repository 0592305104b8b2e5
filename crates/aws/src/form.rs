//! The keys of a form as a tree: `Tags.member.1.Key=a` is a value four steps below the root.

use std::collections::BTreeMap;

use ecru_model::percent::decode_form;

/// Maximum number of steps in one key.
const DEPTH_MAX: usize = 32;
/// Maximum number of steps in all keys together. No operation takes that many.
pub(crate) const STEPS_MAX: usize = 20_000;
/// Upper bound of the memory of one step: each level of the tree allocates room for several keys.
pub(crate) const STEP_BYTES: usize = 1024;

#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Form {
    /// The value of the key that ends here; it may be empty.
    pub(crate) text: Option<String>,
    pub(crate) parts: BTreeMap<String, Form>,
}

impl Form {
    /// Parses a form. The error is the sentence for the client.
    pub(crate) fn parse(text: &[u8]) -> Result<Self, &'static str> {
        let text = str::from_utf8(text).map_err(|_| "the form is not UTF-8")?;
        let mut form = Self::default();
        let mut steps = 0;
        for pair in text.split('&').filter(|pair| !pair.is_empty()) {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            let malformed = "the form is not percent-encoded";
            let key = decode_form(key).ok_or(malformed)?;
            let value = decode_form(value).ok_or(malformed)?;
            steps += key.split('.').count();
            if steps > STEPS_MAX {
                return Err("the keys of the form have more than 20000 steps");
            }
            form.insert(&key, value.into_owned())?;
        }
        Ok(form)
    }

    fn insert(&mut self, key: &str, value: String) -> Result<(), &'static str> {
        let mut place = self;
        for (before, step) in key.split('.').enumerate() {
            if before == DEPTH_MAX {
                return Err("a key of the form has more than 32 steps");
            }
            place = place.parts.entry(step.to_owned()).or_default();
        }
        place.text = Some(value);
        Ok(())
    }

    /// The value of a key with one step.
    pub(crate) fn get(&self, key: &str) -> Option<&str> {
        self.parts.get(key)?.text.as_deref()
    }

    /// The numbered children, in the order of their numbers.
    pub(crate) fn into_counted(self) -> Vec<Form> {
        let numbered = self
            .parts
            .into_iter()
            .filter_map(|(key, part)| Some((key.parse::<u32>().ok()?, part)));
        let mut numbered = numbered.collect::<Vec<_>>();
        numbered.sort_by_key(|(number, _)| *number);
        numbered.into_iter().map(|(_, part)| part).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_a_tree_and_an_empty_value_is_a_value() {
        let form =
            Form::parse(b"Action=Do&Tags.member.10.Key=c&Tags.member.2.Key=b+c%26&Policy=&Flag").unwrap();
        assert_eq!(
            (form.get("Action"), form.get("Policy"), form.get("Flag")),
            (Some("Do"), Some(""), Some(""))
        );
        assert_eq!((form.get("Tags"), form.get("None")), (None, None));
        let mut form = form;
        let mut tags = form.parts.remove("Tags").unwrap();
        let elements = tags.parts.remove("member").unwrap().into_counted();
        let keys = elements
            .iter()
            .map(|element| element.get("Key"))
            .collect::<Vec<_>>();
        assert_eq!(keys, [Some("b c&"), Some("c")]);
    }

    #[test]
    fn a_form_is_bounded_and_well_formed() {
        let deep = "a.".repeat(40);
        let many = "a.b=1&".repeat(STEPS_MAX / 2 + 1);
        for text in [
            b"a=%".as_slice(),
            b"%zz=1",
            b"a=\xff",
            deep.as_bytes(),
            many.as_bytes(),
        ] {
            assert!(Form::parse(text).is_err());
        }
        assert_eq!(Form::parse(b"").unwrap(), Form::default());
    }
}
