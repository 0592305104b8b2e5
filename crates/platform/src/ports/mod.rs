//! The traits by which services meet: one implements a trait, another uses it, and the server joins them.

mod key_source;

pub use key_source::{
    DEFAULT_KEY_ALIAS, FoundKey, FoundKeyState, KeySource, NoKeys, default_key_arn, default_key_id,
};
