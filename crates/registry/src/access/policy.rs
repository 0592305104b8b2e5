//! A policy, read from its document: a text that cannot be enforced is no policy.

use ecru_model::Region;
use serde_json::{Map, Value};

use super::action::{self, Holder};
use super::condition::{self, Condition};
use super::pattern;
use super::principal::Principal;
use super::print;
use crate::{principals, unique_members};

#[derive(Debug, PartialEq)]
pub(crate) struct Policy {
    pub(super) statements: Vec<Statement>,
}

#[derive(Debug, PartialEq)]
pub(super) struct Statement {
    pub(super) effect: Effect,
    pub(super) principals: Listed<Principal>,
    /// As they are written, with the name of the service.
    pub(super) actions: Listed<String>,
    /// The resource that the policy is put on where the statement names none.
    pub(super) resources: Option<Listed<String>>,
    pub(super) conditions: Vec<Condition>,
    pub(super) has_variables: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Effect {
    Allow,
    Deny,
}

/// What a member lists, or with `Not` before its name, all but that.
#[derive(Debug, PartialEq)]
pub(super) enum Listed<T> {
    These(Vec<T>),
    AllBut(Vec<T>),
}

/// Which policies are taken. Whatever was taken once is read and decided by for ever, so that a grammar that becomes
/// stricter does so for what comes in alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Grammar {
    /// What any version has taken.
    Stored,
    /// What is taken now, for a policy on this in a region of the partition.
    Incoming { holder: Holder, partition: &'static str },
}

impl Grammar {
    /// The resource of a repository policy is the repository itself, so that the service takes none beside it.
    fn takes_resources(self) -> bool {
        !matches!(
            self,
            Self::Incoming {
                holder: Holder::Repository,
                ..
            }
        )
    }

    /// Partitions know nothing of each other's resources.
    fn takes_resource(self, resource: &str) -> bool {
        match self {
            Self::Stored => true,
            Self::Incoming { partition, .. } => may_be_in_partition(resource, partition),
        }
    }

    /// Nor do they know each other's principals.
    pub(super) fn takes_principal(self, arn: &str) -> bool {
        match self {
            Self::Stored => true,
            Self::Incoming { partition, .. } => principals::is_principal_of(partition, arn),
        }
    }
}

impl Policy {
    /// A policy that was taken by this version or an earlier one.
    pub(crate) fn parse_stored(text: &str) -> Option<Self> {
        Self::read(&document(text)?, Grammar::Stored)
    }

    /// A policy that is put now, and its text in the one form in which ECR returns policies.
    pub(crate) fn parse_incoming(text: &str, holder: Holder, region: &Region) -> Option<(Self, String)> {
        let document = document(text).filter(|_| unique_members::are_unique(text))?;
        let partition = region.partition();
        let policy = Self::read(&document, Grammar::Incoming { holder, partition })?;
        Some((policy, print::document(&document)))
    }

    fn read(document: &Map<String, Value>, grammar: Grammar) -> Option<Self> {
        for (member, value) in document {
            match (member.as_str(), value) {
                ("Version", Value::String(version))
                    if matches!(version.as_str(), "2012-10-17" | "2008-10-17") => {}
                ("Id", Value::String(_)) | ("Statement", _) => {}
                _ => return None,
            }
        }
        // Without a version it is the older one.
        let has_variables = document.get("Version").and_then(Value::as_str) == Some("2012-10-17");
        let statements = match document.get("Statement")? {
            Value::Array(statements) if !statements.is_empty() => statements.as_slice(),
            statement @ Value::Object(_) => std::slice::from_ref(statement),
            _ => return None,
        };
        let statements = statements
            .iter()
            .map(|statement| Statement::read(statement.as_object()?, grammar, has_variables))
            .collect::<Option<_>>()?;
        Some(Self { statements })
    }
}

fn document(text: &str) -> Option<Map<String, Value>> {
    if ecru_model::json::nests_deeper_than(text.as_bytes(), ecru_model::json::DEPTH_MAX) {
        return None;
    }
    serde_json::from_str(text).ok()
}

impl Statement {
    fn read(statement: &Map<String, Value>, grammar: Grammar, has_variables: bool) -> Option<Self> {
        if !statement.keys().all(|member| print::knows_member(member)) {
            return None;
        }
        if !statement.get("Sid").is_none_or(Value::is_string) {
            return None;
        }
        let effect = match statement.get("Effect")?.as_str()? {
            "Allow" => Effect::Allow,
            "Deny" => Effect::Deny,
            _ => return None,
        };
        let actions = listed(statement, "Action", "NotAction", |value| {
            let actions = texts(value)?;
            actions
                .iter()
                .all(|text| action::is_known(text))
                .then_some(actions)
        })?;
        let names_resources = statement.contains_key("Resource") || statement.contains_key("NotResource");
        let resources = if names_resources {
            if !grammar.takes_resources() {
                return None;
            }
            Some(listed(statement, "Resource", "NotResource", |value| {
                let resources = texts(value)?;
                let taken = resources.iter().all(|text| grammar.takes_resource(text));
                taken.then_some(resources)
            })?)
        } else {
            None
        };
        Some(Self {
            effect,
            principals: listed(statement, "Principal", "NotPrincipal", |value| {
                Principal::read(value, grammar)
            })?,
            actions,
            resources,
            conditions: match statement.get("Condition") {
                Some(conditions) => condition::read(conditions)?,
                None => Vec::new(),
            },
            has_variables,
        })
    }
}

/// Whether the pattern of an ARN can match one of the partition; what a variable stands for is not known yet.
fn may_be_in_partition(resource: &str, partition: &str) -> bool {
    let Some(rest) = resource.strip_prefix("arn:") else {
        return true;
    };
    let named = rest.split(':').next().unwrap_or_default();
    named.contains("${") || pattern::matches(named, partition)
}

/// One of the two members, and not both.
fn listed<T>(
    statement: &Map<String, Value>,
    member: &str,
    opposite: &str,
    read: impl Fn(&Value) -> Option<Vec<T>>,
) -> Option<Listed<T>> {
    match (statement.get(member), statement.get(opposite)) {
        (Some(value), None) => read(value).map(Listed::These),
        (None, Some(value)) => read(value).map(Listed::AllBut),
        _ => None,
    }
}

/// A text, or a list of at least one.
pub(super) fn texts(value: &Value) -> Option<Vec<String>> {
    match value {
        Value::String(text) => Some(vec![text.clone()]),
        Value::Array(items) if !items.is_empty() => items
            .iter()
            .map(|item| item.as_str().map(str::to_owned))
            .collect(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn region(name: &str) -> Region {
        Region::parse(name).unwrap()
    }

    /// Whether a statement is taken in a policy of a repository, in one of a registry, and from the store.
    #[track_caller]
    fn check_each(statement: &str, repository: bool, registry: bool, stored: bool) {
        let text = format!(r#"{{"Version":"2012-10-17","Statement":[{statement}]}}"#);
        let incoming = |holder| Policy::parse_incoming(&text, holder, &region("us-east-1")).is_some();
        assert_eq!(incoming(Holder::Repository), repository, "a repository's: {text}");
        assert_eq!(incoming(Holder::Registry), registry, "a registry's: {text}");
        assert_eq!(
            Policy::parse_stored(&text).is_some(),
            stored,
            "a stored one: {text}"
        );
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
                        let parsed = Policy::parse_incoming(&text, holder, &region(name));
                        assert_eq!(parsed.is_some(), taken, "{text} in {name}");
                    }
                }
                assert!(Policy::parse_stored(&text).is_some(), "{text}");
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
            assert_eq!(Policy::parse_stored(text), None, "{text}");
            let incoming = Policy::parse_incoming(text, Holder::Repository, &region("us-east-1"));
            assert_eq!(incoming, None, "{text}");
        }
    }
}
