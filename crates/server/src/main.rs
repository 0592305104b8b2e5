//! The `ecru` command.

fn main() {}
