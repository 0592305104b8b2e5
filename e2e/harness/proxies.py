"""nginx with TLS, and HAProxy, in front of a server."""

import csv
import io
import socket

from harness.command import run
from harness.process import Helper

NGINX = """\
daemon off;
pid {directory}/pid;
error_log {directory}/error.log;
events {{}}
http {{
  access_log off;
  client_max_body_size 0;
  client_body_temp_path {directory}/body;
  proxy_temp_path {directory}/proxy;
  fastcgi_temp_path {directory}/fastcgi;
  uwsgi_temp_path {directory}/uwsgi;
  scgi_temp_path {directory}/scgi;
  server {{
    listen 127.0.0.1:{port} ssl;
    ssl_certificate {directory}/certificate.pem;
    ssl_certificate_key {directory}/key.pem;
    location / {{
      proxy_pass http://{upstream};
      proxy_http_version 1.1;
      proxy_request_buffering off;
      proxy_set_header Host $http_host;
      proxy_set_header X-Forwarded-Proto $scheme;
    }}
  }}
}}
"""

HAPROXY = """\
global
  stats socket {directory}/stats mode 600 level admin
defaults
  mode http
  timeout connect 5s
  timeout client 5s
  timeout server 5s
frontend entrance
  bind unix@{directory}/entrance
  default_backend registry
backend registry
  option httpchk GET /healthz
  server one {upstream} check inter 200ms
"""


class TlsProxy:
    """Forwards requests to `https://<name>:<port>`, with a self-signed certificate."""

    def __init__(self, name, upstream):
        self.name = name
        self.upstream = upstream
        self.helper = Helper("nginx")
        self.port = free_port()

    @property
    def host(self):
        return f"{self.name}:{self.port}"

    @property
    def certificate(self):
        return self.helper.directory / "certificate.pem"

    def start(self):
        directory = self.helper.directory
        run(
            *("openssl", "req", "-x509", "-nodes", "-days", "2", "-subj", f"/CN={self.name}"),
            *("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"),
            *("-addext", f"subjectAltName=DNS:{self.name}"),
            *("-keyout", directory / "key.pem", "-out", self.certificate),
        )
        text = NGINX.format(directory=directory, port=self.port, upstream=self.upstream)
        (directory / "nginx.conf").write_text(text)
        self.helper.start(
            *("nginx", "-p", directory, "-e", directory / "error.log", "-c", directory / "nginx.conf"),
            is_ready=lambda: listens(self.port),
        )

    def stop(self):
        self.helper.stop()


class Balancer:
    """HAProxy, with its default health check of one server."""

    def __init__(self, upstream):
        self.helper = Helper("haproxy")
        self.upstream = upstream

    def start(self):
        directory = self.helper.directory
        text = HAPROXY.format(directory=directory, upstream=self.upstream)
        (directory / "haproxy.cfg").write_text(text)
        self.helper.start(
            *("haproxy", "-db", "-f", directory / "haproxy.cfg"),
            is_ready=lambda: (directory / "stats").exists() and self.was_checked(),
        )

    def stop(self):
        self.helper.stop()

    def was_checked(self):
        return self.server()["check_status"].startswith("L")

    def server(self):
        """The state of the server in HAProxy, by the names of HAProxy's statistics."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(str(self.helper.directory / "stats"))
            connection.sendall(b"show stat\n")
            text = connection.makefile().read()
        rows = csv.DictReader(io.StringIO(text.removeprefix("# ")))
        [row] = [row for row in rows if (row["pxname"], row["svname"]) == ("registry", "one")]
        return row


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def listens(port):
    with socket.socket() as connection:
        return connection.connect_ex(("127.0.0.1", port)) == 0
