//! The data directory of a command: the one that the user named, or the default one in the user's home.

use std::path::PathBuf;

use clap::{Args, ValueHint};

use super::Failure;

#[derive(Debug, Args)]
pub(super) struct DataArguments {
    /// Data directory
    /// [default: $XDG_DATA_HOME/ecru, else ~/.local/share/ecru]
    #[arg(long, env = "ECRU_DATA_DIR", value_name = "DIRECTORY", value_hint = ValueHint::DirPath)]
    data_dir: Option<PathBuf>,
}

impl DataArguments {
    pub(super) fn directory(&self) -> Result<PathBuf, Failure> {
        self.data_dir.clone().map_or_else(default_data_directory, Ok)
    }
}

pub(super) fn default_data_directory() -> Result<PathBuf, Failure> {
    #[expect(clippy::disallowed_methods, reason = "this is the command line parser")]
    let data_home = std::env::var_os("XDG_DATA_HOME").map(PathBuf::from);
    // The specification of these directories says to ignore relative ones.
    let data_home = data_home.filter(|directory| directory.is_absolute());
    let in_home = || Some(std::env::home_dir()?.join(".local/share"));
    match data_home
        .or_else(in_home)
        .filter(|directory| directory.is_absolute())
    {
        Some(directory) => Ok(directory.join("ecru")),
        None => Err(Failure::Arguments(
            "this user has no home directory: name a data directory with `--data-dir`".to_owned(),
        )),
    }
}
