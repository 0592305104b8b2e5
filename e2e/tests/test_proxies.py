"""Between clients and the server: proxies with TLS, load balancers, names of a network, and other registries on the same host."""

import socket
import subprocess
import threading
import time
import urllib.request

import pytest

from harness.command import environment_with, run
from harness.daemon import Docker, write_configuration
from harness.images import Image
from harness.oci import Registry
from harness.upstream import OtherRegistry

SECONDS_MAX = 20

NGINX = """\
daemon off;
pid {directory}/nginx.pid;
error_log stderr;
events {{}}
http {{
    access_log off;
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
    server {{
        listen 127.0.0.1:{port} ssl;
        ssl_certificate {directory}/certificates/ca.crt;
        ssl_certificate_key {directory}/key.pem;
        client_max_body_size 0;
        location / {{
            proxy_pass {url};
            proxy_set_header Host $http_host;
            proxy_set_header X-Forwarded-Proto $scheme;
            proxy_http_version 1.1;
            proxy_request_buffering off;
        }}
    }}
}}
"""

HAPROXY = """\
defaults
    mode http
    timeout connect 5s
    timeout client 5s
    timeout server 5s
frontend front
    bind 127.0.0.1:{port}
    stats enable
    stats uri /statistics
    default_backend back
backend back
    option httpchk
    server only {host} check inter 100ms
"""

# Node looks names up itself, so a name of a network is given without one.
FETCH = """\
import dns from 'node:dns';
dns.lookup = (name, options, done) => done(null, options.all ? [{{ address: '127.0.0.1', family: 4 }}] : '127.0.0.1', 4);
const answer = await fetch('http://{name}:{port}/_ecru/repositories');
console.log(answer.status, await answer.text());
"""

CONTAINERD = """\
version = 2
root = "{directory}/root"
state = "{directory}/state"
disabled_plugins = ["io.containerd.grpc.v1.cri", "io.containerd.internal.v1.opt"]
[grpc]
address = "{directory}/containerd.sock"
[ttrpc]
address = "{directory}/containerd.ttrpc"
"""


@pytest.fixture
def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Daemon:
    """A process that is ended with its test."""

    def __init__(self, *command):
        self.process = subprocess.Popen(
            [str(word) for word in command],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            env=environment_with({}),
        )
        self.lines = []
        # Read to the end of the process, or it would block on a full pipe.
        threading.Thread(target=lambda: self.lines.extend(self.process.stdout), daemon=True).start()

    def await_until(self, ready):
        deadline = time.monotonic() + SECONDS_MAX
        while not ready():
            assert self.process.poll() is None and time.monotonic() < deadline, "".join(self.lines)
            time.sleep(0.05)

    def stop(self):
        self.process.terminate()
        self.process.wait(SECONDS_MAX)


@pytest.fixture
def daemon():
    started = []

    def start(*command):
        started.append(Daemon(*command))
        return started[-1]

    yield start
    for one in started:
        one.stop()


def listens(port):
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


def fetched(url):
    """The body of the answer; empty where there is none."""
    try:
        with urllib.request.urlopen(url, timeout=SECONDS_MAX) as answer:
            return answer.read().decode()
    except OSError:
        return ""


@pytest.fixture
def tls_proxy(ecru, password, daemon, free_port, tmp_path):
    """The host of a proxy with TLS before the server; beside it are its certificate and the configuration of clients."""
    (tmp_path / "certificates").mkdir()
    run(
        *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1"),
        *("-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"),
        *("-keyout", tmp_path / "key.pem", "-out", tmp_path / "certificates/ca.crt"),
    )
    settings = tmp_path / "nginx.conf"
    settings.write_text(NGINX.format(directory=tmp_path, port=free_port, url=ecru.url))
    nginx = daemon("nginx", "-c", settings, "-p", tmp_path)
    nginx.await_until(lambda: listens(free_port))
    host = f"localhost:{free_port}"
    write_configuration(tmp_path / "proxied", host, "AWS", password)
    return host


def test_skopeo_pushes_and_pulls_through_a_proxy_with_tls(tls_proxy, repository, seeded_image, tmp_path):
    remote = f"docker://{tls_proxy}/{repository()}:one"
    layout = seeded_image.write_oci_layout(tmp_path / "layout", "one")
    skopeo = ["skopeo", "--insecure-policy", "copy", "--authfile", tmp_path / "proxied/config.json"]
    certificates = tmp_path / "certificates"
    run(*skopeo, "--dest-cert-dir", certificates, f"oci:{layout}:one", remote)
    run(*skopeo, "--src-cert-dir", certificates, remote, f"dir:{tmp_path}/back")
    assert (tmp_path / "back/manifest.json").read_bytes() == seeded_image.manifest


def test_docker_pushes_and_pulls_through_a_proxy_with_tls(
    tls_proxy, docker_daemon, repository, seeded_image, tmp_path
):
    docker = Docker(docker_daemon, tmp_path / "proxied")
    try:
        reference = f"{tls_proxy}/{repository()}:one"
        docker.load(seeded_image.write_docker_archive(tmp_path / "image.tar"), reference)
        docker("push", "--quiet", reference)
        docker.forget(reference, "test/image:latest")
        docker.pull(reference)
        assert docker.image_id(reference) == seeded_image.image_id
    finally:
        docker.close()


def test_haproxy_takes_the_server_for_healthy_by_its_default_check(ecru, daemon, free_port, tmp_path):
    settings = tmp_path / "haproxy.cfg"
    settings.write_text(HAPROXY.format(port=free_port, host=ecru.host))
    haproxy = daemon("haproxy", "-f", settings)
    url = f"http://127.0.0.1:{free_port}"
    haproxy.await_until(lambda: ",L7OK," in fetched(f"{url}/statistics;csv"))
    assert "alive" in fetched(f"{url}/healthz")


def test_nodes_fetch_is_answered_under_a_name_of_its_network(ecru, tmp_path):
    script = tmp_path / "fetch.mjs"
    for name, status in [("ecru", "200"), ("ecru.internal", "200"), ("ecru.evil.com", "403")]:
        script.write_text(FETCH.format(name=name, port=ecru.port))
        assert run("node", script).split()[0] == status, name


def test_containerd_pushes_an_image_that_it_has_from_another_registry_of_the_same_host(
    ecru, repository, registry, password, daemon, tmp_path
):
    image = Image.seeded("containerd")
    other = OtherRegistry(tmp_path / "other")
    other.start()
    try:
        # A name that no repository here can have.
        client = Registry(other.host)
        client.push_image("a", "one", image)
        client.close()
        settings = tmp_path / "containerd.toml"
        settings.write_text(CONTAINERD.format(directory=tmp_path))
        containerd = daemon("containerd", "--config", settings)
        ctr = ["ctr", "--address", tmp_path / "containerd.sock"]
        containerd.await_until(
            lambda: subprocess.run([*map(str, ctr), "version"], capture_output=True).returncode == 0
        )
        there, here = f"{other.host}/a:one", f"{ecru.host}/{repository()}:one"
        run(*ctr, "content", "fetch", "--plain-http", "--all-platforms", there)
        run(*ctr, "images", "tag", there, here)
        run(*ctr, "images", "push", "--plain-http", "--user", f"AWS:{password}", here)
    finally:
        other.stop()
    name, tag = here.removeprefix(f"{ecru.host}/").split(":")
    assert registry.find_manifest(name, tag) == image.manifest
