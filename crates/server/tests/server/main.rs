//! The server as a process and as a listener: what holds whatever the doors behind it do.

mod client;
mod command_line;
mod health;
mod protocol;
mod stop;
mod tls;
