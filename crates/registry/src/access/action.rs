//! The actions of ECR that a policy can name.

use ecru_model::Operation;

use ecru_policy::matches;

/// The holder of a policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Holder {
    Repository,
    Registry,
}

/// Permissions of ECR that are not operations of its API.
const WITHOUT_OPERATION: [&str; 3] = ["BatchImportUpstreamImage", "GetImageCopyStatus", "ReplicateImage"];

/// The actions that a registry policy of scope V1 governs; its other actions have no effect.
const OF_SCOPE_V1: [&str; 3] = ["BatchImportUpstreamImage", "CreateRepository", "ReplicateImage"];

/// Whether a policy may name this action, or some action by this pattern. Policies of repositories and of
/// registries may name the same actions: one that does not apply to the holder has no effect there.
pub(crate) fn is_known(text: &str) -> bool {
    if text == "*" {
        return true;
    }
    let text = text.to_ascii_lowercase();
    let Some(wanted) = text.strip_prefix("ecr:") else {
        return false;
    };
    Operation::ALL
        .iter()
        .map(|operation| operation.name())
        .chain(WITHOUT_OPERATION)
        .any(|action| matches(wanted, &action.to_ascii_lowercase()))
}

pub(crate) fn is_of_scope_v1(action: &str) -> bool {
    OF_SCOPE_V1.contains(&action)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_may_name_every_action_of_the_service() {
        for operation in Operation::ALL {
            let action = format!("ecr:{operation}");
            assert!(is_known(&action), "{action}");
        }
        for text in [
            "*",
            "ecr:*",
            "ECR:putimage",
            "ecr:Get*",
            "ecr:?utImage",
            "ecr:ReplicateImage",
            "ecr:BatchImportUpstreamImage",
            "ecr:GetImageCopyStatus",
            "ecr:GetAuth*",
            "ecr:*RegistryPolicy",
        ] {
            assert!(is_known(text), "{text}");
        }
        for text in ["ecr:NoSuchThing", "s3:GetObject", "PutImage", "ecr:", ""] {
            assert!(!is_known(text), "{text}");
        }
    }
}
