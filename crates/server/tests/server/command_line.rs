//! The real binary: its first lines, its errors and its exit codes.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Child, ChildStdout, Command, Output, Stdio},
};

use rustix::process::{Pid, Signal, kill_process};

const ECRU: &str = env!("CARGO_BIN_EXE_ecru");

struct Process {
    child: Child,
    stdout: BufReader<ChildStdout>,
    address: SocketAddr,
    first_line: String,
}

fn command() -> Command {
    let mut command = Command::new(ECRU);
    command
        .env_clear()
        .args(["--listen", "127.0.0.1:0"])
        .stdin(Stdio::null());
    command
}

fn start(mut command: Command) -> Process {
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("a process");
    let mut stdout = BufReader::new(child.stdout.take().expect("its output"));
    let mut first_line = String::new();
    stdout.read_line(&mut first_line).expect("a line");
    let (_, rest) = first_line.split_once("://").expect("an address");
    let address = rest
        .split(' ')
        .next()
        .expect("a word")
        .parse()
        .expect("an address");
    Process {
        child,
        stdout,
        address,
        first_line,
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Ends the process of a failed test. A process that has ended cannot be killed.
        let _ = self.child.kill();
    }
}

impl Process {
    fn get(&self, path: &str) -> String {
        let mut stream = TcpStream::connect(self.address).expect("a connection");
        let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).expect("a request");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        answer
    }

    fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).expect("a pid");
        kill_process(Pid::from_raw(pid).expect("a pid"), signal).expect("a signal");
    }

    /// The exit code, the rest of the output, and the log.
    fn end(mut self) -> (Option<i32>, String, String) {
        let mut said = String::new();
        self.stdout.read_to_string(&mut said).expect("text");
        let mut logged = String::new();
        self.child
            .stderr
            .take()
            .expect("its log")
            .read_to_string(&mut logged)
            .expect("text");
        (self.child.wait().expect("an end").code(), said, logged)
    }
}

#[track_caller]
fn assert_fails(command: &mut Command, code: i32, words: &str) {
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("a process");
    let mut said = String::new();
    // Returns after the first line if the process starts unexpectedly.
    BufReader::new(child.stdout.take().expect("its output"))
        .read_line(&mut said)
        .expect("text");
    if !said.is_empty() {
        child.kill().expect("its end");
    }
    let Output { status, stderr, .. } = child.wait_with_output().expect("its end");
    let complaint = String::from_utf8(stderr).expect("text");
    assert_eq!((status.code(), said.as_str()), (Some(code), ""), "{complaint}");
    assert!(
        complaint.starts_with("ecru: ") && complaint.contains(words),
        "{complaint}"
    );
    assert_eq!(complaint.lines().count(), 1, "{complaint}");
}

fn with_data(directory: &Path) -> Command {
    let mut command = command();
    command.arg("--data-dir").arg(directory);
    command
}

#[test]
fn it_says_where_it_listens_and_what_to_paste_and_ends_on_a_signal() {
    for signal in [Signal::TERM, Signal::INT] {
        let directory = tempfile::tempdir().expect("a directory");
        let data = directory.path().join("data");
        let process = start(with_data(&data));
        let (address, version) = (process.address, env!("CARGO_PKG_VERSION"));
        let expected = format!(
            "ecru {version} listening on http://{address} (data in {})\n",
            data.display()
        );
        assert_eq!(process.first_line, expected);
        assert!(process.get("/readyz").starts_with("HTTP/1.1 200 "));

        process.signal(signal);
        let (code, said, _) = process.end();
        assert_eq!(code, Some(0));
        let lines: Vec<&str> = said.lines().collect();
        assert_eq!(lines.len(), 4, "{said}");
        assert!(
            lines[0].starts_with("docker login ")
                && lines[0].ends_with(&format!("localhost:{}", address.port()))
        );
        assert!(lines[1].contains(" create-repository ") && lines[2].contains("docker push "));
        assert!(lines[3].starts_with("warning: users whose name begins with `test`"));
    }
}

#[test]
fn a_bad_value_is_one_line_and_exit_code_2() {
    for (arguments, words) in [
        (&["--listen", "nowhere"][..], "--listen"),
        (&["--account-id", "12"], "12 digits"),
        (&["--public-endpoint", "registry.example"], "http://"),
        (&["--repository-uri", "gcp"], "request, aws"),
        (&["--error-names", "x"], "ecru, aws"),
        (&["--tls-cert", "x"], "--tls-key"),
        (&["--log-format", "xml"], "text, json"),
        (&["--log-level", "loud"], "--log-level"),
        (&["--quota", "layers=1"], "layer-parts"),
        (&["--quota", "layer-parts=0"], "from 1 up"),
        (&["--ephemeral", "--data-dir", "x"], "--data-dir"),
        (&["sing"], "sing"),
        (&["--loud"], "`ecru --help` lists"),
        (&["advisories"], "`ecru advisories --help` lists"),
        (&["backup"], "`ecru backup --help` lists"),
        (&["completions", "sh"], "bash, elvish, fish, powershell, zsh"),
    ] {
        assert_fails(Command::new(ECRU).env_clear().args(arguments), 2, words);
    }
    assert_fails(
        Command::new(ECRU).env_clear().env("ECRU_LISTEN", "nowhere"),
        2,
        "--listen",
    );
}

#[test]
fn a_failure_to_start_is_one_line_and_exit_code_1() {
    let directory = tempfile::tempdir().expect("a directory");
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("an address").to_string();
    let ephemeral = ["--ephemeral", "--listen", &port];
    assert_fails(
        Command::new(ECRU).env_clear().args(ephemeral),
        1,
        &format!("cannot listen on {port}"),
    );
    assert_fails(
        Command::new(ECRU).env_clear().args(ephemeral),
        1,
        "; choose another port with `--listen`",
    );

    let data = directory.path().join("data");
    let owner = start(with_data(&data));
    let kill = if cfg!(target_os = "linux") {
        format!(
            "uses the data directory; stop that server with `kill {}`",
            owner.child.id()
        )
    } else {
        "uses the data directory; stop that process".to_owned()
    };
    assert_fails(&mut with_data(&data), 1, &kill);
    owner.signal(Signal::TERM);
    assert_eq!(owner.end().0, Some(0));

    std::fs::write(data.join("ecru.sqlite"), [0x5a; 8192]).expect("damage");
    assert_fails(&mut with_data(&data), 1, "cannot open the data");
    assert_fails(&mut with_data(&data), 1, "; restore a backup");

    let shared = directory.path().join("shared");
    std::fs::create_dir(&shared).expect("a directory");
    std::fs::set_permissions(&shared, std::fs::Permissions::from_mode(0o777)).expect("a mode");
    assert_fails(
        &mut with_data(&shared),
        1,
        "others may write to the data directory",
    );

    let mut missing = command();
    missing.args([
        "--ephemeral",
        "--tls-cert",
        "/nowhere.crt",
        "--tls-key",
        "/nowhere.key",
    ]);
    assert_fails(&mut missing, 1, "TLS certificate `/nowhere.crt` (`--tls-cert`)");

    let mut elsewhere = command();
    elsewhere.arg("--ephemeral").env("TMPDIR", "/nowhere");
    assert_fails(&mut elsewhere, 1, "`TMPDIR`");

    let mut unread = command();
    unread.args(["--ephemeral", "--advisories", "/nowhere"]);
    assert_fails(&mut unread, 1, "`--advisories`, `/nowhere`");
}

#[test]
fn an_ephemeral_directory_is_private_and_goes_with_the_process() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut command = command();
    let process = start({
        command.arg("--ephemeral").env("TMPDIR", directory.path());
        command
    });
    let mut made = std::fs::read_dir(directory.path()).expect("a directory");
    let made = made.next().expect("an entry").expect("an entry").path();
    let permissions = std::fs::metadata(&made).expect("metadata").permissions();
    assert_eq!(permissions.mode() & 0o777, 0o700);

    process.signal(Signal::TERM);
    assert_eq!(process.end().0, Some(0));
    assert!(!made.exists());
}

#[test]
fn a_flag_goes_before_a_variable() {
    let directory = tempfile::tempdir().expect("a directory");
    let data = directory.path().join("data");
    let ephemeral = || {
        let mut command = command();
        command.env("ECRU_DATA_DIR", &data).arg("--ephemeral");
        command
    };
    let kept = || {
        let mut command = with_data(&data);
        command
            .env("ECRU_EPHEMERAL", "true")
            .env("ECRU_LISTEN", "nowhere");
        command
    };
    for (command, is_kept) in [(ephemeral(), false), (kept(), true)] {
        let process = start(command);
        assert_eq!(
            process.first_line.contains(&format!("in {})", data.display())),
            is_kept
        );
        process.signal(Signal::TERM);
        assert_eq!(process.end().0, Some(0));
    }
}

#[test]
fn flags_may_be_given_as_variables_and_data_lies_in_the_users_directory() {
    let home = tempfile::tempdir().expect("a directory");
    for (variable, data) in [
        ("HOME", home.path().join(".local/share/ecru")),
        ("XDG_DATA_HOME", home.path().join("ecru")),
    ] {
        let mut command = Command::new(ECRU);
        command
            .env_clear()
            .envs([("ECRU_LISTEN", "127.0.0.1:0"), ("ECRU_NO_DEV_USERS", "1")]);
        command.env(variable, home.path());
        let process = start(command);
        assert!(
            process.first_line.contains(data.to_str().expect("text")),
            "{}",
            process.first_line
        );
        process.signal(Signal::TERM);
        let (code, said, _) = process.end();
        assert_eq!((code, said.contains("warning")), (Some(0), false));
    }
}

#[test]
fn each_request_is_a_line_of_the_log_without_its_secrets() {
    let mut command = command();
    command.args(["--ephemeral", "--log-format", "json"]);
    let process = start(command);
    process.get("/healthz?grant=secret-grant");
    process.signal(Signal::TERM);
    let (_, _, logged) = process.end();

    let lines = logged
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).expect("JSON"));
    let line = lines
        .into_iter()
        .find(|line| line.get("path").is_some())
        .expect("a line");
    let field = |name: &str| line.get(name).map(ToString::to_string).unwrap_or_default();
    assert_eq!(
        (field("method"), field("path"), field("status")),
        ("\"GET\"".into(), "\"/healthz\"".into(), "200".into())
    );
    assert_eq!(field("bytes_out"), r#"{"status":"alive"}"#.len().to_string());
    for name in ["duration_ms", "request_id", "peer"] {
        assert_ne!(field(name), "", "{name}");
    }
    assert!(!logged.contains("secret"));
}

#[test]
fn the_level_decides_whether_requests_are_logged() {
    for (level, logs) in [
        ("info", true),
        ("error,ecru::request=info", true),
        ("warn", false),
        ("info,ecru::request=off", false),
    ] {
        let mut command = command();
        command.args(["--ephemeral", "--log-level", level]);
        let process = start(command);
        process.get("/healthz");
        process.signal(Signal::TERM);
        let (_, _, logged) = process.end();
        assert_eq!(logged.contains("path=\"/healthz\""), logs, "{level}: {logged}");
    }
}

#[test]
fn a_clean_stop_writes_the_line_of_every_request() {
    const REQUESTS: usize = 100;
    let mut command = command();
    command.args(["--ephemeral", "--log-format", "text"]);
    let process = start(command);
    for _ in 0..REQUESTS {
        process.get("/healthz");
    }
    process.signal(Signal::TERM);
    let (_, _, logged) = process.end();
    let lines = logged
        .lines()
        .filter(|line| line.contains(" INFO method=GET path=\"/healthz\" status=200 bytes_out="));
    assert_eq!(lines.count(), REQUESTS);
}

#[test]
fn running_out_of_descriptors_passes() {
    let mut command = Command::new("sh");
    command.args([
        "-c",
        "ulimit -n 40 && exec \"$0\" --ephemeral --listen 127.0.0.1:0 --log-level error",
        ECRU,
    ]);
    let process = start(command);
    let held: Vec<TcpStream> = (0..80)
        .map(|_| TcpStream::connect(process.address).expect("a connection"))
        .collect();
    drop(held);
    assert!(process.get("/readyz").starts_with("HTTP/1.1 200 "));
    process.signal(Signal::TERM);
    assert_eq!(process.end().0, Some(0));
}

#[test]
fn help_and_version_are_no_failure() {
    for arguments in [&["--help"][..], &["--version"], &["serve", "--help"]] {
        let output = Command::new(ECRU)
            .env_clear()
            .args(arguments)
            .output()
            .expect("a process");
        assert_eq!((output.status.code(), output.stderr.is_empty()), (Some(0), true));
        assert!(String::from_utf8(output.stdout).expect("text").contains("ecru"));
    }
}

#[test]
fn a_task_that_cannot_begin_says_what_to_do() {
    let directory = tempfile::tempdir().expect("a directory");
    let at = |name: &str| directory.path().join(name).to_str().expect("text").to_owned();
    let (empty, foreign, data) = (at("empty"), at("foreign"), at("data"));
    std::fs::create_dir(&empty).expect("a directory");
    std::fs::create_dir(&foreign).expect("a directory");
    std::fs::write(at("foreign/file"), "x").expect("a file");
    let server = start(with_data(Path::new(&data)));
    server.signal(Signal::TERM);
    assert_eq!(server.end().0, Some(0));

    let file = at("foreign/file");
    let page = format!("{file}/man");
    let bad_data = format!("{file}/data");
    for (arguments, words) in [
        (
            &["gc", "--data-dir", &empty][..],
            "; name the directory of one with `--data-dir`",
        ),
        (
            &["verify", "--data-dir", &empty],
            "; name the directory of one with `--data-dir`",
        ),
        (
            &["backup", &foreign, "--data-dir", &data],
            "holds no backup; name an empty directory",
        ),
        (
            &["restore", &foreign, "--data-dir", &empty],
            "; name the directory that `ecru backup` wrote to",
        ),
        (
            &["advisories", "import", &at("absent.zip"), "--data-dir", &empty],
            "absent.zip` could not be read",
        ),
        (
            &["advisories", "import", &file, "--data-dir", &bad_data],
            "(`--data-dir`)",
        ),
        (&["advisories", "update", "--data-dir", &empty], "--ecosystem"),
        (&["man", &page], "; name a directory that you can write to"),
    ] {
        assert_fails(Command::new(ECRU).env_clear().args(arguments), 1, words);
    }

    let backup = at("backup");
    let mut make = Command::new(ECRU);
    make.env_clear().args(["backup", &backup, "--data-dir", &data]);
    assert!(make.output().expect("a process").status.success());
    let mut onto_data = Command::new(ECRU);
    onto_data
        .env_clear()
        .args(["restore", &backup, "--data-dir", &data]);
    assert_fails(&mut onto_data, 1, "; choose an empty one with `--data-dir`");
}

#[test]
fn the_version_may_name_a_commit() {
    let output = Command::new(ECRU)
        .env_clear()
        .arg("--version")
        .output()
        .expect("a process");
    let text = String::from_utf8(output.stdout).expect("text");
    let version = format!("ecru {}", env!("CARGO_PKG_VERSION"));
    let commit = text.trim_end().strip_prefix(&version).expect("the version");
    let is_commit = |text: &str| text.len() >= 7 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let named = commit.strip_prefix(" (").and_then(|text| text.strip_suffix(')'));
    assert!(commit.is_empty() || named.is_some_and(is_commit), "{text}");
}

#[test]
fn bash_completes_commands_and_flags() {
    const SCRIPT: &str = r#"
        source <("$0" completions bash) || exit 1
        complete_last() { COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMPREPLY=(); _ecru ecru "${!#}" "${COMP_WORDS[$# - 2]}"; }
        complete_last ecru bac; echo "${COMPREPLY[@]}"
        complete_last ecru serve --lis; echo "${COMPREPLY[@]}"
    "#;
    let output = Command::new("bash")
        .args(["--norc", "-c", SCRIPT, ECRU])
        .output()
        .expect("bash");
    let said = String::from_utf8(output.stdout).expect("text");
    assert_eq!(
        said,
        "backup\n--listen\n",
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );

    for shell in ["zsh", "fish", "elvish", "powershell"] {
        let output = Command::new(ECRU)
            .env_clear()
            .args(["completions", shell])
            .output()
            .expect("a process");
        let script = String::from_utf8(output.stdout).expect("text");
        assert!(
            output.status.success() && script.contains("public-endpoint"),
            "{shell}"
        );
    }
}

#[test]
fn each_command_has_a_manual_page() {
    let directory = tempfile::tempdir().expect("a directory");
    let output = Command::new(ECRU)
        .env_clear()
        .arg("man")
        .arg(directory.path())
        .output()
        .expect("a process");
    assert!(output.status.success());
    for (page, flag) in [
        ("ecru.1", "listen"),
        ("ecru-backup.1", "data"),
        ("ecru-advisories-update.1", "ecosystem"),
    ] {
        let page = std::fs::read_to_string(directory.path().join(page)).expect(page);
        for section in [
            ".TH ecru",
            ".SH NAME",
            ".SH SYNOPSIS",
            ".SH DESCRIPTION",
            ".SH OPTIONS",
            flag,
        ] {
            assert!(page.contains(section), "`{section}` is missing in {page}");
        }
    }
}
