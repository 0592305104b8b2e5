//! The facts of a request that conditions and variables refer to.

/// The facts of a request by condition key. Keys are compared in lower case.
#[derive(Debug, Default)]
pub struct Facts(Vec<(String, Vec<String>)>);

impl Facts {
    pub fn add(&mut self, key: &str, value: impl Into<String>) {
        self.add_all(key, vec![value.into()]);
    }

    pub fn add_all(&mut self, key: &str, values: Vec<String>) {
        self.0.push((key.to_ascii_lowercase(), values));
    }

    pub(crate) fn find(&self, key: &str) -> &[String] {
        let found = self.0.iter().find(|(known, _)| known == key);
        found.map_or(&[], |(_, values)| values.as_slice())
    }
}
