//! One run: its sizes, its figures, its directories, and the order in which contestants take their turns.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::contestant::Contestant;
use crate::figures::Figures;
use crate::machine;
use crate::rows::Row;
use crate::server::Server;
use crate::tools::Tools;
use crate::{Options, images};

/// No round begins after this time.
const RUN_MAX: Duration = Duration::from_mins(14);
/// A peer whose turn takes longer has no further turn.
const TURN_MAX: Duration = Duration::from_secs(30);

pub(crate) struct Bench {
    pub(crate) rounds: u32,
    /// The size of the one large blob.
    pub(crate) big_bytes: u64,
    /// Number of images in the largest repository.
    pub(crate) many: usize,
    /// Maximum duration of one load.
    pub(crate) cell: Duration,
    pub(crate) tools: Tools,
    pub(crate) figures: Figures,
    pub(crate) notes: Vec<String>,
    directory: PathBuf,
    directories: u64,
    numbers: u64,
    began: Instant,
    about: String,
    /// Directories of ecru, by the number of images in their one repository.
    seeded: Vec<(usize, PathBuf)>,
    /// Contestants that have no further turn, each with the item.
    slow: BTreeSet<(Contestant, &'static str)>,
}

impl Bench {
    pub(crate) fn new(options: &Options) -> Result<Self> {
        fs::create_dir_all(&options.directory)?;
        let directory = options.directory.canonicalize()?;
        machine::refuse_memory(&directory)?;
        remove_what_killed_runs_left(&directory)?;
        // Two runs at the same time must not share a directory.
        let directory = directory.join(std::process::id().to_string());
        fs::create_dir_all(&directory)?;
        Ok(Self {
            rounds: if options.quick {
                options.rounds.min(2)
            } else {
                options.rounds
            },
            big_bytes: match (options.quick, options.full) {
                (true, _) => 256 << 20,
                (_, true) => 5 << 30,
                _ => 1 << 30,
            },
            many: if options.quick { 10_000 } else { 100_000 },
            cell: Duration::from_millis(if options.quick { 300 } else { 1_000 }),
            tools: Tools::new(&options.ecru, &options.search_path, &options.without)?,
            figures: Figures::default(),
            notes: Vec::new(),
            about: machine::describe(&directory),
            directory,
            directories: 0,
            numbers: 0,
            began: Instant::now(),
            seeded: Vec::new(),
            slow: BTreeSet::new(),
        })
    }

    /// The description of the machine and the kind of this run.
    pub(crate) fn about(&self) -> String {
        format!("{}; medians of {} rounds", self.about, self.rounds)
    }

    /// The name of a row with the sizes of this run.
    pub(crate) fn sized(&self, name: &str) -> String {
        let big = match self.big_bytes {
            it if it < 1 << 30 => format!("{} MiB", it >> 20),
            it => format!("{} GiB", it >> 30),
        };
        let many = format!("{},000", self.many / 1000);
        let most = format!("{},000", self.most() / 1000);
        name.replace("{big}", &big)
            .replace("{many}", &many)
            .replace("{most}", &most)
    }

    /// Number of images in the repository whose memory is measured after most images have expired.
    pub(crate) fn most(&self) -> usize {
        self.many * 5
    }

    /// A path that no other directory of this run has.
    pub(crate) fn new_directory(&mut self, contestant: Contestant) -> PathBuf {
        self.directories += 1;
        let name = contestant.name().replace(' ', "-");
        self.directory.join(format!("{:04}-{name}", self.directories))
    }

    /// Reserves `count` numbers that are unique in this run. Returns the first one.
    pub(crate) fn new_numbers(&mut self, count: u64) -> u64 {
        let first = self.numbers;
        self.numbers += count;
        first
    }

    /// Starts a contestant with a new directory.
    pub(crate) fn start(&mut self, contestant: Contestant) -> Result<Server> {
        let directory = self.new_directory(contestant);
        Server::start(contestant, &self.tools, &directory)
    }

    /// Starts and prepares the contestants that are installed. If one cannot be prepared, it is left out with
    /// a note. For ecru the failure ends the run.
    pub(crate) fn prepared<T>(
        &mut self,
        contestants: &[Contestant],
        mut prepare: impl FnMut(&mut Self, Server) -> Result<T>,
    ) -> Result<Vec<T>> {
        let mut ready = Vec::new();
        for contestant in self.tools.present(contestants) {
            let made = self.start(contestant).and_then(|server| prepare(self, server));
            match made.with_context(|| format!("preparing {contestant}")) {
                Ok(made) => ready.push(made),
                Err(error) if contestant.is_peer() => self.note(format!("{error:#}")),
                Err(error) => return Err(error),
            }
        }
        Ok(ready)
    }

    /// Gives each contestant its turn in each round. Each round begins with another contestant.
    pub(crate) fn in_turns<T>(
        &mut self,
        contestants: &mut [T],
        mut cell: impl FnMut(&mut Self, &mut T) -> Result<()>,
    ) -> Result<()> {
        for round in 0..self.rounds {
            if round > 0 && self.began.elapsed() > RUN_MAX {
                self.note(format!("the time limit ended an item after {round} rounds"));
                break;
            }
            for contestant in &mut *contestants {
                cell(self, contestant)?;
            }
            if !contestants.is_empty() {
                contestants.rotate_left(1);
            }
        }
        Ok(())
    }

    /// Gives a contestant its turn of an item, unless it is a peer whose last turn took too long.
    pub(crate) fn turn(
        &mut self,
        contestant: Contestant,
        item: &'static str,
        work: impl FnOnce(&mut Self) -> Result<()>,
    ) -> Result<()> {
        if self.slow.contains(&(contestant, item)) {
            return Ok(());
        }
        let began = Instant::now();
        work(self)?;
        let seconds = began.elapsed().as_secs();
        if contestant.is_peer() && seconds >= TURN_MAX.as_secs() {
            self.slow.insert((contestant, item));
            self.note(format!(
                "{contestant} needed {seconds} s for a turn of {item}, and got no second one"
            ));
        }
        Ok(())
    }

    pub(crate) fn add(&mut self, row: &'static Row, contestant: Contestant, value: f64) {
        self.figures.add(row, contestant, value);
    }

    pub(crate) fn note(&mut self, note: String) {
        say(&note);
        if !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }

    /// A directory of ecru with one repository that holds this number of images. It is made once in a run.
    pub(crate) fn seeded(&mut self, images: usize) -> Result<PathBuf> {
        if let Some((_, directory)) = self.seeded.iter().find(|(count, _)| *count == images) {
            return Ok(directory.clone());
        }
        let began = Instant::now();
        let server = self.start(Contestant::Ecru)?;
        images::seed(&server, images).with_context(|| format!("storing {images} images"))?;
        let directory = server.stop();
        say(&format!(
            "{images} images stored in {:.1} s",
            began.elapsed().as_secs_f64()
        ));
        self.seeded.push((images, directory.clone()));
        Ok(directory)
    }

    pub(crate) fn clean(&self) -> Result<()> {
        fs::remove_dir_all(&self.directory).with_context(|| format!("removing {}", self.directory.display()))
    }
}

/// Removes the directories of killed runs. A run's directory has the ID of its process as its name.
fn remove_what_killed_runs_left(directory: &Path) -> Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let name = entry.file_name().into_string().unwrap_or_default();
        if name.parse::<u32>().is_ok() && !Path::new("/proc").join(&name).exists() {
            fs::remove_dir_all(entry.path())?;
        }
    }
    Ok(())
}

/// Prints progress to standard error.
pub(crate) fn say(text: &str) {
    // A closed terminal must not end the run.
    drop(writeln!(io::stderr(), "{text}"));
}
