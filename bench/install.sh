#!/bin/sh
# Installs the packaged peers that ecru is compared with; peers that are already installed are kept.
# `--all` also compiles the other peers, which takes long.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
tools=$root/target/tools/bench
fakecloud=0.51.0

case ${1:-} in
    '' | --all) ;;
    *)
        echo "usage: install.sh [--all]" >&2
        exit 2
        ;;
esac

if ! [ -x /usr/bin/docker-registry ] || ! [ -x /usr/sbin/nginx ]; then
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -q
    # RUNLEVEL=1 keeps the services from starting: the bench starts its own.
    RUNLEVEL=1 apt-get install -q -y --no-install-recommends docker-registry nginx python3-venv
fi

if ! [ -x "$tools/bin/moto_server" ]; then
    python3 -m venv "$tools"
    "$tools/bin/pip" install -q 'moto[server]'
fi

if [ "${1:-}" = --all ] && ! [ -x "$tools/bin/fakecloud" ]; then
    # Kept until the build succeeds, so that an interrupted build can continue.
    build=$tools/build
    nice -n 10 cargo install --locked --version "=$fakecloud" --root "$tools" --target-dir "$build" fakecloud
    rm -rf "$build"
fi
