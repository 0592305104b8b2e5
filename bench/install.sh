#!/bin/sh
# Installs the peers that ecru is measured beside, as far as they come in packages; what is there is kept.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
venv=$root/target/tools/bench

if ! [ -x /usr/bin/docker-registry ] || ! [ -x /usr/sbin/nginx ]; then
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -q
    # Neither is to run as a service: the bench starts its own.
    RUNLEVEL=1 apt-get install -q -y --no-install-recommends docker-registry nginx python3-venv
fi

if ! [ -x "$venv/bin/moto_server" ]; then
    rm -rf "$venv"
    python3 -m venv "$venv"
    "$venv/bin/pip" install -q 'moto[server]'
fi
