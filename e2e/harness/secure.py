"""A server with TLS and a self-signed certificate."""

import contextlib
import ssl
import subprocess
import time
import urllib.request

from harness.server import Server


def secure_server(directory):
    """Creates a certificate for localhost and a server that uses it. The server is not started yet."""
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    key, certificate = directory / "key.pem", directory / "certificate.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
        + ["-keyout", str(key), "-out", str(certificate), "-days", "2", *names],
        check=True,
        capture_output=True,
    )
    server = SecureServer(directory / "ecru", "--tls-cert", str(certificate), "--tls-key", str(key))
    server.certificate = certificate
    server.context = ssl.create_default_context(cafile=str(certificate))
    return server


class SecureServer(Server):
    @property
    def url(self):
        return f"https://{self.host}"

    def _announced_port(self, deadline):
        while True:
            line = self.lines.get(timeout=max(deadline - time.monotonic(), 0.01))
            assert line is not None, "the server named no address"
            if "https://127.0.0.1:" in line:
                return int(line.partition("https://127.0.0.1:")[2].split("/")[0].split('"')[0].split()[0])

    def _await(self, path, deadline):
        while True:
            with contextlib.suppress(OSError):
                with urllib.request.urlopen(f"{self.url}/{path}", timeout=5, context=self.context) as answer:
                    if answer.status == 200:
                        return
            assert time.monotonic() < deadline, "the server is not ready"
