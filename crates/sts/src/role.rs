//! The role of a request, and the identity of a session that has it.

use ecru_model::identity::{Identity, account};
use ecru_model::{Arn, Caller};
use ecru_platform::principals::unique_id;

use crate::Error;
use crate::error::invalid;
use crate::generated::shapes::{ArnType, AssumedRoleUser};

/// A session of a role, before it is issued.
pub(crate) struct AssumedRole {
    pub(crate) caller: Caller,
    /// `<id of the role>:<name of the session>`.
    pub(crate) user_id: String,
}

impl AssumedRole {
    /// Any role of any account can be assumed: no role is looked for, and no trust policy is evaluated.
    pub(crate) fn new(role_arn: &ArnType, session_name: &str) -> Result<Self, Error> {
        let text = role_arn.as_str();
        let not_valid = || invalid(format!("{text} is invalid"));
        let role = Identity::parse(text).filter(Identity::is_role);
        let known = Arn::parse(text).filter(Arn::has_known_partition);
        let (Some(role), Some(arn), Some(account)) = (role, known, account(text)) else {
            return Err(not_valid());
        };
        let name = role.name();
        let session = format!(
            "arn:{}:sts::{account}:assumed-role/{name}/{session_name}",
            arn.partition
        );
        let caller = Caller::identity(account, session);
        Ok(Self {
            user_id: unique_id(&caller),
            caller,
        })
    }

    pub(crate) fn user(&self) -> Option<AssumedRoleUser> {
        Some(AssumedRoleUser {
            assumed_role_id: self.user_id.clone(),
            arn: ArnType::parse(self.caller.name()).ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assumed(arn: &str) -> Result<String, String> {
        let role = AssumedRole::new(&ArnType::parse(arn).unwrap(), "one");
        role.map(|role| role.caller.name().to_owned())
            .map_err(|error| error.message)
    }

    #[test]
    fn a_session_is_of_the_account_and_the_partition_of_its_role() {
        assert_eq!(
            assumed("arn:aws-cn:iam::111122223333:role/team/ci").as_deref(),
            Ok("arn:aws-cn:sts::111122223333:assumed-role/ci/one")
        );
    }

    #[test]
    fn other_arns_are_invalid() {
        for arn in [
            "arn:aws:iam::111122223333:user/alice",
            "arn:aws:iam::111122223333:role/*",
            "arn:aws:iam::111122223333:role",
            "arn:aws:iam::1:role/ci-of-a-short-account",
            "arn:awsx:iam::111122223333:role/ci",
            "arn:aws:s3::111122223333:role/ci",
            "a text of twenty characters",
        ] {
            assert_eq!(assumed(arn), Err(format!("{arn} is invalid")));
        }
    }
}
