//! Policy decisions for every operation, through both APIs.

use ecru_model::{ErrorCode, Operation, RepositoryName};
use ecru_platform::principals::bind_principal;
use serde_json::{Value, json};

use crate::api::{ACCOUNT, Answer, Api, OTHER_ACCOUNT};
use crate::content::{Image, digest, put};
use crate::inputs::valid;

const ROOT: &str = "arn:aws:iam::000000000000:root";
const STRANGER: &str = "arn:aws:iam::111122223333:root";
const DEMO: &str = "arn:aws:ecr:us-east-1:000000000000:repository/demo";

async fn demo() -> Api {
    let api = Api::new();
    api.create("demo").await;
    api.push("demo", Some("v1"), &Image::new(1)).await;
    api
}

fn policy(statements: &Value) -> String {
    json!({ "Version": "2012-10-17", "Statement": statements }).to_string()
}

fn statement(effect: &str, principal: &Value, action: &Value) -> Value {
    json!({ "Effect": effect, "Principal": principal, "Action": action, "Resource": "*" })
}

async fn put_registry_policy(api: &Api, statements: Value) {
    let input = json!({ "policyText": policy(&statements) });
    api.ok("PutRegistryPolicy", input).await;
}

/// A policy of a repository, whose statements name no resource.
fn repository_policy(mut statements: Value) -> String {
    for statement in statements.as_array_mut().unwrap() {
        statement.as_object_mut().unwrap().remove("Resource");
    }
    policy(&statements)
}

async fn set_repository_policy(api: &Api, statements: Value) {
    let policy = repository_policy(statements);
    let input = json!({ "repositoryName": "demo", "policyText": policy, "force": true });
    api.ok("SetRepositoryPolicy", input).await;
}

async fn set_account_setting(api: &Api, name: &str, value: &str) {
    api.ok("PutAccountSetting", json!({ "name": name, "value": value }))
        .await;
}

impl Answer {
    #[track_caller]
    fn is_denied(&self, principal: &str, action: &str, resource: &str) {
        let text = format!(
            "User: {principal} is not authorized to perform: ecr:{action} on resource: {resource} with an explicit \
             deny in a resource-based policy"
        );
        self.refuses(ErrorCode::AccessDeniedException, &text);
    }

    #[track_caller]
    fn is_not_allowed(&self, principal: &str, action: &str, resource: &str) {
        let text = format!(
            "User: {principal} is not authorized to perform: ecr:{action} on resource: {resource} because no \
             resource-based policy allows the ecr:{action} action"
        );
        self.refuses(ErrorCode::AccessDeniedException, &text);
    }

    #[track_caller]
    fn is_let_in(&self) {
        assert_ne!(self.error(), Some("AccessDeniedException"), "{}", self.body);
        assert!(self.status < 500, "{}", self.body);
    }
}

/// The action that an operation needs, if its name differs from the operation's.
fn action(operation: Operation) -> &'static str {
    match operation {
        Operation::ListImageReferrers => "BatchGetImage",
        other => other.name(),
    }
}

/// Whether an operation needs no permission from a policy.
fn asks_nobody(operation: Operation) -> bool {
    operation == Operation::GetAuthorizationToken
}

#[tokio::test]
async fn every_operation_asks_the_policies_of_its_registry() {
    let api = demo().await;
    for operation in Operation::ALL
        .iter()
        .copied()
        .filter(|operation| !asks_nobody(*operation))
    {
        let deny = statement("Deny", &json!("*"), &json!(format!("ecr:{}", action(operation))));
        put_registry_policy(&api, json!([deny])).await;
        let answer = api.call(operation.name(), valid(operation)).await;
        if operation.name().ends_with("RegistryPolicy") {
            // A policy cannot lock the account out of its own registry policy.
            answer.is_let_in();
            continue;
        }
        assert_eq!(
            answer.error(),
            Some("AccessDeniedException"),
            "{operation}: {}",
            answer.body
        );
        let asked = format!(
            "User: {ROOT} is not authorized to perform: ecr:{} on ",
            action(operation)
        );
        assert!(answer.message().starts_with(&asked), "{}", answer.message());
        assert!(
            answer
                .message()
                .ends_with(" with an explicit deny in a resource-based policy")
        );
    }
    api.ok("DeleteRegistryPolicy", json!({})).await;
    assert_eq!(api.tags("demo").await.len(), 1);
}

#[tokio::test]
async fn every_operation_on_a_repository_asks_its_policy() {
    let api = demo().await;
    let mut asked = 0;
    for operation in Operation::ALL.iter().copied() {
        let text = valid(operation).to_string();
        // Only operations on an existing repository are tested.
        if operation == Operation::CreateRepository
            || !(text.contains(r#""repositoryName":"demo""#) || text.contains("repository/demo"))
        {
            continue;
        }
        set_repository_policy(
            &api,
            json!([statement(
                "Deny",
                &json!("*"),
                &json!(format!("ecr:{}", action(operation)))
            )]),
        )
        .await;
        api.call(operation.name(), valid(operation))
            .await
            .is_denied(ROOT, action(operation), DEMO);
        asked += 1;
        // Removed in the database, because the policy may deny the removal.
        api.execute("UPDATE repositories SET policy = NULL").await;
    }
    assert!(asked >= 20, "{asked}");
}

#[tokio::test]
async fn a_stranger_may_what_a_repository_policy_allows() {
    let api = demo().await;
    let stranger = api.by_account(OTHER_ACCOUNT);
    let get =
        || json!({ "registryId": ACCOUNT, "repositoryName": "demo", "imageIds": [{ "imageTag": "v1" }] });
    stranger
        .call("BatchGetImage", get())
        .await
        .is_not_allowed(STRANGER, "BatchGetImage", DEMO);

    for principal in [
        json!("*"),
        json!({ "AWS": "*" }),
        json!({ "AWS": OTHER_ACCOUNT }),
        json!({ "AWS": [STRANGER, "arn:aws:iam::444455556666:user/a"] }),
    ] {
        set_repository_policy(
            &api,
            json!([statement(
                "Allow",
                &principal,
                &json!(["ecr:BatchGet*", "ecr:ListImages"])
            )]),
        )
        .await;
        let got = stranger.ok("BatchGetImage", get()).await;
        assert_eq!(got["images"][0]["registryId"], ACCOUNT);
        stranger
            .call("BatchDeleteImage", get())
            .await
            .is_not_allowed(STRANGER, "BatchDeleteImage", DEMO);
    }
    set_repository_policy(
        &api,
        json!([statement(
            "Allow",
            &json!({ "AWS": "444455556666" }),
            &json!("ecr:*")
        )]),
    )
    .await;
    stranger
        .call("BatchGetImage", get())
        .await
        .is_not_allowed(STRANGER, "BatchGetImage", DEMO);
    // A repository policy covers only its own repository, and not names that do not exist.
    for (name, input) in [
        ("DescribeRepositories", json!({ "registryId": ACCOUNT })),
        (
            "ListImages",
            json!({ "registryId": ACCOUNT, "repositoryName": "absent" }),
        ),
    ] {
        let answer = stranger.call(name, input).await;
        assert_eq!(answer.error(), Some("AccessDeniedException"), "{name}");
    }
}

#[tokio::test]
async fn a_stranger_may_push_where_both_policies_together_let_it() {
    let api = demo().await;
    let stranger = api.by_account(OTHER_ACCOUNT);
    set_repository_policy(
        &api,
        json!([statement(
            "Allow",
            &json!({ "AWS": OTHER_ACCOUNT }),
            &json!(["ecr:*Layer*"])
        )]),
    )
    .await;
    let image = Image::new(2);
    let with = |mut input: Value| {
        input["registryId"] = json!(ACCOUNT);
        input
    };
    for blob in &image.blobs {
        let begun = stranger
            .ok("InitiateLayerUpload", with(json!({ "repositoryName": "demo" })))
            .await;
        let id = begun["uploadId"].as_str().unwrap();
        stranger
            .ok("UploadLayerPart", with(crate::content::part("demo", id, 0, blob)))
            .await;
        stranger
            .ok(
                "CompleteLayerUpload",
                with(crate::content::completion("demo", id, &[&digest(blob)])),
            )
            .await;
    }
    let put = with(put("demo", &image.text(), Some("v2")));
    stranger
        .call("PutImage", put.clone())
        .await
        .is_not_allowed(STRANGER, "PutImage", DEMO);
    put_registry_policy(
        &api,
        json!([{
            "Effect": "Allow", "Principal": { "AWS": STRANGER }, "Action": "ecr:PutImage",
            "Resource": "arn:aws:ecr:*:000000000000:repository/de*",
        }]),
    )
    .await;
    stranger.ok("PutImage", put).await;
    assert_eq!(api.tags("demo").await.len(), 2);
}

#[tokio::test]
async fn an_explicit_denial_is_stronger_than_any_leave() {
    let api = demo().await;
    let stranger = api.by_account(OTHER_ACCOUNT);
    let list = json!({ "registryId": ACCOUNT, "repositoryName": "demo" });
    let everyone = json!("*");
    set_repository_policy(&api, json!([statement("Allow", &everyone, &json!("ecr:*"))])).await;
    put_registry_policy(
        &api,
        json!([statement(
            "Deny",
            &json!({ "AWS": OTHER_ACCOUNT }),
            &json!("ecr:List*")
        )]),
    )
    .await;
    stranger
        .call("ListImages", list.clone())
        .await
        .is_denied(STRANGER, "ListImages", DEMO);
    api.ok("ListImages", list.clone()).await;

    set_repository_policy(
        &api,
        json!([
            statement("Allow", &everyone, &json!("ecr:*")),
            statement("Deny", &everyone, &json!("ecr:ListImages")),
        ]),
    )
    .await;
    api.call("ListImages", list)
        .await
        .is_denied(ROOT, "ListImages", DEMO);
}

#[tokio::test]
async fn a_registry_policy_of_scope_v1_speaks_of_replication_and_the_cache_only() {
    let api = demo().await;
    let stranger = api.by_account(OTHER_ACCOUNT);
    put_registry_policy(&api, json!([statement("Allow", &json!("*"), &json!("ecr:*"))])).await;
    let list = json!({ "registryId": ACCOUNT, "repositoryName": "demo" });
    let create = |name: &str| json!({ "registryId": ACCOUNT, "repositoryName": name });
    stranger.ok("ListImages", list.clone()).await;
    stranger.ok("CreateRepository", create("aa")).await;

    set_account_setting(&api, "REGISTRY_POLICY_SCOPE", "V1").await;
    stranger
        .call("ListImages", list.clone())
        .await
        .is_not_allowed(STRANGER, "ListImages", DEMO);
    stranger.ok("CreateRepository", create("bb")).await;

    put_registry_policy(&api, json!([statement("Deny", &json!("*"), &json!("ecr:*"))])).await;
    api.ok("ListImages", list).await;
    let refused = api.call("CreateRepository", create("cc")).await;
    refused.is_denied(ROOT, "CreateRepository", &DEMO.replace("demo", "cc"));
}

#[tokio::test]
async fn a_repository_with_tags_needs_leave_for_tags_too() {
    let api = Api::new();
    put_registry_policy(
        &api,
        json!([statement("Deny", &json!("*"), &json!("ecr:TagResource"))]),
    )
    .await;
    let mut input = json!({ "repositoryName": "demo", "tags": [{ "Key": "a", "Value": "b" }] });
    api.call("CreateRepository", input.clone())
        .await
        .is_denied(ROOT, "TagResource", DEMO);
    input["tags"] = json!([]);
    api.ok("CreateRepository", input).await;
}

#[tokio::test]
async fn conditions_look_at_the_request_and_the_repository() {
    let api = demo().await;
    let list = || json!({ "repositoryName": "demo" });
    api.ok(
        "TagResource",
        json!({ "resourceArn": DEMO, "tags": [{ "Key": "stage", "Value": "prod" }] }),
    )
    .await;
    for (operator, key, value, denies) in [
        ("StringEquals", "ecr:ResourceTag/stage", json!("prod"), true),
        ("StringEquals", "aws:ResourceTag/Stage", json!("prod"), true),
        ("StringEquals", "ecr:ResourceTag/stage", json!("dev"), false),
        ("Null", "ecr:ResourceTag/owner", json!("true"), true),
        ("IpAddress", "aws:SourceIp", json!("127.0.0.0/8"), true),
        ("NotIpAddress", "aws:SourceIp", json!("127.0.0.0/8"), false),
        ("Bool", "aws:SecureTransport", json!("true"), true),
        ("Bool", "aws:SecureTransport", json!("false"), false),
        ("StringEquals", "aws:PrincipalOrgID", json!("o-ecru000000"), true),
        (
            "StringNotEquals",
            "aws:PrincipalOrgID",
            json!("o-ecru000000"),
            false,
        ),
        (
            "StringEquals",
            "aws:PrincipalOrgID",
            json!("o-other000000"),
            false,
        ),
        (
            "ForAnyValue:StringLike",
            "aws:PrincipalOrgPaths",
            json!("o-ecru000000/*"),
            true,
        ),
        (
            "StringEquals",
            "aws:ResourceOrgID",
            json!("${aws:PrincipalOrgID}"),
            true,
        ),
        ("Bool", "aws:PrincipalIsAWSService", json!("false"), true),
        ("Bool", "aws:ViaAWSService", json!("true"), false),
        ("Null", "aws:SourceAccount", json!("true"), true),
        ("StringEquals", "aws:RequestedRegion", json!("us-east-1"), true),
        (
            "StringNotEquals",
            "aws:RequestedRegion",
            json!("us-east-1"),
            false,
        ),
        ("ArnLike", "aws:PrincipalArn", json!("arn:aws:iam::*:root"), true),
        (
            "StringEquals",
            "aws:PrincipalAccount",
            json!([OTHER_ACCOUNT]),
            false,
        ),
        (
            "DateLessThan",
            "aws:CurrentTime",
            json!("2026-01-02T00:00:00Z"),
            true,
        ),
        (
            "DateGreaterThan",
            "aws:CurrentTime",
            json!("2026-01-02T00:00:00Z"),
            false,
        ),
    ] {
        let mut deny = statement("Deny", &json!("*"), &json!("ecr:ListImages"));
        deny["Condition"] = json!({ operator: { key: value } });
        set_repository_policy(&api, json!([deny])).await;
        let answer = api.call("ListImages", list()).await;
        if denies {
            answer.is_denied(ROOT, "ListImages", DEMO);
        } else {
            answer.is_let_in();
        }
    }

    // A condition on the time is evaluated at each request.
    let mut deny = statement("Deny", &json!("*"), &json!("ecr:ListImages"));
    deny["Condition"] = json!({ "DateGreaterThan": { "aws:CurrentTime": "2026-01-02T00:00:00Z" } });
    set_repository_policy(&api, json!([deny])).await;
    api.ok("ListImages", list()).await;
    api.service().clock.advance(2 * 24 * 60 * 60 * 1000);
    api.call("ListImages", list())
        .await
        .is_denied(ROOT, "ListImages", DEMO);
}

#[tokio::test]
async fn a_policy_that_locks_its_caller_out_needs_force() {
    let api = demo().await;
    let set = |statements: Value, force: bool| json!({ "repositoryName": "demo", "policyText": repository_policy(statements), "force": force });
    let locks = json!([statement("Deny", &json!("*"), &json!("ecr:Set*"))]);
    let reason = "The policy would prevent you from setting another policy; use force to set it nevertheless";
    api.call("SetRepositoryPolicy", set(locks.clone(), false))
        .await
        .refuses_parameter("PolicyText", reason);
    let none = api
        .call("GetRepositoryPolicy", json!({ "repositoryName": "demo" }))
        .await;
    assert_eq!(none.error(), Some("RepositoryPolicyNotFoundException"));

    api.ok("SetRepositoryPolicy", set(locks.clone(), true)).await;
    api.call("SetRepositoryPolicy", set(locks, true))
        .await
        .is_denied(ROOT, "SetRepositoryPolicy", DEMO);
    api.ok("DeleteRepositoryPolicy", json!({ "repositoryName": "demo" }))
        .await;

    // A caller of another account locks itself out when the new policy no longer allows it.
    let allows = |action: &str| json!([statement("Allow", &json!({ "AWS": STRANGER }), &json!(action))]);
    api.ok(
        "SetRepositoryPolicy",
        set(allows("ecr:SetRepositoryPolicy"), false),
    )
    .await;
    let stranger = api.by_account(OTHER_ACCOUNT);
    let mut input = set(allows("ecr:GetRepositoryPolicy"), false);
    input["registryId"] = json!(ACCOUNT);
    stranger
        .call("SetRepositoryPolicy", input.clone())
        .await
        .refuses_parameter("PolicyText", reason);
    input["force"] = json!(true);
    stranger.ok("SetRepositoryPolicy", input).await;
}

#[tokio::test]
async fn a_batch_of_repositories_needs_leave_for_each() {
    let api = demo().await;
    api.create("other").await;
    set_repository_policy(
        &api,
        json!([statement("Deny", &json!("*"), &json!("ecr:Describe*"))]),
    )
    .await;
    let described = |names: Value| json!({ "repositoryNames": names });
    api.ok("DescribeRepositories", described(json!(["other"]))).await;
    api.call("DescribeRepositories", described(json!(["other", "demo"])))
        .await
        .is_denied(ROOT, "DescribeRepositories", DEMO);
    let stranger = api.by_account(OTHER_ACCOUNT);
    stranger
        .call("DescribeRepositories", json!({ "registryId": ACCOUNT }))
        .await
        .is_not_allowed(STRANGER, "DescribeRepositories", &DEMO.replace("demo", "*"));
}

#[tokio::test]
async fn an_address_that_was_given_opens_its_layer_whatever_a_policy_says_later() {
    let api = demo().await;
    let layer = Image::new(1).layer_digest();
    let ask = || json!({ "repositoryName": "demo", "layerDigest": layer });
    let url = api.ok("GetDownloadUrlForLayer", ask()).await["downloadUrl"].clone();
    let grant = url.as_str().unwrap().split_once("grant=").unwrap().1.to_owned();
    set_repository_policy(&api, json!([statement("Deny", &json!("*"), &json!("ecr:*"))])).await;
    let denied = api.call("GetDownloadUrlForLayer", ask()).await;
    denied.is_denied(ROOT, "GetDownloadUrlForLayer", DEMO);

    let (name, digest) = (RepositoryName::parse("demo").unwrap(), layer.parse().unwrap());
    let granted = ecru_registry::authorization::check_grant(
        api.service(),
        &name,
        &digest,
        &grant,
        crate::api::endpoint(),
    );
    let granted = granted.unwrap();
    ecru_registry::layers::open_blob(&granted, &name, &digest)
        .await
        .unwrap();
    // With credentials, access to the same layer depends on the policy.
    let asking = ecru_registry::layers::open_blob(&api.context(), &name, &digest).await;
    assert_eq!(asking.err().unwrap().code, ErrorCode::AccessDeniedException);
}

#[tokio::test]
async fn a_user_and_a_role_are_more_than_their_account() {
    let api = demo().await;
    let user = "arn:aws:iam::111122223333:user/ann";
    let session = "arn:aws:sts::111122223333:assumed-role/build/1";
    for (key, arn) in [("AKIDUSER", user), ("AKIDSESSION", session)] {
        bind_principal(api.service(), key.to_owned(), arn.to_owned())
            .await
            .unwrap();
    }
    let list = || json!({ "registryId": ACCOUNT, "repositoryName": "demo" });
    for (listed, expected) in [
        (OTHER_ACCOUNT, [true, true, true]),
        (user, [false, true, false]),
        ("arn:aws:iam::111122223333:role/ci/build", [false, false, true]),
        (session, [false, false, true]),
    ] {
        set_repository_policy(
            &api,
            json!([statement(
                "Allow",
                &json!({ "AWS": listed }),
                &json!("ecr:ListImages")
            )]),
        )
        .await;
        for (key, allowed) in [OTHER_ACCOUNT, "AKIDUSER", "AKIDSESSION"].iter().zip(expected) {
            let answer = api.by_account(key).call("ListImages", list()).await;
            assert_eq!(
                answer.error().is_none(),
                allowed,
                "{key} where {listed} is allowed"
            );
        }
    }
    let refused = api.by_account("AKIDUSER").call("ListImages", list()).await;
    refused.is_not_allowed(user, "ListImages", DEMO);

    // Within its own account, a user may do anything that no policy denies.
    let own = json!({ "repositoryName": "mine" });
    let owner = api.by_account("AKIDUSER");
    owner.ok("CreateRepository", own.clone()).await;
    let deny = statement("Deny", &json!({ "AWS": user }), &json!("ecr:ListImages"));
    put_registry_policy(&owner, json!([deny])).await;
    owner.call("ListImages", own.clone()).await.is_denied(
        user,
        "ListImages",
        "arn:aws:ecr:us-east-1:111122223333:repository/mine",
    );
    api.by_account("AKIDSESSION").ok("ListImages", own).await;
}

#[tokio::test]
async fn a_registry_policy_locks_users_out_of_it_but_not_its_account() {
    let api = Api::new();
    let user = "arn:aws:iam::000000000000:user/ann";
    bind_principal(api.service(), "AKIDUSER".to_owned(), user.to_owned())
        .await
        .unwrap();
    put_registry_policy(&api, json!([statement("Deny", &json!("*"), &json!("*"))])).await;
    for operation in ["GetRegistryPolicy", "DeleteRegistryPolicy"] {
        let answer = api.by_account("AKIDUSER").call(operation, json!({})).await;
        answer.is_denied(user, operation, "*");
        api.ok(operation, json!({})).await;
    }
}

#[tokio::test]
async fn a_layer_of_a_source_that_may_not_be_read_is_not_mounted() {
    let api = demo().await;
    api.create("target").await;
    set_account_setting(&api, "BLOB_MOUNTING", "ENABLED").await;
    set_repository_policy(
        &api,
        json!([statement(
            "Deny",
            &json!("*"),
            &json!("ecr:GetDownloadUrlForLayer")
        )]),
    )
    .await;
    let names = ["target", "demo"].map(|name| RepositoryName::parse(name).unwrap());
    let layer = Image::new(1).layer_digest().parse().unwrap();
    let mount = async || {
        ecru_registry::layers::mount_blob(&api.context(), &names[0], &layer, Some(&names[1]))
            .await
            .unwrap()
    };
    assert!(!mount().await);
    api.ok("DeleteRepositoryPolicy", json!({ "repositoryName": "demo" }))
        .await;
    assert!(mount().await);
}

#[tokio::test]
async fn conditions_see_the_tags_that_a_request_gives_and_takes() {
    let api = demo().await;
    let mut untagged = statement("Deny", &json!("*"), &json!("ecr:CreateRepository"));
    untagged["Condition"] = json!({ "Null": { "aws:RequestTag/team": "true" } });
    let mut wrong = statement("Deny", &json!("*"), &json!("ecr:TagResource"));
    wrong["Condition"] = json!({ "StringNotLike": { "aws:RequestTag/team": "t-*" } });
    let mut cost = statement("Deny", &json!("*"), &json!("ecr:UntagResource"));
    cost["Condition"] = json!({ "ForAnyValue:StringEquals": { "aws:TagKeys": "cost" } });
    put_registry_policy(&api, json!([untagged, wrong, cost])).await;

    let create = |tags: Value| json!({ "repositoryName": "new", "tags": tags });
    let arn = "arn:aws:ecr:us-east-1:000000000000:repository/new";
    let denied = api.call("CreateRepository", create(json!([]))).await;
    denied.is_denied(ROOT, "CreateRepository", arn);
    let tags = json!([{ "Key": "team", "Value": "x" }]);
    let denied = api.call("CreateRepository", create(tags)).await;
    denied.is_denied(ROOT, "TagResource", arn);
    let tags = json!([{ "Key": "team", "Value": "t-1" }, { "Key": "cost", "Value": "7" }]);
    api.ok("CreateRepository", create(tags)).await;

    let untag = |key: &str| json!({ "resourceArn": arn, "tagKeys": [key] });
    let denied = api.call("UntagResource", untag("cost")).await;
    denied.is_denied(ROOT, "UntagResource", arn);
    api.ok("UntagResource", untag("team")).await;
}

#[tokio::test]
async fn a_user_reaches_the_repositories_that_have_its_name() {
    let api = demo().await;
    let ann = "arn:aws:iam::111122223333:user/ann";
    bind_principal(api.service(), "AKIDANN".to_owned(), ann.to_owned())
        .await
        .unwrap();
    let mut own = statement("Allow", &json!({ "AWS": "111122223333" }), &json!("ecr:*"));
    own["Resource"] = json!("arn:aws:ecr:*:*:repository/${aws:username}/*");
    put_registry_policy(&api, json!([own])).await;
    api.create("ann/app").await;
    api.create("bob/app").await;

    let caller = api.by_account("AKIDANN");
    let list = |name: &str| json!({ "registryId": ACCOUNT, "repositoryName": name });
    caller.ok("ListImages", list("ann/app")).await;
    let denied = caller.call("ListImages", list("bob/app")).await;
    denied.is_not_allowed(
        ann,
        "ListImages",
        "arn:aws:ecr:us-east-1:000000000000:repository/bob/app",
    );
}

#[tokio::test]
async fn the_guards_that_are_usual_let_the_owner_in() {
    let api = Api::with(|configuration| {
        configuration.organization_id = "o-a1b2c3d4e5".parse().unwrap();
    });
    api.create("demo").await;
    let deny = |operator: &str, key: &str, value: &str| {
        let mut deny = statement("Deny", &json!("*"), &json!("ecr:*"));
        deny["Condition"] = json!({ operator: { key: value } });
        json!({ "repositoryName": "demo", "policyText": repository_policy(json!([deny])) })
    };
    let list = json!({ "repositoryName": "demo" });
    for guard in [
        deny("Bool", "aws:SecureTransport", "false"),
        deny("StringNotEquals", "aws:PrincipalOrgID", "o-a1b2c3d4e5"),
        deny("StringNotEquals", "aws:ResourceOrgID", "${aws:PrincipalOrgID}"),
        deny(
            "StringNotEquals",
            "aws:ResourceAccount",
            "${aws:PrincipalAccount}",
        ),
    ] {
        // Without `force`, a policy that locked its owner out would be refused.
        api.ok("SetRepositoryPolicy", guard).await;
        api.ok("ListImages", list.clone()).await;
    }
    let other = deny("StringNotEquals", "aws:PrincipalOrgID", "o-ecru000000");
    let locked_out = api.call("SetRepositoryPolicy", other).await;
    locked_out.refuses_code(ErrorCode::InvalidParameterException);
}

#[tokio::test]
async fn a_caller_is_named_in_the_partition_of_its_region() {
    let api = Api::new().in_region("us-isob-east-1");
    api.create("demo").await;
    let stranger = api.by_account(OTHER_ACCOUNT);
    let list = json!({ "registryId": ACCOUNT, "repositoryName": "demo" });
    stranger.call("ListImages", list.clone()).await.is_not_allowed(
        "arn:aws-iso-b:iam::111122223333:root",
        "ListImages",
        "arn:aws-iso-b:ecr:us-isob-east-1:000000000000:repository/demo",
    );
    let mut allow = statement("Allow", &json!("*"), &json!("ecr:ListImages"));
    allow["Condition"] =
        json!({ "ArnEquals": { "aws:PrincipalArn": "arn:aws-iso-b:iam::111122223333:root" } });
    set_repository_policy(&api, json!([allow])).await;
    stranger.ok("ListImages", list).await;
}
