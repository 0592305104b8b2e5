//! Reports an invalid command line in one sentence that names the help to read.

use std::ffi::OsString;

use clap::{Command, Error, error::ErrorKind};

/// The sentence. If the parser's text does not list the valid words, it names the command that does.
pub(super) fn sentence(error: &Error, command: &Command, words: &[OsString]) -> String {
    let help = || help_of(command, words);
    match error.kind() {
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand | ErrorKind::MissingSubcommand => {
            format!("a command is missing; `{}` lists them", help())
        }
        ErrorKind::UnknownArgument
        | ErrorKind::InvalidSubcommand
        | ErrorKind::MissingRequiredArgument
        | ErrorKind::TooManyValues
        | ErrorKind::ArgumentConflict => format!("{}; `{}` lists what is valid", problem(error), help()),
        _ => problem(error),
    }
}

/// The parser's text without the usage.
fn problem(error: &Error) -> String {
    let text = error.to_string();
    let text = text.strip_prefix("error: ").unwrap_or(&text);
    let problem: Vec<&str> = text
        .lines()
        .map(str::trim)
        .take_while(|line| !line.is_empty())
        .collect();
    problem.join(" ")
}

/// The help command for the command that the words name.
fn help_of(mut command: &Command, words: &[OsString]) -> String {
    let mut path = "ecru".to_owned();
    for word in words.iter().skip(1).filter_map(|word| word.to_str()) {
        let Some(below) = command.find_subcommand(word) else {
            break;
        };
        path = format!("{path} {word}");
        command = below;
    }
    format!("{path} --help")
}

#[cfg(test)]
mod tests {
    use clap::Arg;

    use super::*;

    #[test]
    fn an_invalid_command_line_is_one_sentence_with_the_help_to_read() {
        let command = || {
            let copy = Command::new("copy").arg(Arg::new("to").value_name("DIRECTORY").required(true));
            Command::new("ecru").subcommand(Command::new("data").subcommand_required(true).subcommand(copy))
        };
        for (words, expected) in [
            (&["ecru", "data"][..], "; `ecru data --help` lists"),
            (&["ecru", "data", "copy"], "; `ecru data copy --help` lists"),
            (
                &["ecru", "data", "copy", "--fast", "a"],
                "; `ecru data copy --help` lists",
            ),
            (&["ecru", "sing"], "; `ecru --help` lists"),
        ] {
            let error = command().try_get_matches_from(words).expect_err("a bad line");
            let words: Vec<OsString> = words.iter().map(OsString::from).collect();
            let sentence = sentence(&error, &command(), &words);
            assert!(
                sentence.contains(expected) && !sentence.contains('\n'),
                "{sentence}"
            );
        }
    }
}
