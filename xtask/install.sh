#!/bin/sh
# Installs the Cargo tools that the checks need; tools that are already installed are kept.
set -eu

tools=$(cd "$(dirname "$0")/.." && pwd)/target/tools/cargo

# tool <name> <version>: built without optimization, which would take more time than it saves.
tool() {
    if ! "$tools/bin/$1" --version 2>/dev/null | grep -q " $2$"; then
        CARGO_PROFILE_DEV_DEBUG=0 cargo install --quiet --debug --locked --force \
            --root "$tools" --version "$2" --no-default-features "$1"
    fi
}

tool cargo-deny 0.20.2
