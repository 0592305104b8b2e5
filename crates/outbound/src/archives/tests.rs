//! Answers of servers that are slow, broken or hostile.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::*;

/// Answers each request with bytes that a test made, and then sends nothing more.
struct Scripted {
    base: Url,
    heads: Arc<Mutex<Vec<String>>>,
    _serving: JoinSet<()>,
}

enum After {
    Close,
    Hang,
    Repeat(&'static [u8]),
}

async fn scripted(answer: impl Fn(usize) -> (String, After) + Send + 'static) -> Scripted {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = Url::parse(&format!("http://{}/osv/", listener.local_addr().unwrap())).unwrap();
    let heads = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&heads);
    let mut serving = JoinSet::new();
    serving.spawn(async move {
        let mut hanging = Vec::new();
        while let Ok((stream, _)) = listener.accept().await {
            let mut stream = BufReader::new(stream);
            let mut head = String::new();
            while !head.ends_with("\r\n\r\n") && stream.read_line(&mut head).await.unwrap_or(0) > 0 {}
            let number = seen.lock().unwrap().len();
            seen.lock().unwrap().push(head.to_lowercase());
            let (bytes, after) = answer(number);
            let _ = stream.get_mut().write_all(bytes.as_bytes()).await;
            match after {
                After::Close => {}
                After::Hang => hanging.push(stream),
                After::Repeat(bytes) => while stream.get_mut().write_all(bytes).await.is_ok() {},
            }
        }
    });
    Scripted {
        base,
        heads,
        _serving: serving,
    }
}

fn limits() -> ArchiveLimits {
    ArchiveLimits {
        bytes_max: 1 << 20,
        stall_max: Duration::from_millis(300),
        time_max: Duration::from_secs(20),
    }
}

async fn gather(coming: &mut Coming) -> Result<Vec<u8>, FetchError> {
    let mut all = Vec::new();
    while let Some(piece) = coming.next().await? {
        all.extend_from_slice(&piece);
    }
    Ok(all)
}

async fn fetch(server: &Scripted, held: Held<'_>) -> Result<Vec<u8>, FetchError> {
    let archives = Archives::new(server.base.clone(), limits());
    match archives.fetch(&["Debian:12", "all.zip"], held).await? {
        Answer::Coming(mut coming) => gather(&mut coming).await,
        Answer::Unchanged => Ok(b"unchanged".to_vec()),
        Answer::Absent => Ok(b"absent".to_vec()),
    }
}

fn plain(bytes: &str) -> String {
    format!(
        "HTTP/1.1 200 OK\r\nETag: \"one\"\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{bytes}",
        bytes.len()
    )
}

#[tokio::test]
async fn names_are_encoded_below_the_base() {
    let server = scripted(|_| (plain("whole"), After::Close)).await;
    assert_eq!(fetch(&server, Held::default()).await.unwrap(), b"whole");
    let archives = Archives::new(server.base.clone(), limits());
    let answer = archives
        .fetch(&["Red Hat:enterprise_linux:9", "all.zip"], Held::default())
        .await;
    assert!(matches!(
        answer,
        Ok(Answer::Coming(Coming {
            at: 0,
            length: Some(5),
            version: Some(_),
            ..
        }))
    ));
    let heads = server.heads.lock().unwrap();
    assert!(
        heads[0].starts_with("get /osv/debian:12/all.zip http/1.1\r\n"),
        "{}",
        heads[0]
    );
    assert!(
        heads[1].starts_with("get /osv/red%20hat:enterprise_linux:9/all.zip "),
        "{}",
        heads[1]
    );
}

#[tokio::test]
async fn a_part_is_continued_if_it_is_of_the_same_version() {
    let answers = [
        "HTTP/1.1 206 x\r\nETag: \"one\"\r\nContent-Range: bytes 2-4/5\r\nContent-Length: 3\r\nConnection: close\r\n\r\nole".to_owned(),
        plain("other"),
        "HTTP/1.1 206 x\r\nContent-Range: bytes 0-4/5\r\nContent-Length: 5\r\nConnection: close\r\n\r\nwhole".to_owned(),
        "HTTP/1.1 206 x\r\nETag: \"two\"\r\nContent-Range: bytes 2-4/5\r\nContent-Length: 3\r\nConnection: close\r\n\r\nole".to_owned(),
        "HTTP/1.1 416 x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".to_owned(),
        plain("whole"),
    ];
    let server = scripted(move |number| (answers[number].clone(), After::Close)).await;
    let held = Held {
        part: Some(("\"one\"", 2)),
        whole: Some("\"zero\""),
    };
    assert_eq!(fetch(&server, held).await.unwrap(), b"ole");
    assert_eq!(fetch(&server, held).await.unwrap(), b"other");
    assert!(matches!(fetch(&server, held).await, Err(FetchError::Unusable(_))));
    assert!(matches!(fetch(&server, held).await, Err(FetchError::Unusable(_))));
    assert_eq!(fetch(&server, held).await.unwrap(), b"whole");
    let heads = server.heads.lock().unwrap();
    assert!(
        heads[0].contains("range: bytes=2-\r\n") && heads[0].contains("if-range: \"one\"\r\n"),
        "{}",
        heads[0]
    );
    assert!(!heads[5].contains("range:"), "{}", heads[5]);
}

#[tokio::test]
async fn what_is_here_already_is_not_sent_again() {
    let server = scripted(|number| {
        let status = ["304 x", "404 x"][number];
        (
            format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"),
            After::Close,
        )
    })
    .await;
    let held = Held {
        whole: Some("\"one\""),
        part: None,
    };
    assert_eq!(fetch(&server, held).await.unwrap(), b"unchanged");
    assert_eq!(fetch(&server, held).await.unwrap(), b"absent");
    assert!(server.heads.lock().unwrap()[0].contains("if-none-match: \"one\"\r\n"));
}

#[tokio::test]
async fn an_answer_that_is_cut_or_stalls_may_be_continued_and_one_that_does_not_end_is_refused() {
    let head = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf".to_owned();
    let server = scripted(move |number| {
        let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_owned();
        match number {
            0 => (head.clone(), After::Close),
            1 => (head.clone(), After::Hang),
            2 => (String::new(), After::Hang),
            3 => (chunked, After::Repeat(b"a\r\n0123456789\r\n")),
            4 => (
                "HTTP/1.1 200 OK\r\nContent-Length: 3000000000\r\n\r\n".to_owned(),
                After::Hang,
            ),
            5 => (
                "HTTP/1.1 503 x\r\nContent-Length: 0\r\n\r\n".to_owned(),
                After::Close,
            ),
            _ => (
                "HTTP/1.1 403 x\r\nContent-Length: 0\r\n\r\n".to_owned(),
                After::Close,
            ),
        }
    })
    .await;
    let mut passes = Vec::new();
    for _ in 0..7 {
        passes.push(
            fetch(&server, Held::default())
                .await
                .expect_err("no whole answer")
                .may_pass(),
        );
    }
    assert_eq!(passes, [true, true, true, false, false, true, false]);
}

#[tokio::test]
async fn redirections_are_few_and_lead_to_no_private_place() {
    let server = scripted(|number| {
        let to = match number {
            0 => "/osv/elsewhere",
            1 => "",
            2 => "http://127.0.0.1:1/",
            3 => "https://127.0.0.1:1/",
            4 => "https://[::ffff:169.254.169.254]/latest/meta-data",
            5 => "file:///etc/passwd",
            _ => "/again",
        };
        if to.is_empty() {
            return (plain("whole"), After::Close);
        }
        let answer =
            format!("HTTP/1.1 302 x\r\nLocation: {to}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        (answer, After::Close)
    })
    .await;
    assert_eq!(fetch(&server, Held::default()).await.unwrap(), b"whole");
    for _ in 0..5 {
        assert!(matches!(
            fetch(&server, Held::default()).await,
            Err(FetchError::Unusable(_))
        ));
    }
    assert_eq!(server.heads.lock().unwrap().len(), 2 + 4 + 6);
}
