"""Keeps a server busy with all its functions, and reports its memory.

    target/tools/venv/bin/python e2e/soak.py --minutes 60 --clients 4

Each client pushes images through both protocols, pulls and compares them, lists, moves tags, deletes, scans,
and changes policies. Pauses keep the load constant.
"""

import argparse
import contextlib
import pathlib
import random
import sys
import tempfile
import threading
import time

from harness.aws import JsonApi, create_repository, ecr_client, registry_password
from harness.images import Image
from harness.oci import Registry, stream
from harness.server import Server

IMAGES_PER_REPOSITORY = 40
LARGE_BYTES = 64 << 20
PART_BYTES = 5 << 20
EARLY_MINUTE = 10
GROWTH_MAX = 1.10
RESIDENT_MIB_MAX = 150
KEEP_POLICY = (
    '{"rules":[{"rulePriority":1,"selection":{"tagStatus":"any","countType":"imageCountMoreThan",'
    f'"countNumber":{IMAGES_PER_REPOSITORY}}},"action":{{"type":"expire"}}}}]}}'
)


class Client:
    def __init__(self, server, number, until, pause_seconds):
        self.server = server
        self.number = number
        self.until = until
        self.pause_seconds = pause_seconds
        self.chance = random.Random(number)
        self.steps = 0
        self.failure = None

    def run(self):
        try:
            self.ecr = ecr_client(self.server)
            self.registry = Registry(self.server.host, "AWS", registry_password(self.ecr))
            self.repository = create_repository(
                self.ecr, imageScanningConfiguration={"scanOnPush": True}
            )
            self.ecr.put_lifecycle_policy(
                repositoryName=self.repository, lifecyclePolicyText=KEEP_POLICY
            )
            while time.monotonic() < self.until:
                self._step()
                self.steps += 1
                time.sleep(self.pause_seconds)
        except Exception as failure:
            self.failure = f"client {self.number} after {self.steps} steps: {failure!r}"

    def _step(self):
        steps = [self._push, self._put, self._read, self._move_tag, self._policy, self._large]
        self.chance.choices(steps, [20, 8, 40, 10, 4, 1])[0]()

    def _image(self):
        name = f"soak/{self.number}/{self.chance.randrange(10_000)}"
        return name.rpartition("/")[2], Image.seeded(name, (20_000, 90_000, 400_000))

    def _push(self):
        tag, image = self._image()
        self.registry.push_image(self.repository, f"t{tag}", image)
        for digest, content in image.blobs.items():
            assert self.registry.pull_blob(self.repository, digest) == content

    def _put(self):
        tag, image = self._image()
        # A new connection, because the server closes connections that are idle for long.
        with contextlib.closing(JsonApi(self.server.host)) as api:
            for content in image.blobs.values():
                api.upload_layer(self.repository, content, PART_BYTES)
            api.call(
                "PutImage",
                repositoryName=self.repository,
                imageManifest=image.manifest.decode(),
                imageTag=f"p{tag}-{self.steps}",
            )

    def _read(self):
        tags = self.registry.list_tags(self.repository)
        self.ecr.describe_images(repositoryName=self.repository)
        self.ecr.describe_repositories()
        if tags:
            found = self.registry.find_manifest(self.repository, self.chance.choice(tags))
            assert found is None or found.startswith(b"{")

    def _move_tag(self):
        _, image = self._image()
        self.registry.push_image(self.repository, "latest", image)

    def _policy(self):
        allow = f'{{"Version":"2012-10-17","Statement":[{{"Sid":"s{self.steps}","Effect":"Allow",' + (
            '"Principal":"*","Action":"ecr:*"}]}'
        )
        self.ecr.set_repository_policy(repositoryName=self.repository, policyText=allow)
        self.ecr.delete_repository_policy(repositoryName=self.repository)

    def _large(self):
        pushed = self.registry.push_blob_stream(
            self.repository, stream(f"soak/{self.number}/{self.steps}", LARGE_BYTES)
        )
        pulled, size = self.registry.pull_blob_digest(self.repository, pushed)
        assert (pulled, size) == (pushed, LARGE_BYTES)
        self.registry.request(
            "DELETE", f"/v2/{self.repository}/blobs/{pushed}", accept=(202,)
        )


def resident_mib(server):
    for line in pathlib.Path(f"/proc/{server.process.pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise AssertionError("the process has no resident size")


def soak(directory, minutes, clients, pause_seconds):
    server = Server(directory)
    server.start()
    begun = time.monotonic()
    until = begun + minutes * 60
    workers = [Client(server, number, until, pause_seconds) for number in range(clients)]
    threads = [threading.Thread(target=worker.run) for worker in workers]
    for thread in threads:
        thread.start()
    early = highest = 0
    for minute in range(1, minutes + 1):
        time.sleep(max(0, begun + minute * 60 - time.monotonic()))
        now = resident_mib(server)
        highest = max(highest, now)
        if minute == min(EARLY_MINUTE, minutes):
            early = now
        print(f"minute {minute}: {now:.1f} MiB, {sum(w.steps for w in workers)} steps", flush=True)
        if any(worker.failure for worker in workers):
            break
    for thread in threads:
        thread.join()
    last = resident_mib(server)
    server.stop()
    failures = [worker.failure for worker in workers if worker.failure]
    growth = last / early
    print(f"early {early:.1f} last {last:.1f} growth {growth:.2f} highest {highest:.1f} MiB")
    for failure in failures:
        print(failure)
    return not failures and growth <= GROWTH_MAX and highest <= RESIDENT_MIB_MAX


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--minutes", type=int, default=60)
    parser.add_argument("--clients", type=int, default=4)
    parser.add_argument("--pause-seconds", type=float, default=0.5)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="ecru-soak-") as directory:
        passed = soak(
            pathlib.Path(directory) / "data",
            arguments.minutes,
            arguments.clients,
            arguments.pause_seconds,
        )
    sys.exit(0 if passed else 1)


if __name__ == "__main__":
    main()
