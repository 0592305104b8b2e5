//! Principals whose pulls do not update the pull times of images.

mod deregister_pull_time_update_exclusion;
mod list_pull_time_update_exclusions;
mod register_pull_time_update_exclusion;

use ecru_model::Identity;
use ecru_model::{PrincipalArn, Scope};
use ecru_store::{Snapshot, StoreError, Tx, Value};

use crate::Caller;
use crate::quotas::{Held, Quota};

pub use deregister_pull_time_update_exclusion::deregister_pull_time_update_exclusion;
pub use list_pull_time_update_exclusions::list_pull_time_update_exclusions;
pub use register_pull_time_update_exclusion::register_pull_time_update_exclusion;

// [unknown] ECR's wording.
const HELD: Held = Held {
    quota: Quota::PullTimeExclusionsPerRegistry,
    things: "pull time update exclusions",
    counter: "pull-time-exclusions",
};

/// Whether the pulls of a caller do not count in a registry.
pub(crate) fn excludes(at: &Snapshot<'_>, scope: &Scope, caller: &Caller) -> Result<bool, StoreError> {
    let excluded = at.query(
        "SELECT principal FROM pull_time_exclusions WHERE account = ?1 AND region = ?2",
        &[scope.registry_id.as_str(), scope.region.as_str()].map(Value::Text),
        |row| Ok(is_meant(row.text(0)?, caller.name())),
    )?;
    Ok(excluded.contains(&true))
}

pub(crate) fn forget(tx: &Tx<'_>, account: Option<&str>) -> Result<(), StoreError> {
    tx.execute(
        "DELETE FROM pull_time_exclusions WHERE account = ?1 OR ?1 IS NULL",
        &[Value::from(account)],
    )?;
    Ok(())
}

fn key<'a>(scope: &'a Scope, principal: &'a PrincipalArn) -> [Value<'a>; 3] {
    [
        scope.registry_id.as_str(),
        scope.region.as_str(),
        principal.as_str(),
    ]
    .map(Value::Text)
}

/// A session counts as the role that it assumed. Its ARN omits the path of the role.
fn is_meant(excluded: &str, principal: &str) -> bool {
    let of_role = Identity::parse(excluded).is_some_and(|excluded| excluded.is_role());
    let role = |arn| Identity::parse(arn).and_then(|identity| identity.role());
    excluded == principal || (of_role && role(principal) == role(excluded))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_counts_as_its_role() {
        let role = "arn:aws:iam::111122223333:role/team/ci";
        let cases = [
            ("arn:aws:iam::111122223333:role/team/ci", true),
            ("arn:aws:sts::111122223333:assumed-role/ci/run-7", true),
            ("arn:aws:sts::111122223333:assumed-role/ci2/run-7", false),
            ("arn:aws:sts::444455556666:assumed-role/ci/run-7", false),
            ("arn:aws-cn:sts::111122223333:assumed-role/ci/run-7", false),
            ("arn:aws:iam::111122223333:user/ci", false),
            ("arn:aws:iam::111122223333:root", false),
        ];
        for (principal, meant) in cases {
            assert_eq!(is_meant(role, principal), meant, "{principal}");
        }
        let user = "arn:aws:iam::111122223333:user/ci";
        assert!(!is_meant(user, "arn:aws:sts::111122223333:assumed-role/ci/run-7"));
    }
}
