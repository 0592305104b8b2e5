//! The facts of a request that conditions of policies can test.

use std::net::IpAddr;

use ecru_model::{Caller, CallerKind, Scope, Session, Timestamp};

use crate::OrganizationId;
use crate::facts::Facts;
use crate::principal;

/// The facts of a request other than the caller, the action and the resource.
#[derive(Debug, Clone)]
pub struct Circumstances {
    pub now: Timestamp,
    pub source: Option<IpAddr>,
    pub organization_id: OrganizationId,
}

/// A service belongs to no user account. It declares the account that it acts for.
pub fn facts_of_caller(caller: &Caller, organization: &OrganizationId) -> Facts {
    let mut facts = Facts::default();
    let account = caller.registry_id.as_str();
    match &caller.kind {
        CallerKind::Identity(arn) => {
            facts.add("aws:PrincipalArn", principal::principal_arn(arn));
            facts.add("aws:PrincipalAccount", account);
            facts.add("aws:PrincipalOrgID", organization.as_str());
            facts.add("aws:PrincipalOrgPaths", organization.path());
            facts.add("aws:PrincipalType", principal::principal_type(arn));
            facts.add("aws:PrincipalIsAWSService", "false");
            if let Some(name) = principal::user_name(arn) {
                facts.add("aws:username", name);
            }
            match &caller.session {
                Some(session) => add_session(&mut facts, session),
                None if principal::is_root(caller) => facts.add("aws:userid", account),
                None => {}
            }
        }
        CallerKind::Service(name) => {
            facts.add("aws:PrincipalIsAWSService", "true");
            facts.add("aws:PrincipalServiceName", *name);
            facts.add("aws:SourceAccount", account);
            facts.add("aws:SourceOrgID", organization.as_str());
            facts.add("aws:SourceOrgPaths", organization.path());
        }
    }
    facts
}

fn add_session(facts: &mut Facts, session: &Session) {
    facts.add("aws:userid", session.user_id.as_str());
    for (key, value) in &session.details.tags {
        facts.add(&format!("aws:PrincipalTag/{key}"), value.as_str());
    }
    if let Some(identity) = &session.details.source_identity {
        facts.add("aws:SourceIdentity", identity.as_str());
    }
}

/// Every account here belongs to one organization. Every request counts as one to an AWS endpoint, which
/// accepts only TLS.
pub fn add_circumstances(facts: &mut Facts, scope: &Scope, circumstances: &Circumstances) {
    let organization = &circumstances.organization_id;
    facts.add("aws:ResourceAccount", scope.registry_id.as_str());
    facts.add("aws:ResourceOrgID", organization.as_str());
    facts.add("aws:ResourceOrgPaths", organization.path());
    facts.add("aws:RequestedRegion", scope.region.as_str());
    facts.add("aws:SecureTransport", "true");
    facts.add("aws:ViaAWSService", "false");
    if let Some(source) = circumstances.source {
        facts.add("aws:SourceIp", source.to_canonical().to_string());
    }
    let now = circumstances.now;
    facts.add("aws:CurrentTime", now.to_string());
    facts.add("aws:EpochTime", now.as_millis().div_euclid(1_000).to_string());
}

/// The tags of the resource, also under the prefix of their service, and the tags that the request adds or
/// removes.
pub fn add_tags<'a>(
    facts: &mut Facts,
    (service, of_resource): (&str, impl IntoIterator<Item = (&'a str, &'a str)>),
    of_request: &[(String, Option<String>)],
) {
    for (key, value) in of_resource {
        facts.add(&format!("aws:ResourceTag/{key}"), value);
        facts.add(&format!("{service}:ResourceTag/{key}"), value);
    }
    for (key, value) in of_request {
        if let Some(value) = value {
            facts.add(&format!("aws:RequestTag/{key}"), value.as_str());
        }
    }
    if !of_request.is_empty() {
        let keys = of_request.iter().map(|(key, _)| key.clone());
        facts.add_all("aws:TagKeys", keys.collect());
    }
}

#[cfg(test)]
mod tests {
    use ecru_model::{RegistryId, Timestamp};

    use super::*;

    fn facts(kind: CallerKind) -> Facts {
        let registry_id = RegistryId::parse("111122223333").unwrap();
        let scope = Scope {
            registry_id: RegistryId::parse("444455556666").unwrap(),
            region: ecru_model::Region::parse("eu-west-1").unwrap(),
        };
        let circumstances = Circumstances {
            now: Timestamp::from_millis(0),
            source: None,
            organization_id: "o-0123456789".parse().unwrap(),
        };
        let caller = Caller {
            registry_id,
            kind,
            session: None,
        };
        let mut facts = facts_of_caller(&caller, &circumstances.organization_id);
        add_circumstances(&mut facts, &scope, &circumstances);
        facts
    }

    #[track_caller]
    fn check(facts: &Facts, expected: &[(&str, &str)], absent: &[&str]) {
        for (key, value) in expected {
            assert_eq!(facts.find(&key.to_ascii_lowercase()), [*value], "{key}");
        }
        for key in absent {
            assert!(facts.find(&key.to_ascii_lowercase()).is_empty(), "{key}");
        }
    }

    #[test]
    fn conditions_know_what_they_would_know_of_a_request_to_aws() {
        let identity = "arn:aws:iam::111122223333:root".to_owned();
        check(
            &facts(CallerKind::Identity(identity)),
            &[
                ("aws:PrincipalAccount", "111122223333"),
                ("aws:PrincipalOrgID", "o-0123456789"),
                ("aws:PrincipalOrgPaths", "o-0123456789/r-ecru/"),
                ("aws:PrincipalIsAWSService", "false"),
                ("aws:userid", "111122223333"),
                ("aws:ResourceAccount", "444455556666"),
                ("aws:ResourceOrgID", "o-0123456789"),
                ("aws:ResourceOrgPaths", "o-0123456789/r-ecru/"),
                ("aws:RequestedRegion", "eu-west-1"),
                ("aws:SecureTransport", "true"),
                ("aws:ViaAWSService", "false"),
            ],
            &["aws:SourceAccount", "aws:SourceArn", "aws:PrincipalServiceName"],
        );
        check(
            &facts(CallerKind::Service("lambda.amazonaws.com")),
            &[
                ("aws:PrincipalIsAWSService", "true"),
                ("aws:PrincipalServiceName", "lambda.amazonaws.com"),
                ("aws:SourceAccount", "111122223333"),
                ("aws:SourceOrgID", "o-0123456789"),
                ("aws:SecureTransport", "true"),
            ],
            &["aws:PrincipalOrgID", "aws:PrincipalArn", "aws:PrincipalAccount"],
        );
    }
}
