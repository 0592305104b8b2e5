//! How the SDKs page through the answers of an operation.

/// The members that carry tokens, the page's limit and what a page holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Paginator {
    pub input_token: &'static str,
    pub output_token: &'static str,
    pub limit_key: &'static str,
    pub result_keys: &'static [&'static str],
}
