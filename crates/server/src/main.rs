//! The `ecru` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    ecru_server::run()
}
