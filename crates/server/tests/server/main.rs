//! The server as a process and as a listener: behaviour that all its APIs share.

#![expect(clippy::expect_used, reason = "a helper that fails is a test that fails")]

mod advisories;
mod client;
mod command_line;
mod controls;
mod events;
mod files;
mod health;
mod introspection;
mod openapi;
mod protocol;
mod receiver;
mod refused_bodies;
mod scanning;
mod stop;
mod tls;
mod verification;
