//! Has the functions that every start runs laid side by side in the program, where the linker takes such an order.
//!
//! They are listed in `start.ld` by `cargo xtask link-order`; a name that is missing there or too much costs memory, nothing else.

#![expect(
    clippy::disallowed_methods,
    reason = "Cargo speaks to build scripts through the environment"
)]

use std::env;

/// Linkers that read no scripts.
const UNABLE: [&str; 2] = ["mold", "wild"];

fn main() {
    println!("cargo::rerun-if-changed=start.ld");
    let set = |name: &str, value: &str| env::var(name).is_ok_and(|it| it == value);
    let flags = env::var("CARGO_ENCODED_RUSTFLAGS").unwrap_or_default();
    if set("PROFILE", "release")
        && set("CARGO_CFG_TARGET_OS", "linux")
        && !UNABLE.iter().any(|linker| flags.contains(linker))
        && let Ok(here) = env::var("CARGO_MANIFEST_DIR")
    {
        println!("cargo::rustc-link-arg-bins=-Wl,-T,{here}/start.ld");
    }
}
