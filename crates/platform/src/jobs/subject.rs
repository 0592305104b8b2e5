//! The subjects of jobs, and the texts by which rows name them. A kind and scope have one job for each text.

use ecru_model::Scope;

pub trait Subject: Sized + Send {
    /// None for a text of another form, or of an earlier build.
    fn parse(scope: &Scope, text: &str) -> Option<Self>;

    fn text(&self) -> String;
}

/// A whole account in a region, or everything.
impl Subject for () {
    fn parse(_scope: &Scope, text: &str) -> Option<Self> {
        text.is_empty().then_some(())
    }

    fn text(&self) -> String {
        String::new()
    }
}

impl Subject for String {
    fn parse(_scope: &Scope, text: &str) -> Option<Self> {
        Some(text.to_owned())
    }

    fn text(&self) -> String {
        self.clone()
    }
}
