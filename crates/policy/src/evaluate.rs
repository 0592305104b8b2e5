//! Evaluates policies for a request, over plain values.

use crate::facts::Facts;
use crate::grammar::Listed;
use crate::pattern;
use crate::policy::{Effect, Policy, Statement};
use crate::principal::Principal;
use crate::variables::Variables;

/// One action on one resource, and all facts that a policy can test.
#[derive(Debug)]
pub struct Request {
    pub identities: Vec<Principal>,
    /// With the service prefix, in lower case: `ecr:putimage`.
    pub action: String,
    /// An ARN, or `*` for an action without a resource.
    pub resource: String,
    pub facts: Facts,
}

/// An explicit deny overrides every allow. Without either, the result depends on the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Denied,
    Allowed,
    Silent,
}

pub fn evaluate<'a>(policies: impl IntoIterator<Item = &'a Policy>, request: &Request) -> Verdict {
    let mut verdict = Verdict::Silent;
    for statement in policies.into_iter().flat_map(|policy| &policy.statements) {
        if !statement.speaks_of(request) {
            continue;
        }
        match statement.effect {
            Effect::Deny => return Verdict::Denied,
            Effect::Allow => verdict = Verdict::Allowed,
        }
    }
    verdict
}

impl Statement {
    fn speaks_of(&self, request: &Request) -> bool {
        let variables = Variables(self.has_variables.then_some(&request.facts));
        self.actions
            .names(|action| pattern::matches(&action.to_ascii_lowercase(), &request.action))
            && self.principals.covers(&request.identities)
            && self.resources.as_ref().is_none_or(|resources| {
                resources.names(|resource| {
                    variables
                        .test(resource, &request.resource, pattern::matches)
                        .unwrap_or(false)
                })
            })
            && self
                .conditions
                .iter()
                .all(|condition| condition.holds(&request.facts, variables))
    }
}

impl Listed<String> {
    fn names(&self, matches: impl Fn(&str) -> bool) -> bool {
        match self {
            Self::These(listed) => listed.iter().any(|one| matches(one)),
            Self::AllBut(listed) => !listed.iter().any(|one| matches(one)),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const REPOSITORY: &str = "arn:aws:ecr:us-east-1:000000000000:repository/team/app";

    fn request(account: &str, action: &str) -> Request {
        let mut facts = Facts::default();
        facts.add("aws:PrincipalAccount", account);
        facts.add("aws:SourceIp", "127.0.0.1");
        Request {
            identities: vec![Principal::Account(account.to_owned())],
            action: format!("ecr:{action}").to_ascii_lowercase(),
            resource: REPOSITORY.to_owned(),
            facts,
        }
    }

    fn policy(statements: &[&str]) -> Policy {
        let text = format!(
            r#"{{"Version":"2012-10-17","Statement":[{}]}}"#,
            statements.join(",")
        );
        Policy::parse_stored(&text, |_| true).unwrap_or_else(|| panic!("{text}"))
    }

    /// The decision of one statement on `PutImage` by the account 111122223333.
    #[track_caller]
    fn check(statement: &str, expected: Verdict) {
        let verdict = evaluate([&policy(&[statement])], &request("111122223333", "PutImage"));
        assert_eq!(verdict, expected, "{statement}");
    }

    #[test]
    fn a_statement_speaks_of_what_all_its_members_name() {
        use Verdict::{Allowed, Denied, Silent};
        check(r#"{"Effect":"Allow","Principal":"*","Action":"*"}"#, Allowed);
        check(r#"{"Effect":"Deny","Principal":"*","Action":"*"}"#, Denied);
        check(
            r#"{"Effect":"Allow","Principal":"*","Action":"ecr:putimage"}"#,
            Allowed,
        );
        check(
            r#"{"Effect":"Allow","Principal":"*","Action":"ECR:Put*"}"#,
            Allowed,
        );
        check(
            r#"{"Effect":"Allow","Principal":"*","Action":["ecr:ListImages","ecr:Put?mage"]}"#,
            Allowed,
        );
        check(
            r#"{"Effect":"Allow","Principal":"*","Action":"ecr:PutImageTag*"}"#,
            Silent,
        );
        check(
            r#"{"Effect":"Deny","Principal":"*","NotAction":"ecr:Put*"}"#,
            Silent,
        );
        check(
            r#"{"Effect":"Deny","Principal":"*","NotAction":["ecr:Get*","ecr:List*"]}"#,
            Denied,
        );
        check(
            r#"{"Effect":"Allow","Principal":{"AWS":"111122223333"},"Action":"*"}"#,
            Allowed,
        );
        check(
            r#"{"Effect":"Allow","Principal":{"AWS":"444455556666"},"Action":"*"}"#,
            Silent,
        );
        check(
            r#"{"Effect":"Allow","NotPrincipal":{"AWS":"444455556666"},"Action":"*"}"#,
            Allowed,
        );
        check(
            r#"{"Effect":"Deny","NotPrincipal":{"AWS":"111122223333"},"Action":"*"}"#,
            Silent,
        );
        check(
            r#"{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*"}"#,
            Allowed,
        );
        check(
            r#"{"Effect":"Allow","Principal":"*","Action":"*","Resource":"arn:aws:ecr:*:000000000000:repository/team/*"}"#,
            Allowed,
        );
        check(
            r#"{"Effect":"Allow","Principal":"*","Action":"*","Resource":"arn:aws:ecr:*:*:repository/Team/*"}"#,
            Silent,
        );
        check(
            r#"{"Effect":"Deny","Principal":"*","Action":"*","NotResource":"arn:aws:ecr:*:*:repository/team/*"}"#,
            Silent,
        );
        check(
            r#"{"Effect":"Deny","Principal":"*","Action":"*","NotResource":["arn:aws:ecr:*:*:repository/other"]}"#,
            Denied,
        );
        check(
            r#"{"Effect":"Allow","Principal":"*","Action":"*","Condition":{"IpAddress":{"aws:SourceIp":"127.0.0.0/8"},"StringEquals":{"aws:PrincipalAccount":["1","111122223333"]}}}"#,
            Allowed,
        );
        check(
            r#"{"Effect":"Allow","Principal":"*","Action":"*","Condition":{"IpAddress":{"aws:SourceIp":"127.0.0.0/8"},"StringEquals":{"aws:PrincipalAccount":"1"}}}"#,
            Silent,
        );
        check(
            r#"{"Effect":"Deny","Principal":"*","Action":"*","Condition":{"NotIpAddress":{"aws:SourceIp":"10.0.0.0/8"}}}"#,
            Denied,
        );
    }

    #[test]
    fn policies_are_judged_together() {
        let allows = policy(&[r#"{"Effect":"Allow","Principal":"*","Action":"ecr:PutImage"}"#]);
        let denies = policy(&[r#"{"Effect":"Deny","Principal":"*","Action":"ecr:Put*"}"#]);
        let put = request("111122223333", "PutImage");
        assert_eq!(evaluate([&allows, &denies], &put), Verdict::Denied);
        assert_eq!(evaluate([&denies, &allows], &put), Verdict::Denied);
        assert_eq!(evaluate([&allows], &put), Verdict::Allowed);
        assert_eq!(evaluate([], &put), Verdict::Silent);
        assert_eq!(
            evaluate([&allows, &denies], &request("1", "ListImages")),
            Verdict::Silent
        );
    }

    /// A small statement: whether it allows, the accounts and actions it names, and whether it excludes them.
    #[derive(Debug, Clone)]
    struct Small {
        allows: bool,
        account: Option<&'static str>,
        action: &'static str,
        excepts: bool,
    }

    const ACCOUNTS: [&str; 2] = ["111122223333", "444455556666"];
    const ACTIONS: [&str; 3] = ["PutImage", "ListImages", "BatchGetImage"];
    const NAMED: [&str; 4] = ["PutImage", "ListImages", "BatchGetImage", "*"];

    fn small() -> impl Strategy<Value = Small> {
        let account = prop_oneof![Just(None), proptest::sample::select(&ACCOUNTS[..]).prop_map(Some)];
        (
            any::<bool>(),
            account,
            proptest::sample::select(&NAMED[..]),
            any::<bool>(),
        )
            .prop_map(|(allows, account, action, excepts)| Small {
                allows,
                account,
                action,
                excepts,
            })
    }

    impl Small {
        fn text(&self) -> String {
            let effect = if self.allows { "Allow" } else { "Deny" };
            let principal = self
                .account
                .map_or(r#""*""#.to_owned(), |account| format!(r#"{{"AWS":"{account}"}}"#));
            let not = if self.excepts { "Not" } else { "" };
            format!(
                r#"{{"Effect":"{effect}","Principal":{principal},"{not}Action":"ecr:{}"}}"#,
                self.action
            )
        }

        fn speaks_of(&self, account: &str, action: &str) -> bool {
            let named = self.action == "*" || self.action == action;
            named != self.excepts && self.account.is_none_or(|wanted| wanted == account)
        }
    }

    proptest! {
        #[test]
        fn a_denial_wins_and_silence_is_neither(statements in proptest::collection::vec(small(), 1..6), split in 0..6_usize) {
            let texts = statements.iter().map(Small::text).collect::<Vec<_>>();
            let texts = texts.iter().map(String::as_str).collect::<Vec<_>>();
            let split = split.min(texts.len());
            // The decision does not depend on the policy that contains a statement.
            let policies = [&texts[..split], &texts[split..]]
                .into_iter()
                .filter(|texts| !texts.is_empty())
                .map(policy)
                .collect::<Vec<_>>();
            for account in ACCOUNTS {
                for action in ACTIONS {
                    let speaking = statements.iter().filter(|one| one.speaks_of(account, action)).collect::<Vec<_>>();
                    let expected = if speaking.iter().any(|one| !one.allows) {
                        Verdict::Denied
                    } else if speaking.is_empty() {
                        Verdict::Silent
                    } else {
                        Verdict::Allowed
                    };
                    prop_assert_eq!(evaluate(&policies, &request(account, action)), expected);
                }
            }
        }
    }
}
