#!/bin/sh
# Installs the tools that the checks need beside the compiler; tools that are already installed are kept.
set -eu

tools=$(cd "$(dirname "$0")/.." && pwd)/target/tools/cargo

# tool <name> <version>: builds without optimization, because optimizing takes longer than it saves.
tool() {
    if ! "$tools/bin/$1" --version 2>/dev/null | grep -q " $2$"; then
        CARGO_PROFILE_DEV_DEBUG=0 cargo install --quiet --debug --locked --force \
            --root "$tools" --version "$2" --no-default-features "$1"
    fi
}

# A database that parses the SQL texts of the store. RUNLEVEL=1 keeps it from starting as a service: a test
# starts its own.
postgresql() {
    if ! ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 && ! command -v initdb >/dev/null; then
        export DEBIAN_FRONTEND=noninteractive
        apt-get update -q
        RUNLEVEL=1 apt-get install -q -y --no-install-recommends postgresql
    fi
}

postgresql
tool cargo-deny 0.20.2
