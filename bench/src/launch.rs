//! The arguments and configuration of each server. Request logs are off, except where they are measured.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use anyhow::{Result, bail};
use serde_json::json;

use crate::contestant::Contestant;

/// `test:test`, which ecru accepts and the other servers ignore.
pub(crate) const BASIC: [(&str, &str); 1] = [("Authorization", "Basic dGVzdDp0ZXN0")];

/// The folder in its own directory from which nginx serves.
pub(crate) const DOCUMENTS: &str = "documents";

/// A path that answers 200 as soon as the server is ready.
pub(crate) fn ready_path(contestant: Contestant) -> &'static str {
    match contestant {
        Contestant::Moto => "/moto-api/",
        Contestant::Nginx => "/ready",
        _ => "/v2/",
    }
}

pub(crate) fn prepare(
    command: &mut Command,
    contestant: Contestant,
    address: SocketAddr,
    directory: &Path,
) -> Result<()> {
    match contestant {
        Contestant::Ecru | Contestant::EcruLogging => {
            let level = if contestant == Contestant::Ecru {
                "error"
            } else {
                "info"
            };
            command.args(["serve", "--log-level", level, "--listen", &address.to_string()]);
            // The quota of the service would stop the growth that is measured.
            command.args(["--quota", "images-per-repository=10000000"]);
            command.args(["--quota", "repositories-per-registry=10000000"]);
            command.arg("--data-dir").arg(directory);
        }
        Contestant::Distribution => {
            let path = directory.with_extension("yml");
            fs::write(&path, distribution(address, directory))?;
            command.arg("serve").arg(path);
        }
        Contestant::Zot => {
            let path = directory.with_extension("json");
            fs::write(&path, zot(address, directory))?;
            command.arg("serve").arg(path);
        }
        Contestant::Fakecloud => {
            command.args(["--addr", &address.to_string(), "--log-level", "error"]);
        }
        Contestant::FakecloudDisk => {
            command.args(["--addr", &address.to_string(), "--log-level", "error"]);
            command.args(["--storage-mode", "persistent", "--data-path"]);
            command.arg(directory);
        }
        Contestant::Moto => {
            command.args(["-H", &address.ip().to_string(), "-p", &address.port().to_string()]);
        }
        Contestant::Nginx => {
            fs::create_dir_all(directory.join(DOCUMENTS))?;
            let path = directory.with_extension("conf");
            fs::write(&path, nginx(address, directory))?;
            command.arg("-c").arg(path).arg("-p").arg(directory);
            command.arg("-e").arg(directory.join("error.log"));
        }
        Contestant::Receiver => {
            command.args(["floor", "--listen", &address.to_string(), "--directory"]);
            command.arg(directory);
        }
        Contestant::Log | Contestant::Files | Contestant::Placed | Contestant::Sha256 | Contestant::Disk => {
            bail!("{contestant} is not a server")
        }
    }
    Ok(())
}

fn distribution(address: SocketAddr, directory: &Path) -> String {
    let root = directory.display();
    format!(
        "version: 0.1
log:
  level: error
  accesslog:
    disabled: true
storage:
  filesystem:
    rootdirectory: {root}
  cache:
    blobdescriptor: inmemory
http:
  addr: {address}
"
    )
}

fn zot(address: SocketAddr, directory: &Path) -> String {
    let configuration = json!({
        "distSpecVersion": "1.1.1",
        "storage": {"rootDirectory": directory, "gc": false},
        "http": {"address": address.ip(), "port": address.port().to_string()},
        "log": {"level": "error"},
    });
    configuration.to_string()
}

fn nginx(address: SocketAddr, directory: &Path) -> String {
    let root = directory.display();
    // nginx's workers must be able to enter the directories of the user that runs the bench.
    let user = if rustix::process::getuid().is_root() {
        "user root;"
    } else {
        ""
    };
    format!(
        "{user}
daemon off;
worker_processes auto;
pid {root}/nginx.pid;
events {{ worker_connections 1024; }}
http {{
  access_log off;
  sendfile on;
  tcp_nopush on;
  tcp_nodelay on;
  keepalive_requests 1000000000;
  keepalive_timeout 600s;
  open_file_cache max=100;
  default_type application/octet-stream;
  client_body_temp_path {root}/temporary;
  proxy_temp_path {root}/temporary;
  fastcgi_temp_path {root}/temporary;
  uwsgi_temp_path {root}/temporary;
  scgi_temp_path {root}/temporary;
  server {{
    listen {address} backlog=511;
    root {root}/{DOCUMENTS};
    location = /ready {{ return 200 ready; }}
  }}
}}
"
    )
}
