//! Finds the programs of the contestants.

use std::env;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use crate::contestant::Contestant;

#[derive(Debug)]
pub(crate) struct Tools {
    ecru: PathBuf,
    itself: PathBuf,
    directories: Vec<PathBuf>,
    without: Vec<String>,
}

impl Tools {
    pub(crate) fn new(ecru: &Path, search_path: &str, without: &[String]) -> Result<Self> {
        ensure!(
            ecru.is_file(),
            "{} does not exist: build it with `cargo build --profile dist`",
            ecru.display()
        );
        let mut directories = vec![
            "target/tools/bench/bin",
            "target/tools/venv/bin",
            "target/tools/bin",
        ]
        .into_iter()
        .map(PathBuf::from)
        .collect::<Vec<_>>();
        directories.extend(env::split_paths(search_path));
        directories.push("/usr/sbin".into());
        Ok(Self {
            ecru: ecru.canonicalize()?,
            itself: env::current_exe().context("the path of this program")?,
            directories,
            without: without.to_vec(),
        })
    }

    /// The path of this program.
    pub(crate) fn itself(&self) -> &Path {
        &self.itself
    }

    pub(crate) fn program(&self, contestant: Contestant) -> Option<PathBuf> {
        if self.without.iter().any(|name| name == contestant.name()) {
            return None;
        }
        match contestant {
            Contestant::Ecru | Contestant::EcruLogging => Some(self.ecru.clone()),
            Contestant::Distribution => self.find("docker-registry"),
            Contestant::Zot => self.find("zot"),
            Contestant::Fakecloud | Contestant::FakecloudDisk => self.find("fakecloud"),
            Contestant::Moto => self.find("moto_server"),
            Contestant::Nginx => self.find("nginx"),
            Contestant::Receiver => Some(self.itself.clone()),
            Contestant::Log
            | Contestant::Files
            | Contestant::Placed
            | Contestant::Sha256
            | Contestant::Disk => None,
        }
    }

    /// The contestants whose programs are installed.
    pub(crate) fn present(&self, contestants: &[Contestant]) -> Vec<Contestant> {
        let present = contestants.iter().filter(|it| self.program(**it).is_some());
        present.copied().collect()
    }

    fn find(&self, name: &str) -> Option<PathBuf> {
        let mut candidates = self.directories.iter().map(|directory| directory.join(name));
        let found = candidates.find(|path| path.is_file())?;
        std::path::absolute(found).ok()
    }
}
