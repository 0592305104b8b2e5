//! A PostgreSQL in a temporary directory, in single-user mode: it has no sockets, and ends with its input.

use std::ffi::OsString;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

pub(super) struct Postgres {
    programs: PathBuf,
    directory: TempDir,
}

impl Postgres {
    /// Creates an empty database. `None` if PostgreSQL is not installed.
    pub(super) fn find() -> Option<Postgres> {
        let programs = programs()?;
        let directory = tempfile::tempdir().unwrap();
        if is_root() {
            // PostgreSQL refuses to run as root.
            run(Command::new("chown").arg("postgres").arg(directory.path()), "");
        }
        let postgres = Postgres { programs, directory };
        let mut made = postgres.command("initdb");
        made.args(["--no-sync", "--no-instructions", "--locale=C", "--encoding=UTF8"]);
        run(made.arg("-D").arg(postgres.data()), "");
        Some(postgres)
    }

    /// Runs commands, each of which ends with a semicolon and an empty line. Returns the rows of the last
    /// one.
    pub(super) fn rows(&self, commands: &str, last: &str) -> Vec<String> {
        let rows = self.directory.path().join("data/rows");
        let input = format!("{commands}\n\nCOPY ({last}) TO '{}';\n\n", rows.display());
        let mut server = self.command("postgres");
        server.args(["--single", "-j", "-F", "-D"]).arg(self.data());
        let complaints = run(server.arg("postgres"), &input);
        assert!(
            !complaints.contains("ERROR:") && !complaints.contains("FATAL:"),
            "PostgreSQL refuses a migration: {complaints}"
        );
        let rows = fs::read_to_string(rows).unwrap();
        rows.lines().map(str::to_owned).collect()
    }

    fn data(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    fn command(&self, program: &str) -> Command {
        let program = self.programs.join(program);
        let mut command = if is_root() {
            let mut command = Command::new("setpriv");
            command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups"]);
            command.arg(program);
            command
        } else {
            Command::new(program)
        };
        command.current_dir(self.directory.path());
        command
    }
}

fn is_root() -> bool {
    fs::metadata("/proc/self").unwrap().uid() == 0
}

/// The folder of the programs: Debian's newest version, or one on the search path.
fn programs() -> Option<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten();
    let debian = versions.map(|version| version.unwrap().path().join("bin")).max();
    let path = variable("PATH").unwrap_or_default();
    debian
        .into_iter()
        .chain(std::env::split_paths(&path))
        .find(|folder| has_programs(folder))
}

#[expect(
    clippy::disallowed_methods,
    reason = "the machine says where programs are, and what it is for"
)]
pub(super) fn variable(name: &str) -> Option<OsString> {
    std::env::var_os(name)
}

fn has_programs(folder: &Path) -> bool {
    ["initdb", "postgres"]
        .iter()
        .all(|program| folder.join(program).is_file())
}

/// Returns the program's standard error.
#[track_caller]
fn run(command: &mut Command, input: &str) -> String {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_owned();
    let writer = std::thread::spawn(move || stdin.write_all(input.as_bytes()));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    let complaints = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{command:?} failed: {complaints}");
    complaints
}
