"""Data of an earlier build that would be refused today is still read, evaluated, served and deleted.

The fixture is a database of such a build. It has one of each policy, tag, rule and manifest that no request
can create any more.
"""

import json
import sqlite3
import subprocess

import pytest

from harness.aws import ACCOUNT, REGION, ecr_client
from harness.images import OCI_INDEX, OCI_MANIFEST
from harness.oci import Registry, Refused
from harness.server import BINARY, ROOT, Server

FIXTURE = ROOT / "e2e/fixtures/stored_before_strict_rules.sql"
OTHER_ACCOUNT = "111122223333"
ODD_KEY, ODD_VALUE = "who (old); 100%", 'a & b, "c" \U0001f600'
SCHEMA_1 = "application/vnd.docker.distribution.manifest.v1+json"
SCHEMA_1_SIGNED = "application/vnd.docker.distribution.manifest.v1+prettyjws"

PLAIN = "sha256:510cd1b4d9ad01e1b3ca9f83d892128623f05389991b4f7ba2edf7837dd9eece"
MANIFESTS = {
    "plain": (OCI_MANIFEST, PLAIN),
    "two-readings": (
        OCI_MANIFEST,
        "sha256:661e477c0dd43b36071abdff7ff6e2e5c51c95f3c9d2fb09283d7ca88e24bdb0",
    ),
    "schema-1": (
        SCHEMA_1,
        "sha256:5068a167b442a80a2e0b7ddbbf526b6daaefeb8bf3d02f82e455aed061170d22",
    ),
    "schema-1-signed": (
        SCHEMA_1_SIGNED,
        "sha256:6283abc4f57d661ee3516aa73e47cb509bc80060e20d1125ebc18ed0a9fec537",
    ),
    "index-with-layers-of-schema-1": (
        OCI_INDEX,
        "sha256:f05c21e5e96724f535b37e75ce152b3a245f5044887781a9c3ffb89340f70548",
    ),
    "long-type": (
        OCI_MANIFEST,
        "sha256:8271d60641c23517a9d7b7cfbba3af1a7803fa188a2dec5322394f63d82cad5a",
    ),
    "odd-type": (
        OCI_MANIFEST,
        "sha256:da5b8b7c3bf6ee7a21210cc9fb6d16919b0aceef9fc74592b336baff5f5c0f42",
    ),
    "odd-annotations": (
        OCI_MANIFEST,
        "sha256:6e005d320f8103dd2e6f38a674bd884069438481d1addc587d3cd1ff364e0117",
    ),
    "referrer": (
        OCI_MANIFEST,
        "sha256:581551d2cbd5eef52763ee7d720cacfa74cf96cfbb9e45c2b12a69852aedfed7",
    ),
}
REFERRER = MANIFESTS["referrer"][1]


@pytest.fixture
def older(tmp_path):
    """A running server on the data directory of the earlier build."""
    directory = tmp_path / "older"
    (directory / "blobs").mkdir(parents=True)
    directory.chmod(0o700)
    (directory / "blobs").chmod(0o700)
    (directory / "lock").write_bytes(b"ecru\n")
    database = sqlite3.connect(directory / "ecru.sqlite")
    database.execute("PRAGMA journal_mode = WAL")
    database.executescript(FIXTURE.read_text())
    database.close()
    server = Server(directory)
    server.start()
    yield server
    if server.running:
        server.stop()


def stored_policy(repository):
    database = sqlite3.connect(":memory:")
    database.executescript(FIXTURE.read_text())
    [(text,)] = database.execute("SELECT policy FROM repositories WHERE name = ?", [repository])
    return json.loads(text)


def test_nothing_of_it_is_damage(older):
    checked = subprocess.run(
        [BINARY, "verify", "--data-dir", str(older.data_directory)], capture_output=True, text=True
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.mark.parametrize("repository", ["resource-any", "resource-own", "principals"])
def test_a_policy_is_returned_decided_by_and_deleted(older, repository):
    repository = f"policy/{repository}"
    owner, stranger = ecr_client(older), ecr_client(older, access_key=OTHER_ACCOUNT)
    pull = {"registryId": ACCOUNT, "repositoryName": repository, "imageIds": [{"imageTag": "v1"}]}

    shown = owner.get_repository_policy(repositoryName=repository)["policyText"]
    assert json.loads(shown) == stored_policy(repository)
    assert stranger.batch_get_image(**pull)["images"][0]["imageId"]["imageDigest"] == PLAIN
    with pytest.raises(stranger.exceptions.ClientError, match="not authorized to perform: ecr:PutImage"):
        stranger.put_image(registryId=ACCOUNT, repositoryName=repository, imageManifest="{}")

    owner.delete_repository_policy(repositoryName=repository)
    with pytest.raises(stranger.exceptions.ClientError, match="not authorized to perform: ecr:BatchGetImage"):
        stranger.batch_get_image(**pull)


def test_a_policy_that_wants_tls_lets_the_owner_in(older):
    owner = ecr_client(older)
    assert stored_policy("policy/secure")["Statement"][1]["Effect"] == "Deny"
    Registry(older.host).push_blob("policy/secure", b"content")
    owner.delete_repository(repositoryName="policy/secure", force=True)


def test_tags_are_shown_and_taken_away(older):
    owner = ecr_client(older)
    arn = f"arn:aws:ecr:{REGION}:{ACCOUNT}:repository/tags/odd"

    tags = owner.list_tags_for_resource(resourceArn=arn)["tags"]
    assert {tag["Key"]: tag["Value"] for tag in tags} == {"plain": "yes", ODD_KEY: ODD_VALUE}
    owner.untag_resource(resourceArn=arn, tagKeys=[ODD_KEY])
    assert owner.list_tags_for_resource(resourceArn=arn)["tags"] == [{"Key": "plain", "Value": "yes"}]


def test_a_repository_reports_the_key_that_it_was_made_with(older):
    described = ecr_client(older).describe_repositories(repositoryNames=["kms/default", "kms/dsse"])
    keys = [found["encryptionConfiguration"]["kmsKey"] for found in described["repositories"]]
    assert keys == [f"arn:aws:kms:{REGION}:{ACCOUNT}:alias/aws/ecr"] * 2


def test_a_lifecycle_policy_is_returned_in_its_order_and_judges_by_priority(older):
    owner = ecr_client(older)
    text = owner.get_lifecycle_policy(repositoryName="lifecycle/order")["lifecyclePolicyText"]
    assert [rule["rulePriority"] for rule in json.loads(text)["rules"]] == [9, 2, 5]

    registry = Registry(older.host)
    for number in range(2):
        manifest = registry.find_manifest("manifests", "plain").rstrip() + b" " * number
        registry.push_manifest("lifecycle/order", f"two-and-nine-{number}", OCI_MANIFEST, manifest)
    explained = older.control("GET", "lifecycle/explain?repository=lifecycle/order")
    assert "two" in json.dumps(explained)
    owner.delete_lifecycle_policy(repositoryName="lifecycle/order")


def test_cache_rules_and_templates_are_described_and_deleted(older):
    owner = ecr_client(older)
    rules = owner.describe_pull_through_cache_rules()["pullThroughCacheRules"]
    roles = {rule["ecrRepositoryPrefix"]: rule["customRoleArn"] for rule in rules}
    assert roles == {
        "ecr-other": f"arn:aws:iam::{OTHER_ACCOUNT}:role/other",
        "ecr-service": "lambda.amazonaws.com",
    }
    for prefix in roles:
        owner.delete_pull_through_cache_rule(ecrRepositoryPrefix=prefix)

    [template] = owner.describe_repository_creation_templates()["repositoryCreationTemplates"]
    assert json.loads(template["repositoryPolicy"])["Statement"][0]["Resource"] == "*"
    assert template["resourceTags"] == [{"Key": ODD_KEY, "Value": ODD_VALUE}]
    Registry(older.host).push_blob("made/on-push", b"content")
    owner.delete_repository_creation_template(prefix="made")


def test_manifests_are_listed_served_and_deleted(older):
    owner, registry = ecr_client(older), Registry(older.host)

    listed = owner.describe_images(repositoryName="manifests")["imageDetails"]
    assert {(found["imageTags"][0], found["imageDigest"]) for found in listed} == {
        (tag, digest) for tag, (_, digest) in MANIFESTS.items()
    }
    referrers = owner.list_image_referrers(repositoryName="manifests", subjectId={"imageDigest": PLAIN})
    assert [found["digest"] for found in referrers["referrers"]] == [REFERRER]
    _, _, index = registry.request("GET", f"/v2/manifests/referrers/{PLAIN}", accept=(200,))
    assert [found["digest"] for found in json.loads(index)["manifests"]] == [REFERRER]

    for tag, (media_type, digest) in MANIFESTS.items():
        wanted = {"Accept": media_type}
        for reference in (tag, digest):
            _, headers, content = registry.request(
                "GET", f"/v2/manifests/manifests/{reference}", headers=wanted, accept=(200,)
            )
            assert (headers["Docker-Content-Digest"], headers["Content-Type"]) == (digest, media_type)
        got = owner.batch_get_image(
            repositoryName="manifests", imageIds=[{"imageTag": tag}], acceptedMediaTypes=[media_type]
        )
        assert got["images"][0]["imageManifest"].encode() == content
    # An index is deleted before the images that it names.
    for tag, (_, digest) in reversed(MANIFESTS.items()):
        registry.delete_manifest("manifests", digest)
    assert owner.describe_images(repositoryName="manifests")["imageDetails"] == []


def test_an_image_that_was_let_through_unsigned_is_served_and_gets_no_other_tag(older):
    owner, registry = ecr_client(older), Registry(older.host)
    manifest = registry.find_manifest("signed", "v1")
    with pytest.raises(Refused, match="403"):
        registry.push_manifest("signed", "v2", OCI_MANIFEST, manifest)
    owner.batch_delete_image(repositoryName="signed", imageIds=[{"imageTag": "v1"}])
    assert registry.find_manifest("signed", "v1") is None
