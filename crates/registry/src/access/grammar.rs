//! Which policies ECR accepts, on repositories and on registries.

use ecru_model::Region;
use ecru_policy::{Incoming, Policy};
use ecru_store::StoreError;

use super::action::{self, Holder};

/// Reads an incoming policy. The text is in the form in which ECR returns policies.
pub(crate) fn parse_incoming(text: &str, holder: Holder, region: &Region) -> Option<(Policy, String)> {
    let rules = Incoming {
        // The resource of a repository policy is the repository itself, so the service accepts no other.
        takes_resources: holder == Holder::Registry,
        partition: region.partition(),
    };
    Policy::parse_incoming(text, rules, action::is_known)
}

/// Reads a policy that this or an earlier version accepted.
pub(crate) fn parse_stored(text: &str) -> Option<Policy> {
    Policy::parse_stored(text, action::is_known)
}

/// The same for the policy of a repository.
pub(crate) fn read_repository_policy(text: &str) -> Result<Policy, StoreError> {
    parse_stored(text).ok_or_else(|| StoreError::damaged("a stored repository policy is invalid"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn region(name: &str) -> Region {
        Region::parse(name).unwrap()
    }

    /// Whether a statement is accepted in a policy of a repository, in one of a registry, and from the store.
    #[track_caller]
    fn check_each(statement: &str, repository: bool, registry: bool, stored: bool) {
        let text = format!(r#"{{"Version":"2012-10-17","Statement":[{statement}]}}"#);
        let incoming = |holder| parse_incoming(&text, holder, &region("us-east-1")).is_some();
        assert_eq!(incoming(Holder::Repository), repository, "a repository's: {text}");
        assert_eq!(incoming(Holder::Registry), registry, "a registry's: {text}");
        assert_eq!(parse_stored(&text).is_some(), stored, "a stored one: {text}");
    }

    #[track_caller]
    fn check(statement: &str, taken: bool) {
        check_each(statement, taken, taken, taken);
    }

    #[test]
    fn a_statement_has_every_member_that_it_needs_and_no_other() {
        check(r#"{"Effect":"Allow","Principal":"*","Action":"ecr:*"}"#, true);
        check(
            r#"{"Sid":"a b","Effect":"Deny","NotPrincipal":{"AWS":"123456789012"},"NotAction":["ecr:Put*"]}"#,
            true,
        );
        check(
            r#"{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"ecr:BatchGetImage","Condition":{"StringLike":{"aws:SourceArn":"arn:*"}}}"#,
            true,
        );
        for refused in [
            r#"{"Effect":"Allow","Action":"ecr:*"}"#,
            r#"{"Principal":"*","Action":"ecr:*"}"#,
            r#"{"Effect":"Allow","Principal":"*"}"#,
            r#"{"Effect":"Maybe","Principal":"*","Action":"ecr:*"}"#,
            r#"{"Effect":"Allow","Principal":"*","NotPrincipal":"*","Action":"ecr:*"}"#,
            r#"{"Effect":"Allow","Principal":"*","Action":"ecr:*","NotAction":"ecr:*"}"#,
            r#"{"Effect":"Allow","Principal":"*","Action":"ecr:*","Resource":[]}"#,
            r#"{"Effect":"Allow","Principal":"*","Action":"ecr:*","Resource":"*","NotResource":"*"}"#,
            r#"{"Effect":"Allow","Principal":"*","Action":"ecr:*","Sid":7}"#,
            r#"{"Effect":"Allow","Principal":"*","Action":"ecr:*","Extra":1}"#,
            r#"{"Effect":"Allow","Principal":"*","Action":["ecr:*",7]}"#,
            r#"{"Effect":"Allow","Principal":"*","Action":"s3:GetObject"}"#,
            r#"{"Effect":"Allow","Principal":"*","Action":"ecr:*","Condition":{"NoSuch":{"aws:SourceIp":"::1"}}}"#,
        ] {
            check(refused, false);
        }
    }

    #[test]
    fn an_action_may_be_known_and_have_no_effect() {
        for action in [
            "GetAuthorizationToken",
            "DescribeRegistry",
            "GetImageCopyStatus",
            "PutImage",
        ] {
            let statement = format!(
                r#"{{"Effect":"Allow","Principal":"*","Action":["ecr:{action}","ecr:BatchGetImage"]}}"#
            );
            check(&statement, true);
        }
    }

    #[test]
    fn a_repository_policy_names_no_resource_unless_it_was_stored_before() {
        for resource in [
            r#""Resource":"*""#,
            r#""Resource":["*"]"#,
            r#""Resource":"arn:aws:ecr:us-east-1:123456789012:repository/demo""#,
            r#""NotResource":"arn:aws:ecr:us-east-1:123456789012:repository/demo""#,
        ] {
            let statement = format!(r#"{{"Effect":"Allow","Principal":"*","Action":"ecr:*",{resource}}}"#);
            check_each(&statement, false, true, true);
        }
    }

    #[test]
    fn principals_that_cannot_exist_are_refused_unless_they_were_stored_before() {
        for principal in [
            r#"{"AWS":"arn:aws:iam::111122223333:role/*"}"#,
            r#"{"AWS":["111122223333","arn:aws:iam::111122223333:user/team-?"]}"#,
            r#"{"AWS":"arn:aws:iam::111122223333:group/developers"}"#,
            r#"{"AWS":"arn:aws:iam::111122223333:policy/developers"}"#,
            r#"{"AWS":"arn:aws:sts::111122223333:assumed-role/build/*"}"#,
            r#"{"Service":"*"}"#,
            r#"{"Service":"*.amazonaws.com"}"#,
        ] {
            let statement = format!(r#"{{"Effect":"Allow","Principal":{principal},"Action":"ecr:*"}}"#);
            check_each(&statement, false, false, true);
            let statement = format!(r#"{{"Effect":"Deny","NotPrincipal":{principal},"Action":"ecr:*"}}"#);
            check_each(&statement, false, false, true);
        }
    }

    #[test]
    fn principals_of_another_partition_are_refused_unless_they_were_stored_before() {
        for (partition, own) in [
            ("aws", "us-east-1"),
            ("aws-cn", "cn-north-1"),
            ("aws-us-gov", "us-gov-west-1"),
            ("aws-iso", "us-iso-east-1"),
            ("aws-iso-b", "us-isob-east-1"),
            ("aws-eusc", "eusc-de-east-1"),
            ("aws-xxx", "nowhere-1"),
        ] {
            for principal in [
                "iam::111122223333:root",
                "iam::111122223333:role/ci",
                "sts::111122223333:assumed-role/ci/run-7",
            ] {
                let principal = format!(r#"["444455556666","arn:{partition}:{principal}"]"#);
                let statement =
                    format!(r#"{{"Effect":"Deny","NotPrincipal":{{"AWS":{principal}}},"Action":"ecr:*"}}"#);
                let text = format!(r#"{{"Version":"2012-10-17","Statement":[{statement}]}}"#);
                for name in ["us-east-1", "cn-north-1", own] {
                    let taken = name == own && partition != "aws-xxx";
                    for holder in [Holder::Repository, Holder::Registry] {
                        let parsed = parse_incoming(&text, holder, &region(name));
                        assert_eq!(parsed.is_some(), taken, "{text} in {name}");
                    }
                }
                assert!(parse_stored(&text).is_some(), "{text}");
            }
        }
    }

    #[test]
    fn resources_of_another_partition_are_refused_unless_they_were_stored_before() {
        for (resource, taken) in [
            ("*", true),
            ("arn:aws:ecr:us-east-1:123456789012:repository/*", true),
            ("arn:*:ecr:us-east-1:123456789012:repository/demo", true),
            ("arn:*", true),
            ("arn:a?s:ecr:*", true),
            ("arn:${aws:PrincipalTag/partition}:ecr:*", true),
            ("arn:aws-cn:ecr:cn-north-1:123456789012:repository/demo", false),
            ("arn:aws-us-gov:ecr:*:123456789012:repository/*", false),
            ("arn:aws-c*:ecr:*", false),
            ("arn:aws-xxx:ecr:us-east-1:123456789012:repository/demo", false),
            ("arn::ecr:us-east-1:123456789012:repository/demo", false),
        ] {
            for member in ["Resource", "NotResource"] {
                let statement = format!(
                    r#"{{"Effect":"Allow","Principal":"*","Action":"ecr:*","{member}":["*","{resource}"]}}"#
                );
                check_each(&statement, false, taken, true);
            }
        }
    }

    #[test]
    fn a_document_that_is_none_is_refused() {
        for text in [
            "",
            "{",
            "{}",
            "[]",
            "7",
            r#"{"Statement":[]}"#,
            r#"{"Version":"2020-01-01","Statement":{"Effect":"Allow","Principal":"*","Action":"ecr:*"}}"#,
            r#"{"Comment":"","Statement":{"Effect":"Allow","Principal":"*","Action":"ecr:*"}}"#,
            &"[".repeat(100),
        ] {
            assert_eq!(parse_stored(text), None, "{text}");
            let incoming = parse_incoming(text, Holder::Repository, &region("us-east-1"));
            assert_eq!(incoming, None, "{text}");
        }
    }
}
