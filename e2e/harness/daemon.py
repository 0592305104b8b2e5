"""A Docker daemon for the tests, in a separate directory, whose containers have no network."""

import base64
import json
import os
import pathlib
import subprocess

from harness.command import environment_with, run
from harness.process import Helper, succeeds


class Daemon(Helper):
    def __init__(self):
        super().__init__("docker")
        self.address = f"unix://{self.directory}/socket"

    def start(self):
        super().start(
            "dockerd",
            *("--data-root", self.directory / "data"),
            *("--exec-root", self.directory / "run"),
            *("--pidfile", self.directory / "pid"),
            *("--host", self.address),
            "--bridge=none",
            "--iptables=false",
            "--ip6tables=false",
            is_ready=lambda: succeeds("/usr/bin/docker", "--host", self.address, "version"),
        )


class Docker:
    """The `docker` command with a separate configuration. It records the images that it handles, to remove them later."""

    def __init__(self, daemon, configuration):
        self.configuration = pathlib.Path(configuration)
        self.environment = {
            "DOCKER_HOST": daemon.address,
            "DOCKER_CONFIG": str(configuration),
            "HOME": str(configuration),
        }
        self._images = set()

    def __call__(self, *arguments, stdin=None, text=True):
        return run(
            "/usr/bin/docker", *arguments, environment=self.environment, stdin=stdin, text=text
        )

    def spawn(self, *arguments):
        return subprocess.Popen(
            ["/usr/bin/docker", *arguments],
            env=environment_with(self.environment),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def load(self, archive, *references):
        """Loads an archive of one image and tags it."""
        words = self("load", "--quiet", "--input", archive).split()
        self._images.add(words[-1])
        for reference in references:
            self.tag(words[-1], reference)

    def tag(self, source, reference):
        self("tag", source, reference)
        self._images.add(reference)

    def pull(self, reference):
        self("pull", "--quiet", reference)
        self._images.add(reference)

    def image_id(self, reference):
        """The digest of the configuration, which covers the content of every layer."""
        return self("image", "inspect", "--format", "{{.Id}}", reference).strip()

    def pushed_digest(self, reference):
        """The manifest digest of the last push or pull of the image by the daemon."""
        inspected = json.loads(self("image", "inspect", reference))
        name = reference.rpartition(":")[0]
        for known in inspected[0]["RepoDigests"]:
            if known.startswith(f"{name}@"):
                return known.partition("@")[2]
        raise AssertionError(f"{reference} has no digest: {inspected[0]['RepoDigests']}")

    def forget(self, *references):
        """Removes references, and with them the layers that nothing else needs."""
        self("image", "rm", "--force", *references)
        self._images.difference_update(references)

    def close(self):
        if self._images:
            subprocess.run(
                ["/usr/bin/docker", "image", "rm", "--force", *self._images],
                env=environment_with(self.environment),
                capture_output=True,
            )

    def exported(self, reference, directory):
        """The path of a tar with the file system of a container of this image."""
        container = self("create", reference, "/nothing").strip()
        path = pathlib.Path(directory) / "exported.tar"
        try:
            self("export", "--output", path, container)
        finally:
            self("rm", container)
        return path


def write_configuration(directory, host, user, password):
    """Writes the `config.json` that docker, crane, oras, regctl and skopeo all read."""
    directory = pathlib.Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    secret = base64.b64encode(f"{user}:{password}".encode()).decode()
    path = directory / "config.json"
    path.write_text(json.dumps({"auths": {host: {"auth": secret}}}))
    os.chmod(path, 0o600)
    return path
