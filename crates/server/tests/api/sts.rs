//! STS: the identity of a caller, and sessions, which every API recognises by their access key.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ecru_model::{ErrorCode, ImageTag, RepositoryName};
use ecru_platform::principals::bind_principal;
use ecru_registry::Context;
use ecru_registry::authorization::{Credentials, enter};
use ecru_registry::images::Reference;
use ecru_registry::pull_through_cache::look_at_manifest;
use serde_json::json;

use crate::api::{ACCOUNT, Api, OTHER_ACCOUNT, endpoint};
use crate::content::Image;

const ROLE: &str = "arn:aws:iam::111122223333:role/team/ci";
const SESSION: &str = "arn:aws:sts::111122223333:assumed-role/ci/one";
const VERSION: (&str, &str) = ("Version", "2011-06-15");

/// The text of an element; panics if it is absent.
#[track_caller]
fn element<'a>(xml: &'a str, name: &str) -> &'a str {
    let (_, rest) = xml
        .split_once(&format!("<{name}>"))
        .unwrap_or_else(|| panic!("no {name} in {xml}"));
    rest.split_once(&format!("</{name}>")).unwrap().0
}

impl Api {
    async fn sts(&self, action: &str, fields: &[(&str, &str)]) -> (u16, String) {
        let fields = [&[("Action", action), VERSION], fields].concat();
        self.form(Some("sts"), &fields).await
    }

    async fn sts_ok(&self, action: &str, fields: &[(&str, &str)]) -> String {
        let (status, xml) = self.sts(action, fields).await;
        assert_eq!(status, 200, "{xml}");
        xml
    }

    /// The status, code and message of a refusal.
    async fn sts_refused(&self, action: &str, fields: &[(&str, &str)]) -> (u16, String, String) {
        let (status, xml) = self.sts(action, fields).await;
        assert_ne!(status, 200, "{xml}");
        (
            status,
            element(&xml, "Code").to_owned(),
            element(&xml, "Message").to_owned(),
        )
    }

    /// The caller of a new session of `ROLE`.
    async fn assume(&self, fields: &[(&str, &str)]) -> Self {
        let fields = [&[("RoleArn", ROLE), ("RoleSessionName", "one")], fields].concat();
        let xml = self.sts_ok("AssumeRole", &fields).await;
        self.by_key(element(&xml, "AccessKeyId"))
    }

    /// The context of a request with a token of this caller for a registry.
    async fn entered(&self, registry_id: &str) -> Context {
        let tokens = self
            .ok("GetAuthorizationToken", json!({ "registryIds": [registry_id] }))
            .await;
        let token = tokens["authorizationData"][0]["authorizationToken"]
            .as_str()
            .unwrap();
        let text = String::from_utf8(STANDARD.decode(token).unwrap()).unwrap();
        let (user, password) = text.split_once(':').unwrap();
        let credentials = Credentials::Basic { user, password };
        enter(self.service(), token.as_bytes(), credentials, None, endpoint())
            .await
            .unwrap()
    }

    async fn identity(&self) -> (String, String, String) {
        let xml = self.sts_ok("GetCallerIdentity", &[]).await;
        let member = |name| element(&xml, name).to_owned();
        (member("Account"), member("Arn"), member("UserId"))
    }
}

#[tokio::test]
async fn callers_learn_who_they_are() {
    let api = Api::new();
    let (account, arn, id) = api.identity().await;
    assert_eq!((account.as_str(), id.as_str()), (ACCOUNT, ACCOUNT));
    assert_eq!(arn, "arn:aws:iam::000000000000:root");

    let (account, arn, _) = api
        .by_account(OTHER_ACCOUNT)
        .in_region("us-gov-west-1")
        .identity()
        .await;
    assert_eq!(account, OTHER_ACCOUNT);
    assert_eq!(arn, "arn:aws-us-gov:iam::111122223333:root");

    let user = "arn:aws:iam::111122223333:user/alice".to_owned();
    bind_principal(api.service(), "AKIAALICE".to_owned(), user.clone())
        .await
        .unwrap();
    let (account, arn, id) = api.by_key("AKIAALICE").identity().await;
    assert_eq!((account.as_str(), arn), (OTHER_ACCOUNT, user));
    assert!(id.starts_with("AIDA"), "{id}");
}

#[tokio::test]
async fn a_session_names_its_account_and_principal_in_every_api() {
    let api = Api::new();
    let fields = [("RoleArn", ROLE), ("RoleSessionName", "one")];
    let xml = api.sts_ok("AssumeRole", &fields).await;
    assert_eq!(element(&xml, "Arn"), SESSION);
    assert_eq!(element(&xml, "Expiration"), "2026-01-01T01:00:00Z");
    assert!(!xml.contains("PackedPolicySize"), "{xml}");
    let id = element(&xml, "AssumedRoleId");
    assert!(id.starts_with("AROA") && id.ends_with(":one"), "{id}");

    let session = api.by_key(element(&xml, "AccessKeyId"));
    let (account, arn, user_id) = session.identity().await;
    assert_eq!(
        (account.as_str(), arn.as_str(), user_id.as_str()),
        (OTHER_ACCOUNT, SESSION, id)
    );

    session.create("demo").await;
    let theirs = api
        .by_account(OTHER_ACCOUNT)
        .ok("DescribeRepositories", json!({}))
        .await;
    assert_eq!(theirs["repositories"][0]["registryId"], OTHER_ACCOUNT);
    let here = api.ok("DescribeRepositories", json!({})).await;
    assert_eq!(here["repositories"], json!([]));
}

#[tokio::test]
async fn a_token_of_a_session_enters_as_that_session() {
    let api = Api::new();
    api.create("demo").await;
    api.push("demo", Some("v1"), &Image::new(1)).await;
    let statement = json!([{
        "Effect": "Allow",
        "Principal": { "AWS": ROLE.replace("/team", "") },
        "Action": ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"],
        "Condition": { "StringEquals": { "aws:PrincipalTag/team": "blue" } }
    }]);
    let policy = json!({ "Version": "2012-10-17", "Statement": statement }).to_string();
    api.ok(
        "SetRepositoryPolicy",
        json!({ "repositoryName": "demo", "policyText": policy }),
    )
    .await;
    let image =
        json!({ "registryId": ACCOUNT, "repositoryName": "demo", "imageIds": [{ "imageTag": "v1" }] });

    let blue = api
        .assume(&[("Tags.member.1.Key", "team"), ("Tags.member.1.Value", "blue")])
        .await;
    let red = api
        .assume(&[("Tags.member.1.Key", "team"), ("Tags.member.1.Value", "red")])
        .await;
    blue.ok("BatchGetImage", image.clone()).await;
    red.call("BatchGetImage", image)
        .await
        .refuses_code(ErrorCode::AccessDeniedException);

    for (session, allowed) in [(blue, true), (red, false)] {
        let ctx = session.entered(ACCOUNT).await;
        assert_eq!(ctx.caller.name(), SESSION);
        let name = RepositoryName::parse("demo").unwrap();
        let reference = Reference::Tag(ImageTag::parse("v1").unwrap());
        let pulled = look_at_manifest(&ctx, &name, &reference).await;
        assert_eq!(pulled.is_ok(), allowed, "{:?}", pulled.err());
    }
}

#[tokio::test]
async fn a_session_ends_by_the_clock_and_by_a_reset() {
    let api = Api::new();
    let session = api.assume(&[("DurationSeconds", "900")]).await;
    let other = api.assume(&[]).await;
    api.advance(900_000);
    let expired = session.call("DescribeRepositories", json!({})).await;
    assert_eq!(expired.error(), Some("ExpiredTokenException"));
    assert_eq!(
        expired.message(),
        "The security token included in the request is expired"
    );
    let (status, code, _) = session.sts_refused("GetCallerIdentity", &[]).await;
    assert_eq!((status, code.as_str()), (403, "ExpiredToken"));

    other.ok("DescribeRepositories", json!({})).await;
    let restarted = other.restarted().await;
    restarted.ok("DescribeRepositories", json!({})).await;
    restarted.reset(None).await;
    let unknown = restarted.call("DescribeRepositories", json!({})).await;
    assert_eq!(unknown.error(), Some("UnrecognizedClientException"));
}

#[tokio::test]
async fn sessions_are_removed_a_day_after_their_end() {
    const HOUR_MILLISECONDS: i64 = 60 * 60 * 1_000;
    let api = Api::new();
    assert!(api.run_due().await.iter().all(|ran| ran.kind != "session-expiry"));
    api.assume(&[]).await;
    let later = api.assume(&[("DurationSeconds", "7200")]).await;
    for (hours, left) in [(1, 2), (24, 1), (1, 0)] {
        api.advance(hours * HOUR_MILLISECONDS + 1);
        api.run_due().await;
        assert_eq!(api.count("SELECT count(*) FROM sessions"), left, "{hours}");
    }
    assert_eq!(
        api.count("SELECT count(*) FROM jobs WHERE kind = 'session-expiry'"),
        0
    );
    let gone = later.call("DescribeRepositories", json!({})).await;
    assert_eq!(gone.error(), Some("UnrecognizedClientException"));
}

#[tokio::test]
async fn a_session_of_a_session_is_short_and_keeps_its_transitive_tags() {
    let api = Api::new();
    let tags = [
        ("Tags.member.1.Key", "team"),
        ("Tags.member.1.Value", "blue"),
        ("Tags.member.2.Key", "stage"),
        ("Tags.member.2.Value", "test"),
        ("TransitiveTagKeys.member.1", "team"),
        ("SourceIdentity", "alice"),
    ];
    let first = api.assume(&tags).await;
    let fields = [
        ("RoleArn", ROLE),
        ("RoleSessionName", "two"),
        ("DurationSeconds", "3601"),
    ];
    let refused = first.sts_refused("AssumeRole", &fields).await;
    assert_eq!(refused.1, "ValidationError");
    assert_eq!(
        refused.2,
        "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining"
    );
    let again = [("RoleArn", ROLE), ("RoleSessionName", "two"), tags[0], tags[1]];
    assert_eq!(
        first.sts_refused("AssumeRole", &again).await.1,
        "InvalidParameterValue"
    );
    let other = [
        ("RoleArn", ROLE),
        ("RoleSessionName", "two"),
        ("SourceIdentity", "bob"),
    ];
    assert_eq!(first.sts_refused("AssumeRole", &other).await.1, "AccessDenied");

    let second = first.assume(&[]).await;
    let details = api
        .text("SELECT details FROM sessions ORDER BY rowid DESC LIMIT 1")
        .unwrap();
    let details: serde_json::Value = serde_json::from_str(&details).unwrap();
    assert_eq!(details["tags"], json!({ "team": "blue" }));
    assert_eq!(details["source_identity"], "alice");
    assert_eq!(second.identity().await.1, SESSION);
}

#[tokio::test]
async fn what_a_session_cannot_have_is_refused() {
    let api = Api::new();
    let base = [("RoleArn", ROLE), ("RoleSessionName", "one")];
    let long = format!(
        r#"{{"Statement": {{"Effect": "Allow", "Action": "*", "Resource": "{}"}}}}"#,
        "a".repeat(2100)
    );
    let cases: [(&[(&str, &str)], &str); 5] = [
        (&[("Policy", "{}")], "MalformedPolicyDocument"),
        (&[("Policy", &long)], "PackedPolicyTooLarge"),
        (&[("DurationSeconds", "899")], "ValidationError"),
        (
            &[
                ("Tags.member.1.Key", "team"),
                ("Tags.member.1.Value", "blue"),
                ("Tags.member.2.Key", "Team"),
                ("Tags.member.2.Value", "red"),
            ],
            "InvalidParameterValue",
        ),
        (&[("TransitiveTagKeys.member.1", "team")], "InvalidParameterValue"),
    ];
    for (fields, code) in cases {
        let fields = [&base[..], fields].concat();
        assert_eq!(api.sts_refused("AssumeRole", &fields).await.1, code, "{fields:?}");
    }
    let user = "arn:aws:iam::111122223333:user/alice";
    let refused = api
        .sts_refused("AssumeRole", &[("RoleArn", user), ("RoleSessionName", "one")])
        .await;
    assert_eq!(
        refused,
        (400, "ValidationError".to_owned(), format!("{user} is invalid"))
    );
}

#[tokio::test]
async fn a_token_of_an_identity_provider_needs_no_signature() {
    let claims = r#"{"sub": "repo:team/app", "iss": "https://issuer.test", "aud": "sts.amazonaws.com", "exp": 4102444800}"#;
    let token = format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(claims));
    let api = Api::new();
    let fields = [
        ("Action", "AssumeRoleWithWebIdentity"),
        VERSION,
        ("RoleArn", ROLE),
        ("RoleSessionName", "one"),
        ("WebIdentityToken", token.as_str()),
    ];
    let (status, xml) = api.form(None, &fields).await;
    assert_eq!(status, 200, "{xml}");
    assert_eq!(element(&xml, "SubjectFromWebIdentityToken"), "repo:team/app");
    assert_eq!(element(&xml, "Provider"), "https://issuer.test");
    assert_eq!(element(&xml, "Audience"), "sts.amazonaws.com");
    let session = api.by_key(element(&xml, "AccessKeyId"));
    assert_eq!(session.identity().await.1, SESSION);

    let (status, xml) = api.form(None, &[("Action", "GetCallerIdentity"), VERSION]).await;
    assert_eq!(
        (status, element(&xml, "Code")),
        (403, "MissingAuthenticationToken")
    );
}

#[tokio::test]
async fn a_session_token_is_of_the_same_identity_and_gets_no_other() {
    let api = Api::new();
    let xml = api
        .sts_ok("GetSessionToken", &[("DurationSeconds", "7200")])
        .await;
    // A session of a root lasts at most an hour.
    assert_eq!(element(&xml, "Expiration"), "2026-01-01T01:00:00Z");
    let session = api.by_key(element(&xml, "AccessKeyId"));
    let (account, arn, id) = session.identity().await;
    assert_eq!((account.as_str(), id.as_str()), (ACCOUNT, ACCOUNT));
    assert_eq!(arn, "arn:aws:iam::000000000000:root");
    let (status, code, message) = session.sts_refused("GetSessionToken", &[]).await;
    assert_eq!((status, code.as_str()), (403, "AccessDenied"));
    assert_eq!(message, "Cannot call GetSessionToken with session credentials");
}
