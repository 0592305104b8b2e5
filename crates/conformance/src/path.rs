//! The place of a value in an input: members by name, and the first element of lists.

use std::fmt;

use serde_json::Value;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Path(Vec<Step>);

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Member(String),
    Element,
}

impl Path {
    pub(crate) fn member(&self, name: &str) -> Self {
        self.with(Step::Member(name.to_owned()))
    }

    pub(crate) fn element(&self) -> Self {
        self.with(Step::Element)
    }

    fn with(&self, step: Step) -> Self {
        let mut steps = self.0.clone();
        steps.push(step);
        Self(steps)
    }

    pub(crate) fn steps(&self) -> &[Step] {
        &self.0
    }

    pub(crate) fn set(&self, input: &mut Value, new: Value) {
        if let Some(place) = find_mut(&self.0, input) {
            *place = new;
        }
    }

    pub(crate) fn remove(&self, input: &mut Value) {
        if let Some((Step::Member(name), owner)) = self.0.split_last()
            && let Some(Value::Object(members)) = find_mut(owner, input)
        {
            members.remove(name);
        }
    }
}

fn find_mut<'a>(steps: &[Step], input: &'a mut Value) -> Option<&'a mut Value> {
    steps.iter().try_fold(input, |value, step| match step {
        Step::Member(name) => value.get_mut(name),
        Step::Element => value.get_mut(0),
    })
}

impl fmt::Display for Path {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, step) in self.0.iter().enumerate() {
            match step {
                Step::Element => formatter.write_str("[]")?,
                Step::Member(name) if at == 0 => formatter.write_str(name)?,
                Step::Member(name) => write!(formatter, ".{name}")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_path_reads_as_it_leads() {
        let path = Path::default()
            .member("rules")
            .element()
            .member("filters")
            .element();
        assert_eq!(path.to_string(), "rules[].filters[]");
        let mut input = json!({ "rules": [{ "filters": ["a", "b"] }, {}] });
        path.set(&mut input, json!(7));
        Path::default().member("none").remove(&mut input);
        assert_eq!(input, json!({ "rules": [{ "filters": [7, "b"] }, {}] }));
    }
}
