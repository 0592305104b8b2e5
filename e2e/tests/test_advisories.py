"""From a pushed image to its findings: one command fetches the advisories that a scan lacks."""

from harness.advisories import archives
from harness.command import TOOLS, run
from harness.server import BINARY


def test_one_command_fetches_what_a_failed_scan_lacked(docker, ecru, aws, repository, tmp_path):
    name = repository()
    reference = f"{ecru.host}/{name}:bookworm"
    docker("import", TOOLS / "debian.tar", reference)
    docker("push", reference)
    image = ("--repository-name", name, "--image-id", "imageTag=bookworm")
    aws("start-image-scan", *image)
    ecru.control("POST", "run-due")
    status = aws("describe-image-scan-findings", *image)["imageScanStatus"]
    assert status["status"] == "FAILED"
    assert "`ecru advisories update`" in status["description"]

    with archives(tmp_path) as url:
        run(BINARY, "advisories", "update", "--data-dir", ecru.data_directory, "--from", url)
    aws("wait", "image-scan-complete", *image)
    findings = aws("describe-image-scan-findings", *image)["imageScanFindings"]
    found = {finding["name"]: finding["severity"] for finding in findings["findings"]}
    assert found == {"CVE-2005-2541": "HIGH", "CVE-2011-3374": "LOW"}
