//! A server process: started on a free port, measured, and always ended.

mod requests;

use std::cell::OnceCell;
use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

use crate::contestant::Contestant;
use crate::launch;
use crate::load::{Outcome, Request, Script, exchange, run};
use crate::tools::Tools;
use crate::watchdog;
use crate::wire::Client;

const START_MAX: Duration = Duration::from_mins(1);
const STOP_MAX: Duration = Duration::from_secs(20);
const POLL: Duration = Duration::from_micros(100);

pub(crate) struct Server {
    pub(crate) contestant: Contestant,
    pub(crate) address: SocketAddr,
    pub(crate) directory: PathBuf,
    /// From the spawn to the first successful answer.
    pub(crate) start_seconds: f64,
    /// Created at its first use, so that a login does not disturb servers that need none.
    pub(crate) client: OnceCell<Client>,
    child: Child,
}

impl Server {
    /// Starts a contestant with a directory, which may be new.
    pub(crate) fn start(contestant: Contestant, tools: &Tools, directory: &Path) -> Result<Self> {
        let program = tools
            .program(contestant)
            .with_context(|| format!("{contestant} is not installed"))?;
        fs::create_dir_all(directory)?;
        let directory = directory.canonicalize()?;
        let address = free_address()?;
        let mut command = Command::new(program);
        launch::prepare(&mut command, contestant, address, &directory)?;
        let log = File::create(directory.with_extension("log"))?;
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);

        let began = Instant::now();
        let child = command
            .spawn()
            .with_context(|| format!("starting {contestant}"))?;
        watchdog::entrust(child.id());
        let mut server = Self {
            contestant,
            address,
            directory,
            start_seconds: 0.0,
            client: OnceCell::new(),
            child,
        };
        server.await_answer(began)?;
        server.start_seconds = began.elapsed().as_secs_f64();
        Ok(server)
    }

    fn await_answer(&mut self, began: Instant) -> Result<()> {
        let ready = Request::new("GET", launch::ready_path(self.contestant), &launch::BASIC, b"");
        loop {
            // A refused connection costs microseconds, a request one exchange.
            let answered = TcpStream::connect(self.address).is_ok()
                && exchange(self.address, ready.clone(), |response| Ok(response.status == 200))
                    .unwrap_or(false);
            if answered {
                return Ok(());
            }
            if let Some(status) = self.child.try_wait()? {
                bail!("{} ended with {status}:\n{}", self.contestant, self.log());
            }
            if began.elapsed() > START_MAX {
                bail!("{} does not answer:\n{}", self.contestant, self.log());
            }
            thread::sleep(POLL);
        }
    }

    fn log(&self) -> String {
        let text = fs::read_to_string(self.directory.with_extension("log")).unwrap_or_default();
        let lines = text.lines().rev().take(20).collect::<Vec<_>>();
        lines.into_iter().rev().collect::<Vec<_>>().join("\n")
    }

    /// Runs a load and returns its outcome with the processor seconds that the server used.
    pub(crate) fn measure(&self, connections: usize, script: &mut dyn Script) -> Result<(Outcome, f64)> {
        let before = self.cpu_seconds()?;
        let outcome = run(self.address, connections, script)
            .with_context(|| format!("a load on {}", self.contestant))?;
        Ok((outcome, self.cpu_seconds()? - before))
    }

    /// Processor seconds that the server and its children have used so far.
    pub(crate) fn cpu_seconds(&self) -> Result<f64> {
        let mut ticks = 0_u64;
        for pid in self.processes() {
            let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
            // The name before the fields is in parentheses and may contain spaces.
            let fields = stat.rsplit(')').next().unwrap_or_default();
            let used = fields.split_whitespace().skip(11).take(2);
            ticks += used.filter_map(|it| it.parse::<u64>().ok()).sum::<u64>();
        }
        Ok(ticks as f64 / rustix::param::clock_ticks_per_second() as f64)
    }

    /// MiB of memory that the server and its children hold now.
    pub(crate) fn resident_mib(&self) -> Result<f64> {
        self.status_mib("VmRSS:")
    }

    /// Peak memory of the server and its children in MiB.
    pub(crate) fn peak_mib(&self) -> Result<f64> {
        self.status_mib("VmHWM:")
    }

    fn status_mib(&self, name: &str) -> Result<f64> {
        let mut kib = 0_u64;
        for pid in self.processes() {
            let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
            let line = status.lines().find(|line| line.starts_with(name));
            let value = line.and_then(|line| line.split_whitespace().nth(1));
            kib += value.context("a process without memory")?.parse::<u64>()?;
        }
        Ok(kib as f64 / 1024.0)
    }

    fn processes(&self) -> Vec<u32> {
        let own = self.child.id();
        let children = fs::read_to_string(format!("/proc/{own}/task/{own}/children")).unwrap_or_default();
        let children = children.split_whitespace().filter_map(|pid| pid.parse().ok());
        [own].into_iter().chain(children).collect()
    }

    /// Stops the server and returns its directory, which another server can use.
    pub(crate) fn stop(self) -> PathBuf {
        self.directory.clone()
    }

    /// Stops the server and removes its data.
    pub(crate) fn discard(self) -> Result<()> {
        let directory = self.stop();
        fs::remove_dir_all(&directory).with_context(|| format!("removing {}", directory.display()))
    }

    fn end(&mut self) {
        let asked = i32::try_from(self.child.id())
            .ok()
            .and_then(Pid::from_raw)
            .is_some_and(|pid| kill_process(pid, Signal::TERM).is_ok());
        let began = Instant::now();
        while asked && began.elapsed() < STOP_MAX {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            thread::sleep(Duration::from_millis(1));
        }
        // It may have ended by itself in between.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.end();
        watchdog::release(self.child.id());
    }
}

fn free_address() -> Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    Ok(listener.local_addr()?)
}
