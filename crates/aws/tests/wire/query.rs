//! STS's generated code with the query protocol.

use std::sync::Arc;

use ecru_aws::Wire;
use ecru_platform::wire::{AwsService, Call, Protocol, ServiceError, ServiceFacts};
use http::{Method, Request};

use crate::{
    Answer, Context, FORM, ask, signature,
    sts::generated::{dispatch::dispatch, service::FACTS, shapes::AssumeRoleInput},
    wire,
};

struct Sts(Context);

impl AwsService for Sts {
    const FACTS: &'static ServiceFacts = &FACTS;

    async fn call<P: Protocol>(&self, call: Call, given: P::Given) -> Result<P::Answer, ServiceError> {
        let ctx = Context {
            asked: Arc::clone(&self.0.asked),
            sender: call.sender,
        };
        dispatch::<P>(&ctx, call.number, call.operation, given).await
    }
}

const ROLE: &str = "RoleArn=arn%3Aaws%3Aiam%3A%3A000000000000%3Arole%2Fa";

fn sts() -> (Wire, Context) {
    let ctx = Context::default();
    (wire(vec![ecru_aws::query(Sts(ctx.clone()))]), ctx)
}

fn form() -> http::request::Builder {
    let request = Request::post("/").header("content-type", FORM);
    request.header("authorization", signature("sts"))
}

async fn post(body: &str) -> Answer {
    ask(&sts().0, form(), body).await
}

async fn assumed(members: &str) -> AssumeRoleInput {
    let (wire, ctx) = sts();
    let body = format!("Action=AssumeRole&Version=2011-06-15&RoleSessionName=session&{ROLE}&{members}");
    let answer = ask(&wire, form(), &body).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    ctx.asked.lock().unwrap().pop().unwrap()
}

#[tokio::test]
async fn an_input_is_read_from_the_keys_of_a_form() {
    let input = assumed(
        "DurationSeconds=900&Tags.member.2.Key=b&Tags.member.2.Value=2&Tags.member.1.Key=a%20b&Tags.member.1.Value=1\
         &PolicyArns.member.1.arn=arn:aws:iam::aws:policy/ReadOnlyAccess&TransitiveTagKeys.member.1=b&NotOfTheModel.x=1",
    )
    .await;
    assert_eq!(input.role_arn.as_str(), "arn:aws:iam::000000000000:role/a");
    assert_eq!(input.duration_seconds, Some(900));
    let tags = input.tags.unwrap();
    let tags = tags.iter().map(|tag| (tag.key.as_str(), tag.value.as_str()));
    assert_eq!(tags.collect::<Vec<_>>(), [("a b", "1"), ("b", "2")]);
    let policies = input.policy_arns.unwrap();
    let policy = policies[0].arn.as_ref().unwrap();
    assert_eq!(policy.as_str(), "arn:aws:iam::aws:policy/ReadOnlyAccess");
    assert_eq!(input.transitive_tag_keys.unwrap()[0].as_str(), "b");
    assert!(input.external_id.is_none());
}

#[tokio::test]
async fn an_empty_value_is_a_value_and_an_empty_list_a_list() {
    let input = assumed("Tags.member.1.Key=a&Tags.member.1.Value=&PolicyArns=").await;
    assert_eq!(input.tags.unwrap()[0].value.as_str(), "");
    assert_eq!(input.policy_arns, Some(Vec::new()));
    assert_eq!(input.transitive_tag_keys, None);
}

#[tokio::test]
async fn an_output_is_its_result_in_xml_without_absent_members() {
    let answer = post(&format!(
        "Action=AssumeRole&Version=2011-06-15&RoleSessionName=session&{ROLE}"
    ))
    .await;
    assert_eq!((answer.status, answer.content_type()), (200, "text/xml"));
    assert_eq!(
        answer.body,
        "<AssumeRoleResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><AssumeRoleResult>\
         <Credentials><AccessKeyId>ASIAEXAMPLE</AccessKeyId><SecretAccessKey>a&lt;b&gt;&amp;c</SecretAccessKey>\
         <SessionToken></SessionToken><Expiration>2026-01-01T00:00:00Z</Expiration></Credentials>\
         <PackedPolicySize>6</PackedPolicySize></AssumeRoleResult>\
         <ResponseMetadata><RequestId>ID</RequestId></ResponseMetadata></AssumeRoleResponse>"
    );
}

fn error(code: &str, message: &str) -> String {
    format!(
        "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><Error><Type>Sender</Type><Code>{code}</Code>\
         <Message>{message}</Message></Error><RequestId>ID</RequestId></ErrorResponse>"
    )
}

#[tokio::test]
async fn an_error_of_the_service_has_its_own_code_and_status() {
    let answer = post("Action=GetSessionToken&Version=2011-06-15").await;
    assert_eq!((answer.status, answer.content_type()), (403, "text/xml"));
    let message = "STS is not &lt;activated&gt; in this region";
    assert_eq!(answer.body, error("RegionDisabledException", message));
}

#[tokio::test]
async fn all_broken_constraints_are_described_with_their_values() {
    let answer = post("Action=AssumeRole&Version=2011-06-15&RoleArn=short&DurationSeconds=1").await;
    assert_eq!(answer.status, 400);
    let message = "3 validation errors detected: Value 'short' at 'roleArn' failed to satisfy constraint: Member must have \
                   length greater than or equal to 20; Value null at 'roleSessionName' failed to satisfy constraint: Member \
                   must not be null; Value '1' at 'durationSeconds' failed to satisfy constraint: Member must have value \
                   greater than or equal to 900";
    assert_eq!(answer.body, error("ValidationError", message));
}

#[tokio::test]
async fn what_cannot_be_read_is_malformed_input() {
    let named = format!("Action=AssumeRole&Version=2011-06-15&RoleSessionName=session&{ROLE}");
    for (members, message) in [
        ("DurationSeconds=soon", "an integer is written in digits"),
        ("Tags=a", "a list has numbered elements, not a value"),
        ("Tags.member.1=a", "a structure has members, not a value"),
        ("ExternalId.a=b", "a text is one value, not several"),
    ] {
        let answer = post(&format!("{named}&{members}")).await;
        let expected = (400, error("MalformedInput", message));
        assert_eq!((answer.status, answer.body), expected, "{members}");
    }
    let answer = post("Action=%zz").await;
    let message = "the form is not percent-encoded";
    assert_eq!(answer.body, error("MalformedInput", message));
}

#[tokio::test]
async fn an_unknown_operation_is_refused_in_the_protocol_of_the_service() {
    for (body, message) in [
        (
            "Action=AssumeRoot&Version=2011-06-15",
            "Could not find operation AssumeRoot for version 2011-06-15",
        ),
        ("", "Could not find operation  for version "),
    ] {
        let answer = post(body).await;
        let expected = (400, error("InvalidAction", message));
        assert_eq!((answer.status, answer.body), expected);
    }
}

#[tokio::test]
async fn an_unsigned_form_is_of_the_service_of_its_version() {
    let (wire, _) = sts();
    let form = || Request::post("/").header("content-type", FORM);
    let body = format!(
        "Action=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleSessionName=session&WebIdentityToken=token&{ROLE}"
    );
    let answer = ask(&wire, form(), &body).await;
    assert_eq!(answer.status, 200, "{}", answer.body);

    let answer = ask(&wire, form(), "Action=GetCallerIdentity&Version=2011-06-15").await;
    let expected = error("MissingAuthenticationToken", "Missing Authentication Token");
    assert_eq!((answer.status, answer.body), (403, expected));

    let answer = ask(&wire, form(), "Action=GetCallerIdentity&Version=2010-05-08").await;
    let begin = "<ErrorResponse><Error><Type>Sender</Type><Code>InvalidAction</Code>";
    assert!(
        answer.status == 400 && answer.body.starts_with(begin),
        "{}",
        answer.body
    );
}

#[tokio::test]
async fn a_presigned_address_is_a_form() {
    let (wire, _) = sts();
    let request = Request::get(
        "/?Action=GetCallerIdentity&Version=2011-06-15&X-Amz-Algorithm=AWS4-HMAC-SHA256\
         &X-Amz-Credential=AKIDEXAMPLE%2F20260101%2Fus-east-1%2Fsts%2Faws4_request&X-Amz-SignedHeaders=host&X-Amz-Signature=00",
    );
    assert!(wire.claims(&Method::GET, request.uri_ref().unwrap()));
    assert!(!wire.claims(&Method::GET, &"/?Other=1".parse().unwrap()));
    let answer = ask(&wire, request, "").await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let result = "<GetCallerIdentityResult><UserId>AKIDEXAMPLE</UserId></GetCallerIdentityResult>";
    assert!(answer.body.contains(result), "{}", answer.body);
}

#[tokio::test]
async fn only_a_plain_form_is_taken() {
    let (wire, _) = sts();
    let request = || Request::post("/").header("authorization", signature("sts"));
    let body = "Action=GetCallerIdentity&Version=2011-06-15";
    let answer = ask(&wire, request().header("content-type", "text/plain"), body).await;
    let message = "the content type must be `application/x-www-form-urlencoded`";
    assert_eq!(answer.body, error("InvalidAction", message));
    let encoded = form().header("content-encoding", "gzip");
    assert_eq!(ask(&wire, encoded, body).await.status, 400);
}

#[tokio::test]
async fn a_service_that_is_not_mounted_is_refused_in_the_protocol_that_was_spoken() {
    let (wire, _) = sts();
    for version in ["1.0", "1.1"] {
        let content_type = format!("application/x-amz-json-{version}");
        let request = Request::post("/")
            .header("content-type", &content_type)
            .header("x-amz-target", "DynamoDB_20120810.ListTables")
            .header("authorization", signature("dynamodb"));
        let answer = ask(&wire, request, "{}").await;
        assert_eq!(
            (answer.status, answer.content_type()),
            (400, content_type.as_str())
        );
        let begin = r#"{"__type":"UnknownOperationException","message":""#;
        assert!(answer.body.starts_with(begin), "{}", answer.body);
    }
}
