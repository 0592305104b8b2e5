"""Advisories made from public facts about Debian 12, and a server with an archive of them."""

import contextlib
import functools
import http.server
import json
import threading
import zipfile

# Debian has not changed its tar for the first advisory and its apt for the second. The glibc package named
# here is fixed.
ADVISORIES = [
    ("CVE-2005-2541", "tar", "CVSS_V2", "AV:N/AC:L/Au:N/C:C/I:C/A:C", None),
    ("CVE-2011-3374", "apt", "CVSS_V3", "CVSS:3.1/AV:N/AC:H/PR:N/UI:N/S:U/C:N/I:L/A:N", None),
    (
        "CVE-2023-4911",
        "glibc",
        "CVSS_V3",
        "CVSS:3.1/AV:L/AC:L/PR:L/UI:N/S:U/C:H/I:H/A:H",
        "2.36-9+deb12u3",
    ),
]


def advisory(name, package, scale, vector, fixed):
    events = [{"introduced": "0"}] + ([{"fixed": fixed}] if fixed else [])
    return {
        "schema_version": "1.7.0",
        "id": f"DEBIAN-{name}",
        "upstream": [name],
        "modified": "2026-01-01T00:00:00Z",
        "severity": [{"type": scale, "score": vector}],
        "affected": [
            {
                "package": {"ecosystem": "Debian:12", "name": package},
                "ranges": [{"type": "ECOSYSTEM", "events": events}],
            }
        ],
    }


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@contextlib.contextmanager
def archives(directory):
    """Serves `<ecosystem>/all.zip`, as OSV does, and yields the address."""
    path = directory / "Debian:12" / "all.zip"
    path.parent.mkdir(parents=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for facts in ADVISORIES:
            archive.writestr(f"DEBIAN-{facts[0]}.json", json.dumps(advisory(*facts)))
    handler = functools.partial(_Quiet, directory=directory)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
