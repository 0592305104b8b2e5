//! `ecru advisories update` with a server of archives that may be hostile.

#![expect(clippy::indexing_slicing, reason = "a helper that fails is a test that fails")]

use std::{
    collections::HashMap,
    fs,
    io::{Cursor, Write},
    net::SocketAddr,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::Command,
    sync::{Arc, Mutex},
    time::Duration,
};

use ecru_outbound::Url;
use ecru_server::AdvisoriesRefresh;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::TcpListener,
    task::JoinSet,
    time::timeout,
};
use zip::write::SimpleFileOptions;

use crate::{
    client::{Running, start},
    introspection::{operate, try_to_operate},
    scanning::{check_glibc, debian, findings, glibc, push, push_tagged},
};

const PATIENCE: Duration = Duration::from_mins(1);

/// Archives by path, as in OSV's bucket.
struct Bucket {
    address: SocketAddr,
    state: Arc<State>,
    _serving: JoinSet<()>,
}

#[derive(Default)]
struct State {
    archives: Mutex<HashMap<String, Vec<u8>>>,
    heads: Mutex<Vec<String>>,
    /// The number of answers, from the next one on, that end after half of their bytes.
    cuts: Mutex<usize>,
}

impl Bucket {
    async fn start() -> Bucket {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let state = Arc::new(State::default());
        let mut serving = JoinSet::new();
        let served = Arc::clone(&state);
        serving.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let mut stream = BufReader::new(stream);
                let mut head = String::new();
                while !head.ends_with("\r\n\r\n") && stream.read_line(&mut head).await.unwrap_or(0) > 0 {}
                let answer = served.answer(&head);
                let _ = stream.get_mut().write_all(&answer).await;
            }
        });
        Bucket {
            address,
            state,
            _serving: serving,
        }
    }

    fn put(&self, path: &str, bytes: Vec<u8>) {
        self.state
            .archives
            .lock()
            .expect("a lock")
            .insert(path.to_owned(), bytes);
    }

    fn put_debian(&self) {
        self.put("/osv/Debian:12/all.zip", archive(&[glibc()]));
    }

    fn url(&self) -> String {
        format!("http://{}/osv", self.address)
    }

    fn cut(&self, answers: usize) {
        *self.state.cuts.lock().expect("a lock") = answers;
    }

    fn heads(&self) -> Vec<String> {
        self.state.heads.lock().expect("a lock").clone()
    }
}

impl State {
    fn answer(&self, head: &str) -> Vec<u8> {
        let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
        let path = path
            .split_once("nowhere.invalid")
            .map_or(path.as_str(), |(_, path)| path)
            .to_owned();
        let header = |name: &str| {
            let lines = head.lines().filter_map(|line| line.split_once(": "));
            lines
                .filter(|(found, _)| found.eq_ignore_ascii_case(name))
                .map(|(_, value)| value.to_owned())
                .next()
        };
        let (range, known) = (header("range"), header("if-none-match"));
        self.heads.lock().expect("a lock").push(head.to_owned());
        let archives = self.archives.lock().expect("a lock");
        let Some(bytes) = archives.get(&path) else {
            return b"HTTP/1.1 404 x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".to_vec();
        };
        let version = format!("\"{}\"", ecru_model::Digest::of(bytes));
        if known.as_deref() == Some(version.as_str()) {
            return b"HTTP/1.1 304 x\r\nConnection: close\r\n\r\n".to_vec();
        }
        let at = range.and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok());
        let continued = at.filter(|_| header("if-range").as_deref() == Some(version.as_str()));
        let status = match continued {
            Some(at) => format!(
                "206 x\r\nContent-Range: bytes {at}-{}/{}",
                bytes.len() - 1,
                bytes.len()
            ),
            None => "200 x".to_owned(),
        };
        let rest: &[u8] = &bytes[continued.unwrap_or(0)..];
        let mut cuts = self.cuts.lock().expect("a lock");
        let sent = if *cuts > 0 { rest.len() / 2 } else { rest.len() };
        *cuts = cuts.saturating_sub(1);
        let mut answer = format!(
            "HTTP/1.1 {status}\r\nETag: {version}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
            rest.len()
        )
        .into_bytes();
        answer.extend_from_slice(&rest[..sent]);
        answer
    }
}

fn archive(documents: &[Value]) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (place, document) in documents.iter().enumerate() {
        let name = format!("{place}.json");
        writer
            .start_file(name, SimpleFileOptions::default())
            .expect("an entry");
        writer.write_all(document.to_string().as_bytes()).expect("bytes");
    }
    writer.finish().expect("an archive").into_inner()
}

#[derive(Debug)]
struct Ended {
    good: bool,
    out: String,
    err: String,
}

async fn update(data: &Path, words: &[&str], variables: &[(&str, &str)]) -> Ended {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ecru"));
    command.env_clear().envs(variables.iter().copied());
    command
        .args(["advisories", "update", "--data-dir"])
        .arg(data)
        .args(words);
    let output = tokio::task::spawn_blocking(move || command.output());
    let output = output.await.expect("no panic").expect("the command runs");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
    Ended {
        good: output.status.success(),
        out: text(output.stdout),
        err: text(output.stderr),
    }
}

async fn scan(server: &Running) -> Value {
    let input = json!({ "repositoryName": "demo", "imageId": { "imageTag": "v1" } });
    try_to_operate(server, "test", "us-east-1", "StartImageScan", input).await;
    findings(server).await
}

#[tokio::test]
async fn one_command_leads_from_a_failed_scan_to_findings() {
    let (server, bucket) = (start().await, Bucket::start().await);
    bucket.put_debian();
    let data = server.server.data_directory().to_owned();
    let from = bucket.url();
    let nothing = update(&data, &["--from", &from], &[]).await;
    assert!(
        !nothing.good && nothing.err.contains("holds no image with packages"),
        "{nothing:?}"
    );
    assert!(nothing.err.contains("--ecosystem Debian:12") && nothing.err.lines().count() == 1);
    assert!(bucket.heads().is_empty());

    push(&server, &debian()).await;
    let failed = findings(&server).await;
    let description = failed["imageScanStatus"]["description"].as_str().expect("text");
    assert!(description.contains("`ecru advisories update`"), "{description}");

    let updated = update(&data, &["--from", &from], &[]).await;
    assert!(updated.good, "{updated:?}");
    assert!(
        updated.out.starts_with("Debian:12: 1 advisories (0.0 MiB)\n"),
        "{updated:?}"
    );
    let repeated = "scans to repeat, because they lacked advisories: 1\n";
    assert!(updated.out.ends_with(repeated), "{updated:?}");
    assert!(
        !updated.err.contains('\r') && updated.err.contains("fetching Debian:12"),
        "{updated:?}"
    );
    check_glibc(&findings(&server).await);

    let again = update(&data, &["--from", &from], &[]).await;
    assert!(again.good && again.out == "Debian:12: up to date\n", "{again:?}");
    for path in ["advisories.db", "advisories/Debian%3A12.db", "advisories/lock"] {
        let mode = fs::metadata(data.join(path))
            .expect("a file")
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600, "{path}");
    }
}

#[tokio::test]
async fn an_image_of_which_nobody_had_a_scan_made_gets_its_advisories() {
    let (server, bucket) = (start().await, Bucket::start().await);
    bucket.put_debian();
    let (data, from) = (server.server.data_directory().to_owned(), bucket.url());
    let words = ["--from", from.as_str()];
    let create = json!({ "repositoryName": "demo" });
    operate(&server, "test", "us-east-1", "CreateRepository", create).await;
    let unreadable = push_tagged(&server, b"this is not a layer", "v0").await;
    let nothing = update(&data, &words, &[]).await;
    assert!(
        !nothing.good && nothing.err.contains("holds no image with packages"),
        "{nothing:?}"
    );
    push_tagged(&server, &debian(), "v1").await;

    let updated = update(&data, &words, &[]).await;
    assert!(updated.good, "{updated:?}");
    let left_out = format!("an image cannot be read, so that its ecosystems are unknown: `{unreadable}`: ");
    assert!(updated.err.contains(&left_out), "{updated:?}");
    assert!(updated.out.starts_with("Debian:12: 1 advisories"), "{updated:?}");
    assert!(updated.out.contains("start-image-scan"), "{updated:?}");
    check_glibc(&scan(&server).await);

    // Without a server, the command reads the directory itself.
    server.server.stop().await;
    fs::remove_file(data.join("advisories.db")).expect("a file");
    let again = update(&data, &words, &[]).await;
    assert!(again.good && again.out == "Debian:12: up to date\n", "{again:?}");
    assert!(again.err.contains(&left_out), "{again:?}");
}

#[tokio::test]
async fn a_download_that_is_cut_at_half_is_continued_by_the_same_run_or_the_next() {
    let data = tempfile::tempdir().expect("a directory");
    let bucket = Bucket::start().await;
    bucket.put_debian();
    let words = ["--from", &bucket.url(), "--ecosystem", "Debian:12"];
    bucket.cut(1);
    let updated = update(data.path(), &words, &[]).await;
    assert!(updated.good && updated.err.contains("continuing"), "{updated:?}");
    let heads = bucket.heads();
    assert!(
        heads.len() == 2 && heads[1].contains("range: bytes="),
        "{heads:?}"
    );

    bucket.put("/osv/Debian:12/all.zip", archive(&[glibc(), glibc()]));
    bucket.cut(usize::MAX);
    let failed = update(data.path(), &words, &[]).await;
    assert!(!failed.good && failed.err.contains("cut off"), "{failed:?}");
    assert!(failed.err.contains("stay in use"), "{failed:?}");
    assert!(data.path().join("advisories/Debian%3A12.zip.part").exists());
    bucket.cut(0);
    let before = bucket.heads().len();
    let updated = update(data.path(), &words, &[]).await;
    assert!(updated.good, "{updated:?}");
    let heads = bucket.heads();
    assert!(
        heads.len() == before + 1 && heads[before].contains("if-range: "),
        "{heads:?}"
    );
    assert!(!data.path().join("advisories/Debian%3A12.zip.part").exists());
}

#[tokio::test]
async fn an_ecosystem_that_is_missing_is_named_and_the_others_are_loaded() {
    let data = tempfile::tempdir().expect("a directory");
    let bucket = Bucket::start().await;
    bucket.put("/osv/Debian/all.zip", archive(&[glibc()]));
    let from = bucket.url();
    let words = ["--from", &from, "--ecosystem", "npm", "--ecosystem", "Debian:12"];
    let updated = update(data.path(), &words, &[]).await;
    assert!(!updated.good, "{updated:?}");
    assert!(
        updated.err.contains("npm: no advisories are published"),
        "{updated:?}"
    );
    // If a release has no archive, the archive of all releases is used.
    assert!(updated.out.starts_with("Debian:12: 1 advisories"), "{updated:?}");
    let nobody = update(
        data.path(),
        &["--from", "http://127.0.0.1:1", "--ecosystem", "npm"],
        &[],
    )
    .await;
    assert!(
        !nobody.good && nobody.err.contains("did not answer"),
        "{nobody:?}"
    );
    let left = fs::read_dir(data.path().join("advisories")).expect("a directory");
    let mut left: Vec<_> = left.map(|entry| entry.expect("an entry").file_name()).collect();
    left.sort();
    assert_eq!(left, ["Debian.db", "lock"]);
}

#[tokio::test]
async fn whatever_a_server_sends_the_advisories_before_stay() {
    let (server, bucket) = (start().await, Bucket::start().await);
    bucket.put_debian();
    let data = server.server.data_directory().to_owned();
    let words = ["--from", &bucket.url(), "--ecosystem", "Debian:12"];
    assert!(update(&data, &words, &[]).await.good);
    let whole = archive(&[glibc()]);
    let mut damaged = whole.clone();
    damaged[60] ^= 0xff;
    let bomb = archive(&[json!({ "id": "a", "details": " ".repeat(9 << 20) })]);
    let bad = [
        b"<html>".to_vec(),
        whole[..whole.len() - 5].to_vec(),
        damaged,
        bomb,
        archive(&[json!([])]),
        Vec::new(),
    ];
    for bytes in bad {
        bucket.put("/osv/Debian:12/all.zip", bytes);
        let refused = update(&data, &words, &[]).await;
        assert!(
            !refused.good && refused.err.contains("stay in use"),
            "{refused:?}"
        );
    }
    push(&server, &debian()).await;
    check_glibc(&findings(&server).await);
}

#[tokio::test]
async fn proxies_of_the_environment_are_used_but_where_they_are_not_to_be() {
    let data = tempfile::tempdir().expect("a directory");
    let bucket = Bucket::start().await;
    bucket.put_debian();
    let proxy = format!("http://{}", bucket.address);
    let words = [
        "--from",
        "http://nowhere.invalid/osv/",
        "--ecosystem",
        "Debian:12",
    ];
    let through = update(data.path(), &words, &[("HTTP_PROXY", &proxy)]).await;
    assert!(through.good, "{through:?}");
    assert!(bucket.heads()[0].starts_with("GET http://nowhere.invalid/osv/Debian:12/all.zip "));

    let variables = [("HTTP_PROXY", "http://127.0.0.1:1"), ("NO_PROXY", "127.0.0.1")];
    let words = ["--from", &bucket.url(), "--ecosystem", "Debian:12"];
    let beside = update(data.path(), &words, &variables).await;
    assert!(beside.good, "{beside:?}");
    // For HTTPS, the client asks the proxy for a tunnel.
    let words = ["--from", "https://nowhere.invalid/", "--ecosystem", "Debian:12"];
    let tunnel = update(data.path(), &words, &[("HTTPS_PROXY", &proxy)]).await;
    assert!(!tunnel.good, "{tunnel:?}");
    let heads = bucket.heads();
    assert!(
        heads
            .iter()
            .any(|head| head.starts_with("CONNECT nowhere.invalid:443 ")),
        "{heads:?}"
    );
}

#[tokio::test]
async fn a_server_keeps_the_advisories_of_its_images_fresh() {
    let (server, bucket) = (start().await, Bucket::start().await);
    bucket.put_debian();
    push(&server, &debian()).await;
    assert_eq!(findings(&server).await["imageScanStatus"]["status"], "FAILED");
    let from = Url::parse(&bucket.url()).expect("a URL");
    let server = server
        .restarted(|options| {
            options.advisories_refresh = Some(AdvisoriesRefresh {
                every: Duration::from_hours(1),
                from,
            });
        })
        .await;
    let scanned = timeout(PATIENCE, async {
        loop {
            let described = findings(&server).await;
            if described["imageScanStatus"]["status"] == "COMPLETE" {
                return described;
            }
        }
    });
    check_glibc(&scanned.await.expect("findings in time"));
    assert_eq!(bucket.heads().len(), 1);
}
