"""Amazon's credential helper, which supports only host names of Amazon's form."""

import contextlib
import json
import random

import pytest

from harness.aws import REGION, create_repository, ecr_client
from harness.command import Failed, run
from harness.daemon import Daemon, Docker
from harness.names import local_name
from harness.server import Server


@pytest.fixture
def account():
    """An account that no concurrent test uses."""
    return f"{random.SystemRandom().randrange(10**11, 10**12)}"


@pytest.fixture
def host(account):
    """Amazon's name for the account's registry, which resolves to this machine during the test."""
    name = f"{account}.dkr.ecr.{REGION}.amazonaws.com"
    with local_name(name):
        yield name


@pytest.fixture
def late_docker_daemon(host):
    """A daemon that starts after the name exists. A running daemon would notice the name only seconds later."""
    daemon = Daemon()
    try:
        daemon.start()
        yield daemon
    finally:
        daemon.stop()


@pytest.fixture
def amazon_like(tmp_path):
    server = Server(tmp_path / "ecru", "--repository-uri", "aws")
    server.start()
    yield server
    server.stop()


@pytest.fixture
def surroundings(tmp_path, amazon_like, account):
    """The environment of the helper: the address of the JSON API, the credentials, and the folder of its cache."""
    return {
        "AWS_ENDPOINT_URL_ECR": amazon_like.url,
        "AWS_ACCESS_KEY_ID": account,
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": REGION,
        "AWS_ECR_CACHE_DIR": str(tmp_path / "cache"),
    }


def test_docker_pushes_and_pulls_with_amazons_credential_helper(
    late_docker_daemon, amazon_like, surroundings, account, host, seeded_image, tmp_path
):
    ecr = ecr_client(amazon_like, account)
    name = create_repository(ecr)
    [described] = ecr.describe_repositories()["repositories"]
    assert described["registryId"] == account
    assert described["repositoryUri"] == f"{host}:{amazon_like.port}/{name}"

    docker = Docker(late_docker_daemon, tmp_path / "configuration")
    reference = f"{described['repositoryUri']}:one"
    docker.load(seeded_image.write_docker_archive(tmp_path / "image.tar"), reference)
    with contextlib.closing(docker):
        with pytest.raises(Failed, match="no basic auth credentials"):
            docker("push", reference)

        docker.configuration.mkdir()
        helpers = {"credHelpers": {f"{host}:{amazon_like.port}": "ecr-login"}}
        (docker.configuration / "config.json").write_text(json.dumps(helpers))
        docker.environment.update(surroundings)
        docker("push", reference)
        docker.forget(reference)
        docker.pull(reference)
        assert docker.image_id(reference) == seeded_image.image_id


def test_the_credential_helper_gives_the_credentials_of_the_registry_it_is_asked_for(
    amazon_like, surroundings, account, host
):
    def helper(command, stdin=""):
        words = ["docker-credential-ecr-login", command]
        return json.loads(run(*words, environment=surroundings, stdin=stdin))

    got = helper("get", f"{host}:{amazon_like.port}")
    assert got["Username"] == "AWS"

    ecr = ecr_client(amazon_like, account)
    [data] = ecr.get_authorization_token()["authorizationData"]
    assert data["proxyEndpoint"] == f"https://{host}:{amazon_like.port}"

    status = run(
        *("curl", "--silent", "--output", "/dev/null", "--write-out", "%{http_code}"),
        *("--user", f"AWS:{got['Secret']}", f"http://{host}:{amazon_like.port}/v2/"),
    )
    assert status == "200"
    # The helper lists its cache.
    assert helper("list") == {f"https://{host}:{amazon_like.port}": "AWS"}
