//! Delivery of events: each arrives, in order, and pushes do not wait for it.

use std::sync::Mutex;

use serde_json::{Value, json};

use crate::client::{Running, start_with};
use crate::introspection::{create, list, operate, push};
use crate::receiver::{Received, Receiver, Reply, Reserved};

fn tag(event: &Value) -> String {
    let tag = event.pointer("/detail/image-tag").and_then(Value::as_str);
    tag.expect("a tag").to_owned()
}

async fn told(server: &Running) -> Vec<Value> {
    let listed = list(server, "/_ecru/events").await;
    listed
        .get("events")
        .and_then(Value::as_array)
        .expect("a list")
        .clone()
}

async fn push_all(server: &Running, repository: &str, tags: &[&str]) {
    for tag in tags {
        push(server, repository, tag).await;
    }
}

async fn next_tags<const COUNT: usize>(receiver: &mut Receiver) -> [String; COUNT] {
    let mut tags = [const { String::new() }; COUNT];
    for place in &mut tags {
        *place = tag(&receiver.next().await.body);
    }
    tags
}

#[tokio::test]
async fn a_webhook_gets_every_event_as_it_can_be_read_back() {
    let sink = Reserved::new();
    let server = start_with(|options| options.events.webhook = Some(sink.url())).await;
    let mut receiver = sink.take_all();
    create(&server, "test", "us-east-1", "demo").await;
    push_all(&server, "demo", &["v1", "v2", "v3"]).await;

    let mut events = Vec::new();
    for _ in 0..3 {
        let Received { head, body } = receiver.next().await;
        assert!(head.starts_with("post /events?token=secret http/1.1"), "{head}");
        assert!(head.contains("content-type: application/json\r\n"), "{head}");
        events.push(body);
    }
    assert_eq!(events, told(&server).await);
    assert_eq!(receiver.left(), 0);
}

#[tokio::test]
async fn a_sink_that_fails_gets_everything_in_order_once_it_recovers() {
    let sink = Reserved::new();
    let server = start_with(|options| options.events.webhook = Some(sink.url())).await;
    let mut receiver = sink.listen(|number, _| match number {
        0 | 3 => Reply::Status(500, Value::Null),
        1 => Reply::Close,
        2 => Reply::Status(302, Value::Null),
        _ => Reply::Status(204, Value::Null),
    });
    create(&server, "test", "us-east-1", "demo").await;
    push_all(&server, "demo", &["v1", "v2", "v3"]).await;
    let tags = next_tags::<7>(&mut receiver).await;
    assert_eq!(tags, ["v1", "v1", "v1", "v1", "v1", "v2", "v3"]);
}

#[tokio::test]
async fn nobody_who_pushes_waits_for_a_sink() {
    let (dead, hanging) = (Reserved::new(), Reserved::new());
    let server = start_with(|options| {
        options.events.webhook = Some(hanging.url());
        options.events.endpoint = Some(dead.url());
    })
    .await;
    let mut receiver = hanging.listen(|_, _| Reply::Hang);
    create(&server, "test", "us-east-1", "demo").await;
    push(&server, "demo", "v1").await;
    receiver.next().await;
    // The sink has received the first event but does not answer.
    push_all(&server, "demo", &["v2", "v3"]).await;
    assert_eq!(told(&server).await.len(), 3);
    assert_eq!(receiver.left(), 0);
    server.server.stop().await;
}

#[tokio::test]
async fn what_a_dead_sink_missed_arrives_after_a_restart() {
    let sink = Reserved::new();
    let url = sink.url();
    let configure = |options: &mut ecru_server::Options| options.events.webhook = Some(url.clone());
    let server = start_with(configure).await;
    create(&server, "test", "us-east-1", "demo").await;
    push_all(&server, "demo", &["v1", "v2"]).await;

    let server = server.restarted(configure).await;
    push(&server, "demo", "v3").await;
    let mut receiver = sink.take_all();
    assert_eq!(next_tags::<3>(&mut receiver).await, ["v1", "v2", "v3"]);

    // An accepted event is not sent again, unless the server ended before it recorded the acceptance.
    push(&server, "demo", "v4").await;
    assert_eq!(next_tags::<1>(&mut receiver).await, ["v4"]);
}

#[tokio::test]
async fn a_new_sink_begins_with_the_events_to_come() {
    let server = start_with(|_| {}).await;
    create(&server, "test", "us-east-1", "demo").await;
    push(&server, "demo", "v1").await;

    let sink = Reserved::new();
    let server = server
        .restarted(|options| options.events.webhook = Some(sink.url()))
        .await;
    let mut receiver = sink.take_all();
    push(&server, "demo", "v2").await;
    assert_eq!(next_tags::<1>(&mut receiver).await, ["v2"]);
}

#[tokio::test]
async fn put_events_takes_ten_at_most_and_never_two_of_a_repository() {
    let sink = Reserved::new();
    let url = sink.url();
    let configure = |options: &mut ecru_server::Options| options.events.endpoint = Some(url.clone());
    let server = start_with(configure).await;
    let names = (0..12).map(|number| format!("r{number:02}")).collect::<Vec<_>>();
    for name in &names {
        create(&server, "test", "us-east-1", name).await;
        push(&server, name, "v1").await;
    }
    push(&server, "r11", "v2").await;
    // All events wait at the restart, so they are read at once.
    let _server = server.restarted(configure).await;

    // In the first call with that many events, the second and the fifth are refused.
    let refused = Mutex::new(true);
    let mut receiver = sink.listen(move |_, body| {
        let count = body.get("Entries").and_then(Value::as_array).map_or(0, Vec::len);
        let mut refused = refused.lock().expect("a lock");
        let failing = std::mem::take(&mut *refused);
        let entries = (0..count).map(|place| match place {
            1 | 4 if failing => json!({ "ErrorCode": "InternalFailure", "ErrorMessage": "later" }),
            _ => json!({ "EventId": "x" }),
        });
        let failed = if failing { 2 } else { 0 };
        Reply::Status(
            200,
            json!({ "FailedEntryCount": failed, "Entries": entries.collect::<Vec<_>>() }),
        )
    });

    let first = receiver.next().await;
    assert!(
        first.head.contains("x-amz-target: awsevents.putevents\r\n"),
        "{}",
        first.head
    );
    assert!(
        first.head.contains("credential=000000000000/")
            && first.head.contains("/us-east-1/events/aws4_request"),
        "{}",
        first.head
    );
    assert_eq!(repositories(&first.body), names.get(..10).expect("ten"));
    let entry = first.body.pointer("/Entries/0").expect("an entry");
    assert_eq!(entry.get("Source"), Some(&json!("aws.ecr")));
    assert_eq!(entry.get("DetailType"), Some(&json!("ECR Image Action")));
    assert_eq!(entry.get("Resources"), Some(&json!([])));

    assert_eq!(repositories(&receiver.next().await.body), ["r01", "r04"]);
    assert_eq!(repositories(&receiver.next().await.body), ["r10", "r11"]);
    assert_eq!(repositories(&receiver.next().await.body), ["r11"]);
}

fn repositories(body: &Value) -> Vec<String> {
    let entries = body.get("Entries").and_then(Value::as_array).expect("entries");
    let name = |entry: &Value| {
        let detail = entry.get("Detail").and_then(Value::as_str).expect("a detail");
        let detail: Value = serde_json::from_str(detail).expect("JSON");
        detail
            .get("repository-name")
            .and_then(Value::as_str)
            .expect("a name")
            .to_owned()
    };
    entries.iter().map(name).collect()
}

#[tokio::test]
async fn put_events_keeps_registries_apart() {
    let sink = Reserved::new();
    let server = start_with(|options| options.events.endpoint = Some(sink.url())).await;
    for (account, name) in [("111122223333", "aa"), ("444455556666", "bb")] {
        create(&server, account, "eu-west-1", name).await;
        let empty = "{}";
        let config = json!({ "mediaType": "application/vnd.oci.image.config.v1+json", "size": 2,
            "digest": "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a" });
        let call = async |operation: &str, input: Value| {
            operate(&server, account, "eu-west-1", operation, input).await
        };
        let begun = call("InitiateLayerUpload", json!({ "repositoryName": name }))
            .await
            .json();
        let upload = begun.get("uploadId").expect("an upload").clone();
        let part = json!({ "repositoryName": name, "uploadId": upload, "partFirstByte": 0, "partLastByte": 1,
            "layerPartBlob": base64::Engine::encode(&base64::engine::general_purpose::STANDARD, empty) });
        call("UploadLayerPart", part).await;
        let digests = json!([config.get("digest")]);
        call(
            "CompleteLayerUpload",
            json!({ "repositoryName": name, "uploadId": upload, "layerDigests": digests }),
        )
        .await;
        let manifest = json!({ "schemaVersion": 2, "layers": [], "config": config,
            "mediaType": "application/vnd.oci.image.manifest.v1+json" });
        call(
            "PutImage",
            json!({ "repositoryName": name, "imageManifest": manifest.to_string(), "imageTag": "v1" }),
        )
        .await;
    }
    let mut receiver = sink.listen(|_, _| Reply::Status(200, json!({ "FailedEntryCount": 0 })));
    for (account, name) in [("111122223333", "aa"), ("444455556666", "bb")] {
        let Received { head, body } = receiver.next().await;
        assert_eq!(repositories(&body), [name]);
        let credential = format!("credential={account}/");
        assert!(head.contains(&credential), "{head}");
    }
}
