//! Lifecycle policies: their operations, their previews and their application.

mod apply;
mod delete_lifecycle_policy;
mod evaluate;
mod explain;
mod get_lifecycle_policy;
mod get_lifecycle_policy_preview;
mod inventory;
mod observer;
mod preview;
mod put_lifecycle_policy;
mod start_lifecycle_policy_preview;

pub(crate) use apply::Lifecycle;
pub use delete_lifecycle_policy::delete_lifecycle_policy;
pub use explain::{ExplainedImage, ExplainedRule, Explanation, explain};
pub use get_lifecycle_policy::get_lifecycle_policy;
pub use get_lifecycle_policy_preview::get_lifecycle_policy_preview;
pub(crate) use observer::Observer;
pub(crate) use preview::LifecyclePreview;
pub use put_lifecycle_policy::put_lifecycle_policy;
pub use start_lifecycle_policy_preview::start_lifecycle_policy_preview;
