"""cosign: signatures in both formats, and a repository that accepts tags of signed images only."""

import json

import pytest

from harness.command import run
from harness.images import digest_of
from harness.oci import Refused

OFFLINE = ("--use-signing-config=false", "--tlog-upload=false", "--yes")
FORMATS = {"bundle": (), "tag": ("--new-bundle-format=false",)}


@pytest.fixture
def cosign(configuration, tmp_path):
    environment = {
        "DOCKER_CONFIG": str(configuration),
        "HOME": str(configuration),
        "COSIGN_PASSWORD": "secret",
    }

    def call(*arguments):
        words = [str(argument) for argument in arguments]
        return run("env", f"--chdir={tmp_path}", "cosign", *words, environment=environment)

    return call


@pytest.fixture
def key(cosign, tmp_path):
    """Makes a key pair with this name. Returns the paths of the private and the public key."""

    def make(name):
        cosign("generate-key-pair", "--output-key-prefix", name)
        return tmp_path / f"{name}.key", tmp_path / f"{name}.pub"

    return make


@pytest.fixture
def require(registry):
    """Requires a signature of this public key for tags in a repository."""

    def put(repository, public_key):
        wanted = {"repositoryName": repository, "publicKeyPem": public_key.read_text()}
        registry.request(
            "PUT", "/_ecru/verification", body=json.dumps(wanted).encode(), accept=(200,)
        )

    return put


def tag(registry, repository, name, image):
    return registry.push_manifest(repository, name, image.media_type, image.manifest)


@pytest.mark.parametrize("form", FORMATS)
def test_a_tag_is_put_on_an_image_once_cosign_has_signed_it(
    cosign, key, require, ecru, ecr, registry, repository, seeded_image, form
):
    name = repository()
    private, public = key("team")
    require(name, public)
    with pytest.raises(Refused, match="403.*DENIED.*no signature of it"):
        registry.push_image(name, "one", seeded_image)

    reference = f"{ecru.host}/{name}@{seeded_image.digest}"
    registry.push_image(name, seeded_image.digest, seeded_image)
    cosign("sign", "--key", private, *OFFLINE, *FORMATS[form], reference)
    assert tag(registry, name, "one", seeded_image) == seeded_image.digest
    verified = cosign(
        "verify", "--key", public, "--insecure-ignore-tlog", *FORMATS[form], f"{ecru.host}/{name}:one"
    )
    assert seeded_image.digest in verified

    signature = f"{seeded_image.digest.replace(':', '-')}.sig"
    listed = ["one"] if form == "bundle" else ["one", signature]
    assert registry.list_tags(name) == listed
    referrers = ecr.list_image_referrers(
        repositoryName=name, subjectId={"imageDigest": seeded_image.digest}
    )["referrers"]
    assert len(referrers) == (1 if form == "bundle" else 0)


@pytest.mark.parametrize("form", FORMATS)
def test_a_signature_of_another_key_or_image_lets_no_tag_be_put(
    cosign, key, require, ecru, registry, repository, two_architectures, form
):
    name = repository()
    private, public = key("team")
    stranger, _ = key("stranger")
    require(name, public)
    (first, second), _, _ = two_architectures
    for image in (first, second):
        registry.push_image(name, image.digest, image)

    cosign(
        "sign", "--key", stranger, *OFFLINE, *FORMATS[form], f"{ecru.host}/{name}@{first.digest}"
    )
    cosign(
        "sign", "--key", private, *OFFLINE, *FORMATS[form], f"{ecru.host}/{name}@{second.digest}"
    )
    with pytest.raises(Refused, match="DENIED"):
        tag(registry, name, "one", first)
    tag(registry, name, "two", second)

    # A second signature beside that of the other key, in the same manifest.
    cosign(
        "sign", "--key", private, *OFFLINE, *FORMATS[form], f"{ecru.host}/{name}@{first.digest}"
    )
    tag(registry, name, "one", first)


def test_an_index_is_judged_by_its_own_signature_and_attestations_are_none(
    cosign, key, require, ecru, registry, repository, two_architectures, tmp_path
):
    name = repository()
    private, public = key("team")
    require(name, public)
    images, index, media_type = two_architectures
    for image in images:
        registry.push_image(name, image.digest, image)
        cosign("sign", "--key", private, *OFFLINE, f"{ecru.host}/{name}@{image.digest}")
    digest = registry.push_manifest(name, digest_of(index), media_type, index)

    (tmp_path / "predicate.json").write_text("{}")
    attest = ("attest", "--key", private, "--type", "https://example.com/made", *OFFLINE)
    cosign(*attest, "--predicate", "predicate.json", f"{ecru.host}/{name}@{digest}")
    with pytest.raises(Refused, match="DENIED"):
        registry.push_manifest(name, "all", media_type, index)

    cosign("sign", "--key", private, *OFFLINE, f"{ecru.host}/{name}@{digest}")
    assert registry.push_manifest(name, "all", media_type, index) == digest
