"""Node's `fetch`, which sends the same headers as browsers, with a service name as in a compose file."""

import base64
import json
import uuid

from harness.command import run
from harness.names import local_name

SCRIPT = """
const [url, secret] = process.argv.slice(1);
const headers = secret ? {authorization: `Basic ${secret}`} : {};
const answer = await fetch(url, {headers});
console.log(JSON.stringify([answer.status, await answer.text()]));
"""


def fetch(url, *secret):
    return json.loads(run("node", "--input-type=module", "--eval", SCRIPT, "--", url, *secret))


def test_fetch_under_the_name_of_a_service_is_answered(ecru, password):
    # A name without a dot, as compose gives its services.
    with local_name(f"ecru-{uuid.uuid4().hex[:8]}") as name:
        url = f"http://{name}:{ecru.port}"
        secret = base64.b64encode(f"AWS:{password}".encode()).decode()
        assert fetch(f"{url}/v2/", secret)[0] == 200
        status, text = fetch(f"{url}/v2/")
        assert (status, json.loads(text)["errors"][0]["code"]) == (401, "UNAUTHORIZED")
        assert fetch(f"{url}/healthz")[0] == 200
