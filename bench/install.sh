#!/bin/sh
# Installs the peers that ecru is measured beside, as far as they come in packages; what is there is kept.
# `--all` adds those that are compiled, which takes long.
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
    # Neither is to run as a service: the bench starts its own.
    RUNLEVEL=1 apt-get install -q -y --no-install-recommends docker-registry nginx python3-venv
fi

if ! [ -x "$tools/bin/moto_server" ]; then
    python3 -m venv "$tools"
    "$tools/bin/pip" install -q 'moto[server]'
fi

if [ "${1:-}" = --all ] && ! [ -x "$tools/bin/fakecloud" ]; then
    # Kept until it is done, so that an interrupted build goes on where it was.
    build=$tools/build
    nice -n 10 cargo install --locked --version "=$fakecloud" --root "$tools" --target-dir "$build" fakecloud
    rm -rf "$build"
fi
