"""Fixtures for all tests: a server, clients that are set up for it, and the Docker daemon."""

import functools
import json

import pytest

from harness.aws import REGION, create_repository, ecr_client, registry_password
from harness.command import run
from harness.daemon import Daemon, Docker, write_configuration
from harness.images import OCI_INDEX, Image, index_of
from harness.oci import Registry
from harness.secure import secure_server
from harness.server import Server


@pytest.fixture
def ecru(tmp_path):
    """A running server with an empty data directory. It must stop cleanly at the end."""
    server = Server(tmp_path / "ecru")
    server.start()
    yield server
    if server.running:
        server.stop()


@pytest.fixture
def secure(tmp_path):
    """A running server with TLS."""
    server = secure_server(tmp_path)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def ecr(ecru):
    """A boto3 client for the JSON API."""
    return ecr_client(ecru)


@pytest.fixture
def aws(ecru):
    """Runs `aws ecr …` and returns its output, parsed if it is JSON."""

    def call(*arguments):
        printed = run(
            "aws",
            *("--endpoint-url", ecru.url, "--region", REGION, "ecr"),
            *arguments,
            environment={"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"},
        )
        return json.loads(printed) if printed.startswith("{") else printed.strip()

    return call


@pytest.fixture
def repository(ecr):
    """Creates a repository with a unique name and returns the name."""
    return functools.partial(create_repository, ecr)


@pytest.fixture
def password(ecr):
    """The password of an authorization token, for the user `AWS`."""
    return registry_password(ecr)


@pytest.fixture
def registry(ecru, password):
    client = Registry(ecru.host, "AWS", password)
    yield client
    client.close()


@pytest.fixture
def configuration(tmp_path, ecru, password):
    """A directory with a `config.json` that holds the credentials for clients."""
    directory = tmp_path / "configuration"
    write_configuration(directory, ecru.host, "AWS", password)
    return directory


@pytest.fixture(scope="session")
def docker_daemon():
    daemon = Daemon()
    try:
        daemon.start()
        yield daemon
    finally:
        daemon.stop()


@pytest.fixture
def docker(docker_daemon, configuration):
    """The `docker` command, logged in. Its images are removed at the end."""
    client = Docker(docker_daemon, configuration)
    yield client
    client.close()


@pytest.fixture
def seeded_image(request):
    """An image of three layers that no other test uses."""
    return Image.seeded(request.node.name)


@pytest.fixture
def two_architectures(request):
    """Two images, the bytes of an index of them, and its media type."""
    images = [
        Image.seeded(f"{request.node.name}/{architecture}", architecture=architecture)
        for architecture in ["amd64", "arm64"]
    ]
    return images, index_of(images), OCI_INDEX
