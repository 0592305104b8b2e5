"""The conformance suite of the OCI Distribution Specification."""

import subprocess
import xml.etree.ElementTree

from harness.command import SECONDS_MAX, environment_with

WORKFLOWS = ["PULL", "PUSH", "CONTENT_DISCOVERY", "CONTENT_MANAGEMENT"]
# The remaining cases of its 68 are for registries without push, or with automatic mounts.
CASES_MIN = 62


def test_every_case_of_the_oci_conformance_suite_passes(ecru, repository, password, tmp_path):
    settings = {f"OCI_TEST_{workflow}": "1" for workflow in WORKFLOWS} | {
        "OCI_ROOT_URL": ecru.url,
        "OCI_NAMESPACE": repository(),
        "OCI_CROSSMOUNT_NAMESPACE": repository(),
        "OCI_AUTOMATIC_CROSSMOUNT": "0",
        "OCI_USERNAME": "AWS",
        "OCI_PASSWORD": password,
        # The other order deletes layers that an image needs, which ecru refuses.
        "OCI_DELETE_MANIFEST_BEFORE_BLOBS": "1",
        "OCI_REPORT_DIR": str(tmp_path),
    }
    result = subprocess.run(
        ["oci-conformance"],
        env=environment_with(settings),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=SECONDS_MAX,
    )
    cases = xml.etree.ElementTree.parse(tmp_path / "junit.xml").getroot().iter("testcase")
    outcomes = {case.get("name"): {child.tag for child in case} for case in cases}

    failed = [name for name, outcome in outcomes.items() if "failure" in outcome]
    assert (failed, result.returncode) == ([], 0), result.stdout
    passed = [name for name, outcome in outcomes.items() if "skipped" not in outcome]
    assert len(passed) >= CASES_MIN
