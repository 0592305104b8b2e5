//! The ecru server: listeners, doors to the wires, introspection and what runs around them.

mod advisories;
mod application;
mod authority;
mod browsers;
mod command_line;
mod connection;
mod data_directory;
mod file_reads;
mod first_touch;
mod forwarded;
mod head_timer;
mod hosts;
mod introspection;
mod lent_body;
mod lingering;
mod logs;
mod maintenance;
mod mounts;
mod options;
mod own_door;
mod panics;
mod refusals;
mod reply;
mod request_log;
mod scanning;
mod server;
mod steady;
mod streams;
mod tls;
mod zero_copy;

pub use command_line::run;
pub use data_directory::DataDirectory;
pub use hosts::HostPattern;
pub use options::{AdvisoriesRefresh, EventOptions, Options, TlsFiles, UpstreamOptions};
pub use server::Server;
