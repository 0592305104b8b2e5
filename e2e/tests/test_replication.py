"""An image that was pushed in one region is pulled from another, and from another account's registry."""

import json

from harness.aws import ACCOUNT, ecr_client, registry_password
from harness.daemon import Docker

SECOND_ACCOUNT = "111122223333"


def pull_as(docker_daemon, directory, client, ecru, name):
    """Pulls by tag with the credentials of the client's own registry. Returns the image's ID and digest."""
    docker = Docker(docker_daemon, directory)
    password = registry_password(client)
    docker("login", "--username", "AWS", "--password-stdin", ecru.host, stdin=password)
    reference = f"{ecru.host}/{name}:one"
    docker.pull(reference)
    pulled = docker.image_id(reference), docker.pushed_digest(reference)
    docker.close()
    return pulled


def test_a_push_is_pulled_in_another_region_and_from_a_second_account(
    docker, docker_daemon, ecru, ecr, seeded_image, tmp_path
):
    europe = ecr_client(ecru, region="eu-west-1")
    second = ecr_client(ecru, access_key=SECOND_ACCOUNT, region="eu-west-1")
    statement = {
        "Sid": "replicated",
        "Effect": "Allow",
        "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"},
        "Action": ["ecr:CreateRepository", "ecr:ReplicateImage"],
        "Resource": f"arn:aws:ecr:eu-west-1:{SECOND_ACCOUNT}:repository/team/*",
    }
    policy = {"Version": "2012-10-17", "Statement": [statement]}
    second.put_registry_policy(policyText=json.dumps(policy))
    destinations = [
        {"region": "eu-west-1", "registryId": account} for account in [ACCOUNT, SECOND_ACCOUNT]
    ]
    ecr.put_replication_configuration(
        replicationConfiguration={"rules": [{"destinations": destinations}]}
    )

    name = "team/app"
    ecr.create_repository(repositoryName=name)
    reference = f"{ecru.host}/{name}:one"
    docker.load(seeded_image.write_docker_archive(tmp_path / "image.tar"), reference)
    docker("push", reference)
    digest = docker.pushed_digest(reference)
    docker.close()
    ecru.control("POST", "run-due")

    statuses = ecr.describe_image_replication_status(
        repositoryName=name, imageId={"imageDigest": digest}
    )["replicationStatuses"]
    reached = {(status["registryId"], status["status"]) for status in statuses}
    assert reached == {(ACCOUNT, "COMPLETE"), (SECOND_ACCOUNT, "COMPLETE")}
    for which, client in [("region", europe), ("account", second)]:
        pulled = pull_as(docker_daemon, tmp_path / which, client, ecru, name)
        assert pulled == (seeded_image.image_id, digest)
