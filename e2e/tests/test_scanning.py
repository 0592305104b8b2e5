"""Scans of a real Debian image against advisories made from public facts. The tests wait as the AWS CLI does."""

import json

import pytest

from harness.advisories import ADVISORIES, advisory
from harness.command import TOOLS, run
from harness.images import Image
from harness.server import BINARY

@pytest.fixture
def advisories(tmp_path):
    directory = tmp_path / "advisories"
    directory.mkdir()
    for facts in ADVISORIES:
        (directory / f"{facts[0]}.json").write_text(json.dumps(advisory(*facts)))
    return directory


def test_a_scan_without_advisories_fails_and_one_with_them_finds_what_debian_has_not_mended(
    docker, ecru, ecr, aws, repository, advisories
):
    name = repository()
    reference = f"{ecru.host}/{name}:bookworm"
    docker("import", TOOLS / "debian.tar", reference)
    docker.tag(reference, reference)
    docker("push", reference)
    image = ("--repository-name", name, "--image-id", "imageTag=bookworm")

    assert aws("start-image-scan", *image)["imageScanStatus"]["status"] == "IN_PROGRESS"
    ecru.control("POST", "run-due")
    failed = aws("describe-image-scan-findings", *image)
    assert failed["imageScanStatus"]["status"] == "FAILED"
    assert "AdvisoryDataError" in failed["imageScanStatus"]["description"]

    run(BINARY, "advisories", "import", "--data-dir", ecru.data_directory, advisories)
    aws("start-image-scan", *image)
    aws("wait", "image-scan-complete", *image)
    findings = aws("describe-image-scan-findings", *image)["imageScanFindings"]
    found = {finding["name"]: finding["severity"] for finding in findings["findings"]}
    assert found == {"CVE-2005-2541": "HIGH", "CVE-2011-3374": "LOW"}
    # The sources of apt are built into two packages.
    assert findings["findingSeverityCounts"] == {"HIGH": 1, "LOW": 2}

    with pytest.raises(ecr.exceptions.LimitExceededException):
        ecr.start_image_scan(repositoryName=name, imageId={"imageTag": "bookworm"})


def test_a_push_is_scanned_by_the_rules_and_findings_that_a_test_sets_are_its_result(
    ecru, ecr, aws, registry, repository, seeded_image
):
    name = repository()
    ecr.put_registry_scanning_configuration(
        scanType="BASIC",
        rules=[
            {
                "scanFrequency": "SCAN_ON_PUSH",
                "repositoryFilters": [{"filter": "test/*", "filterType": "WILDCARD"}],
            }
        ],
    )
    preset = {
        "imageDigest": seeded_image.digest,
        "findings": [{"name": "CVE-2024-0001", "severity": "CRITICAL"}],
    }
    ecru.control("PUT", "findings", preset)
    registry.push_image(name, "one", seeded_image)
    other = Image.seeded("of no known system")
    registry.push_image(name, "two", other)

    aws("wait", "image-scan-complete", "--repository-name", name, "--image-id", "imageTag=one")
    described = ecr.describe_image_scan_findings(repositoryName=name, imageId={"imageTag": "one"})
    assert described["imageScanFindings"]["findingSeverityCounts"] == {"CRITICAL": 1}

    ecru.control("POST", "run-due")
    described = ecr.describe_image_scan_findings(repositoryName=name, imageId={"imageTag": "two"})
    assert described["imageScanStatus"]["status"] in ("FAILED", "UNSUPPORTED_IMAGE")
    events = ecru.control("GET", "events?detail-type=ECR%20Image%20Scan")["events"]
    assert [event["detail"]["scan-status"] for event in events].count("COMPLETE") == 1
