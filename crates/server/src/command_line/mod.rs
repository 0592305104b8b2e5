//! The `ecru` command: the list of commands. The file of each command holds its arguments and its `run`.

mod advisories;
mod backup;
mod completions;
mod data;
mod gc;
mod man;
mod output;
mod restore;
mod serve;
mod usage;
mod verify;

use std::{
    ffi::{OsStr, OsString},
    process::ExitCode,
};

use clap::{ArgMatches, CommandFactory, FromArgMatches, Parser, Subcommand, error::ErrorKind};

use advisories::AdvisoriesCommand;
use backup::BackupArguments;
use completions::CompletionsArguments;
use data::DataArguments;
use man::ManArguments;
use output::complain;
use restore::RestoreArguments;
use serve::ServeArguments;

/// The version, with the commit if it is known.
const VERSION: &str = env!("ECRU_VERSION");
const BAD_ARGUMENTS: u8 = 2;

const EXAMPLES: &str = "\
Examples:
  ecru                                       serve on 127.0.0.1:4566, data kept in the user's data directory
  ecru --ephemeral --listen 127.0.0.1:0      a throw-away registry on a free port, for a test run
  ecru --data-dir ./registry --log-format json
  ecru --listen 0.0.0.0:4566 --tls-cert cert.pem --tls-key key.pem --no-dev-users

Then point a client at it:
  aws --endpoint-url http://localhost:4566 ecr create-repository --repository-name demo
  docker login -u test -p test localhost:4566
  docker push localhost:4566/demo

Every flag can be given as an environment variable too (ECRU_LISTEN, ECRU_DATA_DIR, …); a flag goes before it.";

/// A local Amazon ECR: its API and its registry on one port, with images kept on this machine.
///
/// Serves every operation of the ECR API (`aws ecr …`, every AWS SDK) and the OCI distribution protocol
/// (`docker push`, `docker pull`) from one process and one directory. No account and no network are needed.
#[derive(Debug, Parser)]
#[command(name = "ecru", version = VERSION, after_help = EXAMPLES, args_conflicts_with_subcommands = true)]
#[command(max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    serve: ServeArguments,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve the registry until SIGTERM or Ctrl-C; this is what `ecru` alone does
    #[command(after_help = EXAMPLES)]
    Serve(Box<ServeArguments>),

    /// Load the security advisories that scans of images use
    #[command(subcommand)]
    Advisories(AdvisoriesCommand),

    /// Remove abandoned uploads, layers without an image and files without a layer
    ///
    /// A running server does the same every ten minutes. A layer stays for a day after the last push or image
    /// that used it.
    Gc(DataArguments),

    /// Read every blob and every row, and print a line for each damage
    ///
    /// Pushes and pulls continue meanwhile. The exit code is 1 if anything is damaged.
    Verify(DataArguments),

    /// Make a backup, also of a running server, or update an earlier backup
    ///
    /// The backup holds everything that was acknowledged before it began, except unfinished uploads. Blobs
    /// that it already holds are not copied again.
    Backup(BackupArguments),

    /// Restore a backup into an empty data directory
    Restore(RestoreArguments),

    /// Print the script that completes commands and flags in a shell
    ///
    /// For bash: `source <(ecru completions bash)`. Other shells read the script from a directory.
    Completions(CompletionsArguments),

    /// Write the manual pages of all commands to a directory
    Man(ManArguments),
}

/// Why a command failed, in one sentence.
enum Failure {
    /// The command line is invalid.
    Arguments(String),
    Work(String),
}

type Outcome = Result<ExitCode, Failure>;

/// Runs the command that the arguments of this process name.
pub fn run() -> ExitCode {
    let words: Vec<OsString> = std::env::args_os().collect();
    let outcome = match Command::read(&words) {
        Ok(command) => command.run(),
        Err(error) if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) => {
            // A closed standard output is not an error.
            let _ = error.print();
            return ExitCode::SUCCESS;
        }
        Err(error) => Err(Failure::Arguments(usage::sentence(
            &error,
            &Arguments::command(),
            &words,
        ))),
    };
    let (problem, code) = match outcome {
        Ok(code) => return code,
        Err(Failure::Arguments(problem)) => (problem, ExitCode::from(BAD_ARGUMENTS)),
        Err(Failure::Work(problem)) => (problem, ExitCode::FAILURE),
    };
    complain(&problem);
    code
}

impl Command {
    /// Parses the given words and the environment.
    fn read<T>(words: &[T]) -> Result<Command, clap::Error>
    where
        T: AsRef<OsStr>,
    {
        let words = words.iter().map(AsRef::as_ref);
        let matches = Arguments::command().try_get_matches_from(words)?;
        let arguments = Arguments::from_arg_matches(&matches)?;
        let mut command = arguments
            .command
            .unwrap_or_else(|| Command::Serve(Box::new(arguments.serve)));
        if let Command::Serve(serve) = &mut command {
            serve.settle_data(serve_matches(&matches))?;
        }
        Ok(command)
    }

    fn run(self) -> Outcome {
        match self {
            Self::Serve(arguments) => serve::run(*arguments),
            Self::Advisories(command) => command.run(),
            Self::Gc(arguments) => gc::run(&arguments),
            Self::Verify(arguments) => verify::run(&arguments),
            Self::Backup(arguments) => backup::run(&arguments),
            Self::Restore(arguments) => restore::run(&arguments),
            Self::Completions(arguments) => Ok(completions::run(&arguments, Arguments::command())),
            Self::Man(arguments) => man::run(&arguments, Arguments::command()),
        }
    }
}

/// The flags of `serve`, which may also appear without the command.
fn serve_matches(matches: &ArgMatches) -> &ArgMatches {
    matches.subcommand_matches("serve").unwrap_or(matches)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = include_str!("../../../../docs/command-line.md");

    fn each(command: &clap::Command, visit: &mut dyn FnMut(&clap::Command, &str), path: &str) {
        visit(command, path);
        for below in command.get_subcommands().filter(|it| it.get_name() != "help") {
            each(below, visit, &format!("{path} {}", below.get_name()));
        }
    }

    #[test]
    fn the_command_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn every_flag_has_a_variable_of_its_name_and_a_line_of_help() {
        for argument in Arguments::command().get_arguments() {
            let Some(long) = argument.get_long() else { continue };
            if ["help", "version"].contains(&long) {
                continue;
            }
            let variable = format!("ECRU_{}", long.to_uppercase().replace('-', "_"));
            assert_eq!(
                argument.get_env().and_then(|name| name.to_str()),
                Some(variable.as_str())
            );
            assert!(argument.get_help().is_some(), "`--{long}`");
        }
    }

    #[test]
    fn the_page_names_every_command_with_its_flags_and_no_others() {
        let mut known = Vec::new();
        let mut visit = |command: &clap::Command, path: &str| {
            if path != "ecru" && !command.has_subcommands() {
                assert!(PAGE.contains(&format!("\n## `{path}")), "`{path}` has no section");
            }
            for argument in command.get_arguments() {
                known.extend(argument.get_long().map(|long| format!("--{long}")));
            }
        };
        each(&Arguments::command(), &mut visit, "ecru");
        known.extend(["--help".to_owned(), "--version".to_owned()]);
        for flag in &known {
            assert!(PAGE.contains(&format!("`{flag}")), "`{flag}` is missing");
        }
        let is_flag = |c: char| c.is_ascii_lowercase() || c == '-';
        for (at, _) in PAGE.match_indices("`--") {
            let flag = &PAGE[at + 1..];
            let flag = &flag[..flag.find(|c| !is_flag(c)).unwrap_or(flag.len())];
            assert!(known.iter().any(|it| it == flag), "`{flag}` does not exist");
        }
    }
}
