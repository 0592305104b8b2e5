"""KMS: cosign signs with a key that is required on push, the AWS command line, boto3, and backups with and without keys."""

import base64
import json
import os
import subprocess

import boto3
import pytest

from harness.aws import REGION
from harness.command import run
from harness.oci import Refused
from harness.server import BINARY, Server

OFFLINE = ("--use-signing-config=false", "--tlog-upload=false", "--yes")
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_REGION": REGION}


def client(ecru):
    return boto3.Session("test", "test", region_name=REGION).client("kms", endpoint_url=ecru.url)


@pytest.fixture
def cosign(ecru, configuration, tmp_path):
    environment = {
        "DOCKER_CONFIG": str(configuration),
        "HOME": str(configuration),
        "AWS_ENDPOINT_URL": ecru.url,
        **CREDENTIALS,
    }

    def call(*arguments):
        words = [str(argument) for argument in arguments]
        return run("env", f"--chdir={tmp_path}", "cosign", *words, environment=environment)

    return call


def test_a_push_is_accepted_once_cosign_has_signed_with_the_key_of_kms(
    cosign, ecru, registry, repository, seeded_image
):
    name, key = repository(), "awskms:///alias/release"
    cosign("generate-key-pair", "--kms", key)
    alias = f"arn:aws:kms:{REGION}:000000000000:alias/release"
    wanted = {"repositoryName": name, "kmsKeyArn": alias}
    registry.request("PUT", "/_ecru/verification", body=json.dumps(wanted).encode(), accept=(200,))
    with pytest.raises(Refused, match="403.*DENIED.*no signature of it"):
        registry.push_image(name, "one", seeded_image)

    registry.push_image(name, seeded_image.digest, seeded_image)
    reference = f"{ecru.host}/{name}@{seeded_image.digest}"
    cosign("sign", "--key", key, *OFFLINE, reference)
    pushed = registry.push_manifest(name, "one", seeded_image.media_type, seeded_image.manifest)
    assert pushed == seeded_image.digest
    verified = cosign("verify", "--key", key, "--insecure-ignore-tlog", f"{ecru.host}/{name}:one")
    assert seeded_image.digest in verified


def test_the_aws_cli_makes_uses_and_deletes_keys(ecru, tmp_path):
    def kms(*arguments):
        words = ("aws", "--endpoint-url", ecru.url, "--region", REGION, "kms", *arguments)
        printed = run(*words, environment=CREDENTIALS)
        return json.loads(printed) if printed.strip() else None

    key = kms("create-key")["KeyMetadata"]["KeyId"]
    kms("create-alias", "--alias-name", "alias/demo", "--target-key-id", key)
    (tmp_path / "plain").write_bytes(b"hello")
    sealed = kms("encrypt", "--key-id", "alias/demo", "--plaintext", f"fileb://{tmp_path}/plain")
    (tmp_path / "sealed").write_bytes(base64.b64decode(sealed["CiphertextBlob"]))
    opened = kms("decrypt", "--ciphertext-blob", f"fileb://{tmp_path}/sealed")
    assert base64.b64decode(opened["Plaintext"]) == b"hello"

    made = kms("create-key", "--key-spec", "RSA_2048", "--key-usage", "SIGN_VERIFY")
    signing = made["KeyMetadata"]["KeyId"]
    message = ("--message", f"fileb://{tmp_path}/plain", "--signing-algorithm", "RSASSA_PSS_SHA_256")
    signed = kms("sign", "--key-id", signing, *message)
    (tmp_path / "signature").write_bytes(base64.b64decode(signed["Signature"]))
    signature = ("--signature", f"fileb://{tmp_path}/signature")
    assert kms("verify", "--key-id", signing, *message, *signature)["SignatureValid"]

    deleted = kms("schedule-key-deletion", "--key-id", key, "--pending-window-in-days", "7")
    assert deleted["KeyState"] == "PendingDeletion"
    assert kms("describe-key", "--key-id", key)["KeyMetadata"]["Enabled"] is False


def test_boto3_pages_through_keys_and_makes_data_keys(ecru):
    kms = client(ecru)
    keys = {kms.create_key()["KeyMetadata"]["KeyId"] for _ in range(5)}
    pages = kms.get_paginator("list_keys").paginate(PaginationConfig={"PageSize": 2})
    listed = {key["KeyId"] for page in pages for key in page["Keys"]}
    assert keys < listed and len(listed) == 6
    made = kms.generate_data_key(KeyId=min(keys), KeySpec="AES_256", EncryptionContext={"a": "b"})
    opened = kms.decrypt(CiphertextBlob=made["CiphertextBlob"], EncryptionContext={"a": "b"})
    assert opened["Plaintext"] == made["Plaintext"]
    with pytest.raises(kms.exceptions.InvalidCiphertextException):
        kms.decrypt(CiphertextBlob=made["CiphertextBlob"])


def command(*arguments):
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ECRU_")}
    done = subprocess.run([BINARY, *arguments], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("with_keys", [True, False])
def test_a_backup_has_the_master_key_only_if_it_is_asked_for(ecru, tmp_path, with_keys):
    kms = client(ecru)
    metadata = kms.create_key()["KeyMetadata"]
    sealed = kms.encrypt(KeyId=metadata["KeyId"], Plaintext=b"hello")["CiphertextBlob"]
    flags = ("--with-keys",) if with_keys else ()
    said = command("backup", str(tmp_path / "backup"), "--data-dir", str(ecru.data_directory), *flags)
    assert ("includes the master key" in said) == with_keys
    assert (tmp_path / "backup/kms-master-key").exists() == with_keys

    said = command("restore", str(tmp_path / "backup"), "--data-dir", str(tmp_path / "restored"))
    assert (f"lacks the master key of {metadata['Arn']}" in said) != with_keys
    restored = Server(tmp_path / "restored")
    restored.start()
    kms = client(restored)
    if with_keys:
        assert kms.decrypt(CiphertextBlob=sealed)["Plaintext"] == b"hello"
    else:
        described = kms.describe_key(KeyId=metadata["KeyId"])
        assert described["KeyMetadata"]["KeyState"] == "Unavailable"
        with pytest.raises(kms.exceptions.KMSInvalidStateException):
            kms.decrypt(CiphertextBlob=sealed)
    restored.stop()

    if not with_keys:
        file = ecru.data_directory / "kms-master-key"
        given = Server(tmp_path / "restored", "--master-key-file", str(file))
        given.start()
        assert client(given).decrypt(CiphertextBlob=sealed)["Plaintext"] == b"hello"
        given.stop()
