#!/bin/sh
# Installs the real clients that the tests in this folder run; clients that are already installed are kept.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
tools=$root/target/tools
bin=$tools/bin
mkdir -p "$bin"

packages() {
    for command in /usr/bin/docker /usr/sbin/dockerd /usr/bin/skopeo /usr/sbin/debootstrap /usr/bin/curl \
        /usr/bin/docker-registry /usr/bin/strace /usr/sbin/xfs_io /sbin/mkfs.ext4 /usr/bin/faketime \
        /usr/bin/ctr /usr/bin/openssl /usr/sbin/haproxy /usr/sbin/nginx /usr/sbin/runc; do
        [ -x "$command" ] || missing=yes
    done
    if [ "${missing:-no}" = yes ]; then
        export DEBIAN_FRONTEND=noninteractive
        apt-get update -q
        # RUNLEVEL=1 keeps them from starting as services: the tests start their own.
        RUNLEVEL=1 apt-get install -q -y --no-install-recommends \
            ca-certificates containerd curl debootstrap docker-registry docker.io e2fsprogs faketime haproxy iptables \
            nginx openssl python3-venv runc skopeo strace xfsprogs
    fi
    # Debian's nodejs conflicts with a Node from another source, so any installed Node is accepted.
    if ! command -v node >/dev/null; then
        apt-get install -q -y --no-install-recommends nodejs
    fi
}

python_packages() {
    if ! cmp -s "$root/e2e/requirements.txt" "$tools/venv/requirements.txt"; then
        rm -rf "$tools/venv"
        python3 -m venv "$tools/venv"
        "$tools/venv/bin/pip" install -q -r "$root/e2e/requirements.txt"
        # Written last, so that an interrupted installation starts again.
        cp "$root/e2e/requirements.txt" "$tools/venv/requirements.txt"
    fi
}

# go_tool <name> <package> <version>
go_tool() {
    if [ ! -x "$bin/$1-$3" ]; then
        GOBIN=$tools/go go install "$2@$3"
        mv "$tools/go/$1" "$bin/$1-$3"
    fi
    ln -sf "$1-$3" "$bin/$1"
}

# empty_module <name>: creates a module to build dependencies in, and changes to its folder.
empty_module() {
    rm -rf "$tools/build/$1"
    mkdir -p "$tools/build/$1"
    cd "$tools/build/$1"
    go mod init "build-$1"
}

# The modules of some tools contain `replace` or `exclude` lines, which `go install` refuses in a main module,
# so these tools are built as dependencies of an empty module.
# dependent_go_tool <name> <package> <version>
dependent_go_tool() {
    if [ ! -x "$bin/$1-$3" ]; then
        (
            empty_module "$1"
            go get "$2@$3"
            go build -o "$bin/$1-$3" "$2"
        )
    fi
    ln -sf "$1-$3" "$bin/$1"
}

# The conformance suite of the OCI Distribution Specification is a test, so it is compiled as one. The
# revision is the newest that both Go's module proxy and its checksum database have.
conformance() {
    package=github.com/opencontainers/distribution-spec/conformance
    if [ ! -x "$bin/oci-conformance-$1" ]; then
        (
            empty_module oci-conformance
            go get -t "$package@$1"
            go test -c -o "$bin/oci-conformance-$1" "$package"
        )
    fi
    ln -sf "oci-conformance-$1" "$bin/oci-conformance"
}

# A small Debian root file system, the largest image that the tests push.
debian_archive() {
    if [ ! -f "$tools/debian.tar" ]; then
        directory=$(mktemp -d)
        debootstrap --variant=minbase bookworm "$directory/root" http://deb.debian.org/debian
        tar --create --file "$tools/debian.tar.part" --directory "$directory/root" \
            --sort=name --numeric-owner --mtime=@0 \
            --exclude=./dev/* --exclude=./proc/* --exclude=./sys/* \
            --exclude=./var/cache/apt --exclude=./var/lib/apt/lists --exclude=./var/log \
            --exclude=./usr/share/doc --exclude=./usr/share/locale --exclude=./usr/share/man .
        mv "$tools/debian.tar.part" "$tools/debian.tar"
        rm -rf --one-file-system "$directory"
    fi
}

packages
python_packages
go_tool crane github.com/google/go-containerregistry/cmd/crane v0.22.1
go_tool regctl github.com/regclient/regclient/cmd/regctl v0.11.7
go_tool cosign github.com/sigstore/cosign/v3/cmd/cosign v3.1.3
go_tool docker-credential-ecr-login \
    github.com/awslabs/amazon-ecr-credential-helper/ecr-login/cli/docker-credential-ecr-login v0.12.0
dependent_go_tool oras oras.land/oras/cmd/oras v1.2.3
dependent_go_tool buildctl github.com/moby/buildkit/cmd/buildctl v0.21.1
dependent_go_tool buildkitd github.com/moby/buildkit/cmd/buildkitd v0.21.1
conformance v0.0.0-20230516164017-7fcdf80f3c8b
debian_archive
