"""STS: the AWS command line and boto3 assume a role, and push and pull as its session."""

import json

import boto3
import pytest

from harness.aws import REGION, registry_password
from harness.command import run
from harness.oci import Registry

ACCOUNT = "111122223333"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/ci"


def assumed(sts):
    session = sts.assume_role(RoleArn=ROLE, RoleSessionName="one")["Credentials"]
    return boto3.Session(
        aws_access_key_id=session["AccessKeyId"],
        aws_secret_access_key=session["SecretAccessKey"],
        aws_session_token=session["SessionToken"],
        region_name=REGION,
    )


@pytest.fixture
def sts(ecru):
    session = boto3.Session("test", "test", region_name=REGION)
    return session.client("sts", endpoint_url=ecru.url)


def test_a_profile_of_the_aws_cli_assumes_its_role(ecru, tmp_path):
    configuration = tmp_path / "config"
    configuration.write_text(
        f"[default]\nregion = {REGION}\nendpoint_url = {ecru.url}\n"
        "aws_access_key_id = test\naws_secret_access_key = test\n"
        f"[profile ci]\nregion = {REGION}\nendpoint_url = {ecru.url}\n"
        f"role_arn = {ROLE}\nsource_profile = default\nrole_session_name = build\n"
    )

    def identity(profile):
        # The command line keeps the credentials of a role in a cache below the home directory.
        environment = {
            "AWS_CONFIG_FILE": str(configuration),
            "AWS_ENDPOINT_URL": ecru.url,
            "HOME": str(tmp_path),
        }
        words = ("aws", "--profile", profile, "sts", "get-caller-identity")
        return json.loads(run(*words, environment=environment))

    assert identity("default")["Arn"] == "arn:aws:iam::000000000000:root"
    assert identity("ci")["Arn"] == f"arn:aws:sts::{ACCOUNT}:assumed-role/ci/build"
    assert identity("ci")["Account"] == ACCOUNT


def test_an_image_is_pushed_and_pulled_as_a_session_after_a_restart(ecru, sts, seeded_image):
    session = assumed(sts)
    assert session.client("sts", endpoint_url=ecru.url).get_caller_identity()["Account"] == ACCOUNT
    ecr = session.client("ecr", endpoint_url=ecru.url)
    repository = ecr.create_repository(repositoryName="demo")["repository"]
    assert repository["registryId"] == ACCOUNT

    ecru.kill()
    ecru.start()
    registry = Registry(ecru.host, "AWS", registry_password(ecr))
    registry.push_image("demo", "v1", seeded_image)
    assert registry.find_manifest("demo", "v1") == seeded_image.manifest
    pushed = ecr.describe_images(repositoryName="demo")["imageDetails"]
    assert [image["imageTags"] for image in pushed] == [["v1"]]
    home = boto3.Session("test", "test", region_name=REGION).client("ecr", endpoint_url=ecru.url)
    assert home.describe_repositories()["repositories"] == []


def test_a_session_ends_by_the_clock(ecru, sts, registry):
    session = assumed(sts)
    registry.request("PUT", "/_ecru/clock", body=b'{"advance": "PT1H"}', accept=(200,))
    with pytest.raises(sts.exceptions.ClientError) as refused:
        session.client("ecr", endpoint_url=ecru.url).describe_repositories()
    assert refused.value.response["Error"]["Code"] == "ExpiredTokenException"
