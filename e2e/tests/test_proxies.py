"""The server behind nginx, which terminates TLS, and behind HAProxy, which checks its health."""

import pathlib
import shutil
import uuid

import pytest

from harness.aws import create_repository
from harness.command import run
from harness.daemon import Daemon, Docker, write_configuration
from harness.names import local_name
from harness.proxies import Balancer, TlsProxy

TRUSTED = pathlib.Path("/etc/docker/certs.d")


@pytest.fixture
def name():
    with local_name(f"registry-{uuid.uuid4().hex[:12]}.example") as name:
        yield name


@pytest.fixture
def proxy(ecru, name):
    proxy = TlsProxy(name, ecru.host)
    try:
        proxy.start()
        yield proxy
    finally:
        proxy.stop()


@pytest.fixture
def logged_in(proxy, password, tmp_path):
    """A directory with a `config.json` that holds credentials for the proxy."""
    directory = tmp_path / "behind-a-proxy"
    write_configuration(directory, proxy.host, "AWS", password)
    return directory


@pytest.fixture
def docker_behind(proxy, logged_in):
    """Docker, with a daemon that started after the name existed and that trusts the proxy's certificate."""
    trusted = TRUSTED / proxy.host
    trusted.mkdir(parents=True)
    shutil.copy(proxy.certificate, trusted / "ca.crt")
    daemon = Daemon()
    try:
        daemon.start()
        client = Docker(daemon, logged_in)
        yield client
        client.close()
    finally:
        daemon.stop()
        shutil.rmtree(trusted)


def test_docker_pushes_and_pulls_through_a_proxy_that_ends_tls(
    docker_behind, proxy, ecr, seeded_image, tmp_path
):
    reference = f"{proxy.host}/{create_repository(ecr)}:one"
    docker_behind.load(seeded_image.write_docker_archive(tmp_path / "image.tar"), reference)
    docker_behind("push", reference)
    docker_behind.close()
    docker_behind.pull(reference)
    assert docker_behind.image_id(reference) == seeded_image.image_id


def test_skopeo_copies_through_a_proxy_that_ends_tls(proxy, logged_in, ecr, seeded_image, tmp_path):
    certificates = tmp_path / "certificates"
    certificates.mkdir()
    shutil.copy(proxy.certificate, certificates / "ca.crt")
    remote = f"docker://{proxy.host}/{create_repository(ecr)}:one"
    layout = seeded_image.write_oci_layout(tmp_path / "layout", "one")

    def copy(side, source, destination):
        run(
            *("skopeo", "--insecure-policy", "copy", "--authfile", logged_in / "config.json"),
            *(f"--{side}-cert-dir", certificates, source, destination),
        )

    copy("dest", f"oci:{layout}:one", remote)
    copy("src", remote, f"dir:{tmp_path}/back")
    assert (tmp_path / "back/manifest.json").read_bytes() == seeded_image.manifest


def test_every_address_that_a_client_behind_tls_is_given_is_https(proxy, ecr, password):
    repository = create_repository(ecr)
    said = run(
        *("curl", "--silent", "--include", "--cacert", proxy.certificate, "--request", "POST"),
        *("--user", f"AWS:{password}", f"https://{proxy.host}/v2/{repository}/blobs/uploads/"),
    )
    [location] = [line for line in said.splitlines() if line.lower().startswith("location:")]
    assert location.partition(":")[2].strip().startswith(f"https://{proxy.host}/v2/{repository}/")


def test_the_default_health_check_of_haproxy_finds_the_server_up(ecru):
    balancer = Balancer(ecru.host)
    try:
        balancer.start()
        found = balancer.server()
    finally:
        balancer.stop()
    assert (found["status"], found["check_status"], found["check_code"]) == ("UP", "L7OK", "200")
