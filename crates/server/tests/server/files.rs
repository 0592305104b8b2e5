//! Files of a server: only their owner can access them.

use std::{
    fs,
    os::unix::fs::{FileTypeExt, MetadataExt},
    path::{Path, PathBuf},
};

use ecru_model::Digest;

use crate::client::{Running, start_on};
use crate::introspection::{create, push};

fn send(method: &str, path: &str, body: &str) -> String {
    format!(
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Basic dGVzdDp0ZXN0\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// Collects everything below a path, with its mode and whether the mode is correct.
fn look(path: &Path, found: &mut Vec<(PathBuf, u32, bool)>) {
    let metadata = fs::symlink_metadata(path).expect("metadata");
    let wanted = if metadata.is_dir() { 0o700 } else { 0o600 };
    let mode = metadata.mode() & 0o7777;
    let kind = metadata.file_type();
    let known = kind.is_dir() || kind.is_file() || kind.is_socket();
    found.push((path.to_owned(), mode, mode == wanted && known));
    if metadata.is_dir() {
        for entry in fs::read_dir(path).expect("a directory") {
            look(&entry.expect("an entry").path(), found);
        }
    }
}

#[tokio::test]
async fn everything_that_a_server_makes_is_its_owners_alone() {
    let around = tempfile::tempdir().expect("a directory");
    let data = around.path().join("data");
    let server = Running::of(start_on(&data, |_| {}).await, around);
    create(&server, "000000000000", "us-east-1", "demo").await;
    push(&server, "demo", "v1").await;
    let layer = "layer".repeat(40_000);
    let path = format!("/v2/demo/blobs/uploads/?digest={}", Digest::of(layer.as_bytes()));
    assert_eq!(server.ask(&send("POST", &path, &layer)).await.status, 201);
    let begun = server.ask(&send("POST", "/v2/demo/blobs/uploads/", "")).await;
    let location = begun.header("location").expect("a location");
    let (_, path) = location.split_once("/v2/").expect("a path");
    let appended = server.ask(&send("PATCH", &format!("/v2/{path}"), &layer)).await;
    assert_eq!(appended.status, 202);

    let mut found = Vec::new();
    look(&data, &mut found);
    let wrong = found.iter().filter(|(.., right)| !right).collect::<Vec<_>>();
    assert!(wrong.is_empty(), "{wrong:?}");
    for name in [
        "lock",
        "control",
        "ecru.sqlite",
        "ecru.sqlite-wal",
        "ecru.sqlite-shm",
    ] {
        assert!(
            found.iter().any(|(path, ..)| path.ends_with(name)),
            "{name}: {found:?}"
        );
    }
    let blobs = found
        .iter()
        .filter(|(path, ..)| path.starts_with(data.join("blobs")) && path.is_file());
    assert_eq!(blobs.count(), 2);
}
