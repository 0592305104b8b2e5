"""Common clients show the reason why a request with a large body is refused, instead of a broken pipe."""

import json
import shutil
import subprocess

import pytest

from harness.aws import JsonApi
from harness.command import environment_with, run

BODY_BYTES = 64 << 20
TRIES = 10

NODE = """
const [url, bytes, tries] = process.argv.slice(1);
const statuses = [];
for (let count = 0; count < Number(tries); count++) {
  const answer = await fetch(url, { method: 'PUT', body: new Uint8Array(Number(bytes)) });
  await answer.text();
  statuses.push(answer.status);
}
console.log(JSON.stringify(statuses));
"""

GO = """
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
)

func main() {
	length, _ := strconv.Atoi(os.Args[2])
	tries, _ := strconv.Atoi(os.Args[3])
	statuses := []int{}
	for count := 0; count < tries; count++ {
		body := io.Reader(bytes.NewReader(make([]byte, length)))
		if count%2 == 1 {
			body = io.LimitReader(body, int64(length)) // sent in chunks
		}
		request, _ := http.NewRequest("PUT", os.Args[1], body)
		answer, err := http.DefaultClient.Do(request)
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		io.Copy(io.Discard, answer.Body)
		answer.Body.Close()
		statuses = append(statuses, answer.StatusCode)
	}
	json.NewEncoder(os.Stdout).Encode(statuses)
}
"""

REFUSALS = {
    "unauthorized": ("/v2/demo/manifests/a", 401),
    "unknown path": ("/nowhere", 404),
    "wrong method": ("/healthz", 405),
    "too large": ("/_ecru/clock", 413),
}


@pytest.mark.parametrize("refusal", REFUSALS)
def test_node_reads_why_its_body_is_refused(ecru, refusal):
    path, status = REFUSALS[refusal]
    command = ["node", "--input-type=module", "-e", NODE, f"{ecru.url}{path}", str(BODY_BYTES), str(TRIES)]
    assert json.loads(run(*command)) == [status] * TRIES


@pytest.fixture(scope="module")
def go_client(tmp_path_factory):
    if not shutil.which("go"):
        pytest.skip("Go is not installed")
    directory = tmp_path_factory.mktemp("go")
    source = directory / "main.go"
    source.write_text(GO)
    subprocess.run(["go", "build", "-o", str(directory / "client"), str(source)], check=True)
    return directory / "client"


@pytest.mark.parametrize("refusal", REFUSALS)
def test_go_reads_why_its_body_is_refused(ecru, go_client, refusal):
    path, status = REFUSALS[refusal]
    printed = run(str(go_client), f"{ecru.url}{path}", str(BODY_BYTES), str(TRIES))
    assert json.loads(printed) == [status] * TRIES


def test_oras_says_why_a_push_is_refused(ecru, tmp_path):
    """The policy allows the caller to begin an upload, but not to send its bytes."""
    api = JsonApi(ecru.host)
    api.call("CreateRepository", repositoryName="refused")
    statement = {
        "Sid": "no bytes",
        "Effect": "Deny",
        "Principal": "*",
        "Action": ["ecr:UploadLayerPart", "ecr:CompleteLayerUpload"],
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    api.call("SetRepositoryPolicy", repositoryName="refused", policyText=policy)
    api.close()
    content = tmp_path / "content"
    content.write_bytes(bytes(BODY_BYTES))

    pushed = subprocess.run(
        ["oras", "push", "--plain-http", "--username", "test", "--password", "test"]
        + ["--disable-path-validation", f"localhost:{ecru.port}/refused:a", str(content)],
        env=environment_with({}),
        capture_output=True,
        text=True,
    )
    said = (pushed.stdout + pushed.stderr).lower()
    assert pushed.returncode != 0
    assert "403" in said or "denied" in said, said
    assert "broken pipe" not in said and "connection reset" not in said, said


@pytest.mark.parametrize("length", [100, 70_000, BODY_BYTES])
def test_curl_reads_why_its_body_is_refused_over_http_2(secure, length, tmp_path):
    content = tmp_path / "content"
    content.write_bytes(bytes(length))
    for _ in range(TRIES):
        said = run(
            *("curl", "--silent", "--http2", "--cacert", secure.certificate, "--request", "PUT"),
            *("--data-binary", f"@{content}", "--output", tmp_path / "answer"),
            *("--write-out", "%{http_version} %{http_code}", f"{secure.url}/v2/demo/manifests/a"),
        )
        assert said.split() == ["2", "401"]
