#!/bin/sh
# Installs the real clients that the tests in this folder run; what is already there is kept.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
tools=$root/target/tools
bin=$tools/bin
mkdir -p "$bin"

packages() {
    for command in /usr/bin/docker /usr/sbin/dockerd /usr/bin/skopeo /usr/sbin/debootstrap /usr/bin/curl \
        /usr/bin/docker-registry /usr/bin/strace /usr/sbin/xfs_io /sbin/mkfs.ext4 /usr/bin/faketime; do
        [ -x "$command" ] || missing=yes
    done
    if [ "${missing:-no}" = yes ]; then
        export DEBIAN_FRONTEND=noninteractive
        apt-get update -q
        apt-get install -q -y --no-install-recommends \
            ca-certificates curl debootstrap docker-registry docker.io e2fsprogs faketime iptables python3-venv skopeo \
            strace xfsprogs
    fi
}

python_packages() {
    if ! cmp -s "$root/e2e/requirements.txt" "$tools/venv/requirements.txt"; then
        rm -rf "$tools/venv"
        python3 -m venv "$tools/venv"
        "$tools/venv/bin/pip" install -q -r "$root/e2e/requirements.txt"
        # Written last, so that an interrupted installation is begun again.
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

# empty_module <name>: goes to the folder of a new module, in which dependencies are built.
empty_module() {
    rm -rf "$tools/build/$1"
    mkdir -p "$tools/build/$1"
    cd "$tools/build/$1"
    go mod init "build-$1"
}

# The module of oras holds `replace` and `exclude` lines, which `go install` refuses in a main module,
# so it is built as the dependency of an empty one.
oras() {
    if [ ! -x "$bin/oras-$1" ]; then
        (
            empty_module oras
            go get "oras.land/oras/cmd/oras@$1"
            go build -o "$bin/oras-$1" oras.land/oras/cmd/oras
        )
    fi
    ln -sf "oras-$1" "$bin/oras"
}

# The conformance suite of the OCI Distribution Specification is a test, so it is compiled as one. Of its
# revisions this is the newest that Go's module proxy and checksum database both hold.
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

# Prints the address that apt fetches this release of Debian from.
debian_mirror() {
    apt-get indextargets --format '$(REPO_URI)' \
        'Created-By: Packages' 'Label: Debian' 'Component: main' "Codename: $1" | head -n 1
}

# A small Debian root file system, the largest image that the tests push.
debian_archive() {
    if [ ! -f "$tools/debian.tar" ]; then
        directory=$(mktemp -d)
        release=$(. /etc/os-release && echo "$VERSION_CODENAME")
        mirror=$(debian_mirror "$release")
        if [ -z "$mirror" ]; then
            apt-get update -q
            mirror=$(debian_mirror "$release")
        fi
        debootstrap --variant=minbase "$release" "$directory/root" "$mirror"
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
oras v1.2.3
conformance v0.0.0-20230516164017-7fcdf80f3c8b
debian_archive
