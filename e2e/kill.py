"""Ends the server at random times under load, and checks every write that it acknowledged.

    target/tools/venv/bin/python e2e/kill.py --rounds 20 --clients 8 --images 200

Each client has its own images, tags, a repository for policies, and one that is created and deleted. It
changes them through both protocols while `ecru gc` runs repeatedly. It records the acknowledged state, and
the one change in progress when the server died: that change must be complete or absent. After each round,
everything is read back and compared byte for byte, and `ecru verify` must find nothing. Most rounds end with
SIGKILL, some with SIGTERM.
"""

import argparse
import contextlib
import dataclasses
import http.client
import json
import random
import subprocess
import sys
import tempfile
import threading
import time

from harness.aws import JsonApi, create_repository, ecr_client, registry_password
from harness.images import Image, digest_of, seeded_bytes
from harness.oci import Refused, Registry
from harness.server import BINARY, Server

REPOSITORIES = 4
PART_BYTES = 5 << 20
ROUND_SECONDS_MIN, ROUND_SECONDS_MAX = 0.05, 1.5
KILLED_WHILE_STARTING = 0.25
ENDED_IN_GOOD_ORDER = 0.15
START_SECONDS_MAX = 2
SCRATCH_IMAGES = 3
COMMAND_SECONDS_MAX = 120
CUT = (OSError, http.client.HTTPException)


@dataclasses.dataclass
class Count:
    rounds: int = 0
    acked: int = 0
    lost: int = 0
    corrupt: int = 0

    def __str__(self):
        return " ".join(f"{name} {value}" for name, value in dataclasses.asdict(self).items())


class Client:
    """A client and its acknowledged state: a value for each key, where `None` means absent.

    Keys are `("blob", repository, digest)`, `("image", repository, digest)`,
    `("tag", repository, tag)`, `("repository", name)`, `("policy", name)` and
    `("lifecycle", name)`. The value of a tag is a digest. The value of a policy is a word in it.
    """

    def __init__(self, number, owned, scratch):
        self.number = number
        # The image and its repository, by the digest of each owned image.
        self.owned = owned
        # Images that all clients push to the repositories that they delete again.
        self.scratch = scratch
        self.images = {digest: image for digest, (image, _) in owned.items()}
        self.images |= {image.digest: image for image in scratch}
        self.acknowledged = {}
        # The changes of a request that has no answer yet.
        self.doubtful = {}
        self.acked = 0
        self.failures = []
        # Whether the disk may fail before the server ends, which then refuses writes.
        self.disk_may_go = False

    def connect(self, host, password):
        self.registry = Registry(host, "AWS", password)
        self.json = JsonApi(host)

    def close(self):
        self.registry.close()
        self.json.close()

    def work(self, chance):
        """Makes changes until the server has ended."""
        try:
            while not self.failures:
                self._step(chance)
        except CUT:
            return
        except Refused as refused:
            if self.disk_may_go and refused.status >= 500:
                return
            self.failures.append(f"client {self.number}: {refused}")

    def _step(self, chance):
        digest = chance.choice(list(self.owned))
        image, repository = self.owned[digest]
        if chance.random() < 0.1:
            self._toggle_scratch_repository(chance)
        elif chance.random() < 0.1:
            self._change_policy(chance)
        elif not self.acknowledged.get(("image", repository, digest)):
            self._push(chance, image, repository)
        else:
            change = chance.choices(
                [self._tag, self._move, self._untag, self._delete, self._read], [4, 3, 2, 2, 2]
            )
            change[0](chance, image, repository)

    def _push(self, chance, image, repository):
        if chance.random() < 0.1:
            self.registry.begin_upload(repository)
        for digest, content in image.blobs.items():
            key = ("blob", repository, digest)
            if self.acknowledged.get(key):
                continue
            with self._change({key: True}):
                if chance.random() < 0.5:
                    self.json.upload_layer(repository, content, PART_BYTES)
                elif chance.random() < 0.5:
                    self.registry.push_blob(repository, content)
                else:
                    chunks = (content[at : at + 65536] for at in range(0, len(content), 65536))
                    self.registry.push_blob_stream(repository, chunks)
        self._put(chance, image, repository, f"{image.digest[7:19]}-0")

    def _tag(self, chance, image, repository):
        self._put(chance, image, repository, f"{image.digest[7:19]}-{chance.randrange(4)}")

    def _move(self, chance, image, repository):
        self._put(chance, image, repository, f"latest-{self.number}")

    def _put(self, chance, image, repository, tag):
        changes = {("image", repository, image.digest): True, ("tag", repository, tag): image.digest}
        with self._change(changes):
            if chance.random() < 0.5:
                self.json.call(
                    "PutImage",
                    repositoryName=repository,
                    imageManifest=image.manifest.decode(),
                    imageTag=tag,
                    accept=("ImageAlreadyExistsException",),
                )
            else:
                self.registry.push_manifest(repository, tag, image.media_type, image.manifest)

    def _untag(self, chance, image, repository):
        tags = self._tags_of(image, repository)
        if not tags:
            return
        key = chance.choice(tags)
        changes = {key: None}
        if len(tags) == 1:
            # Deleting the last tag deletes the image.
            changes |= self._without(image, repository)
        self._remove(chance, repository, changes, {"imageTag": key[2]})

    def _delete(self, chance, image, repository):
        changes = dict.fromkeys(self._tags_of(image, repository))
        changes |= self._without(image, repository)
        self._remove(chance, repository, changes, {"imageDigest": image.digest})

    def _remove(self, chance, repository, changes, image_id):
        with self._change(changes):
            if chance.random() < 0.5:
                answer = self.json.call(
                    "BatchDeleteImage", repositoryName=repository, imageIds=[image_id]
                )
                if answer["failures"]:
                    raise Refused("BatchDeleteImage", 200, str(answer["failures"]).encode())
            else:
                self.registry.delete_manifest(repository, *image_id.values())

    def _read(self, chance, image, repository):
        for _, _, tag in self._tags_of(image, repository):
            if self.registry.find_manifest(repository, tag) != image.manifest:
                self.failures.append(f"client {self.number}: {tag} reads as another image")

    def _toggle_scratch_repository(self, chance):
        """Creates a repository with an image, or deletes it with its content."""
        name = f"scratch/client-{self.number}"
        if self.acknowledged.get(("repository", name)):
            changes = {key: None for key in self.acknowledged if key[1] == name}
            with self._change(changes):
                self.json.call("DeleteRepository", repositoryName=name, force=True)
            return
        with self._change({("repository", name): True}):
            self.json.call("CreateRepository", repositoryName=name)
        self._push(chance, chance.choice(self.scratch), name)

    def _change_policy(self, chance):
        name = policy_repository(self.number)
        kind, put, delete, text_of = chance.choice(POLICIES)
        word = f"word{chance.randrange(10**9)}"
        key = (kind, name)
        if self.acknowledged.get(key) and chance.random() < 0.3:
            with self._change({key: None}):
                self.json.call(delete, repositoryName=name)
        else:
            with self._change({key: word}):
                self.json.call(put, repositoryName=name, **text_of(word))

    @contextlib.contextmanager
    def _change(self, changes):
        self.doubtful = changes
        yield
        self.acknowledged |= changes
        self.doubtful = {}
        self.acked += 1

    def _tags_of(self, image, repository):
        return [
            key
            for key, value in self.acknowledged.items()
            if key[:2] == ("tag", repository) and value == image.digest
        ]

    def _without(self, image, repository):
        # The layers of an image that is being deleted may be removed at any time.
        for digest in image.blobs:
            self.acknowledged.pop(("blob", repository, digest), None)
        return {("image", repository, image.digest): None}

    def check(self, count):
        """Reads everything back. The result is the new acknowledged state."""
        before = {key: self.acknowledged.get(key) for key in self.acknowledged | self.doubtful}
        after = before | self.doubtful
        found = {key: self._find(key, count) for key in before}
        if found not in (before, after):
            strange = [key for key in found if found[key] not in (before[key], after[key])]
            torn = [key for key in self.doubtful if found[key] != before[key]]
            count.lost += len(strange) or len(torn)
            self.failures.append(f"client {self.number}: strange {strange}, half done {torn}")
        self.acknowledged = {key: value for key, value in found.items() if value}
        self.doubtful = {}

    def _find(self, key, count):
        kind, repository, *name = key
        if kind == "repository":
            accept = ("RepositoryNotFoundException",)
            described = self.json.call(
                "DescribeRepositories", repositoryNames=[repository], accept=accept
            )
            return None if described in accept else True
        if kind in READS:
            operation, missing, word_of = READS[kind]
            found = self.json.call(operation, repositoryName=repository, accept=(missing,))
            return None if found == missing else word_of(found)
        if kind == "blob":
            return self._find_blob(repository, name[0], count)
        manifest = self.registry.find_manifest(repository, name[0])
        if manifest is None:
            return None
        if kind == "tag":
            return digest_of(manifest)
        image = self.images[name[0]]
        # Every image that exists must have all its blobs, whatever was acknowledged.
        whole = all([self._find_blob(repository, digest, count) for digest in image.blobs])
        if manifest != image.manifest or not whole:
            count.corrupt += 1
            self.failures.append(f"client {self.number}: image {name[0]} is not whole")
        return True

    def _find_blob(self, repository, digest, count):
        status, _, content = self.registry.request(
            "GET", f"/v2/{repository}/blobs/{digest}", accept=(200, 404, 500)
        )
        if status == 404:
            return None
        if status == 500 or digest_of(content) != digest:
            count.corrupt += 1
            self.failures.append(f"client {self.number}: blob {digest} is damaged")
        return True


def policy_repository(number):
    return f"policies/client-{number}"


def _repository_policy(word):
    statement = {
        "Sid": word,
        "Effect": "Allow",
        "Principal": "*",
        "Action": "ecr:BatchGetImage",
    }
    return {"policyText": json.dumps({"Version": "2012-10-17", "Statement": [statement]})}


def _lifecycle_policy(word):
    """A policy that never matches an image."""
    selection = {
        "tagStatus": "untagged",
        "countType": "sinceImagePushed",
        "countUnit": "days",
        "countNumber": 3650,
    }
    rule = {
        "rulePriority": 1,
        "description": word,
        "selection": selection,
        "action": {"type": "expire"},
    }
    return {"lifecyclePolicyText": json.dumps({"rules": [rule]})}


POLICIES = [
    ("policy", "SetRepositoryPolicy", "DeleteRepositoryPolicy", _repository_policy),
    ("lifecycle", "PutLifecyclePolicy", "DeleteLifecyclePolicy", _lifecycle_policy),
]
# How to read a policy back: the operation, the error for an absent policy, and the word in the policy.
READS = {
    "policy": (
        "GetRepositoryPolicy",
        "RepositoryPolicyNotFoundException",
        lambda answer: json.loads(answer["policyText"])["Statement"][0]["Sid"],
    ),
    "lifecycle": (
        "GetLifecyclePolicy",
        "LifecyclePolicyNotFoundException",
        lambda answer: json.loads(answer["lifecyclePolicyText"])["rules"][0]["description"],
    ),
}


def kill_or_stop(server, chance):
    """Ends a round, unless the caller passes another way."""
    if chance.random() < ENDED_IN_GOOD_ORDER:
        server.stop()
    else:
        server.kill()


def run(rounds, clients, images, seed, report=lambda line: None, end=kill_or_stop, disk=None):
    """Runs the rounds. Returns the counts, and sentences about failures.

    A `disk` is remounted after each round, when no process uses it.
    """
    chance = random.Random(f"{seed}/kill")
    count = Count()
    with contextlib.ExitStack() as stack:
        directory = stack.enter_context(tempfile.TemporaryDirectory(prefix="ecru-kill-"))
        server = Server(directory if disk is None else disk.path / "data")
        server.start()
        try:
            ecr = ecr_client(server)
            password = registry_password(ecr)
            repositories = [create_repository(ecr) for _ in range(REPOSITORIES)]
            crowd = _clients(clients, images, seed, repositories)
            for client in crowd:
                client.disk_may_go = disk is not None
                ecr.create_repository(repositoryName=policy_repository(client.number))
            for number in range(rounds):
                _play(server, crowd, password, chance, f"{seed}/{number}", end)
                if disk is not None:
                    disk.remount()
                start_seconds = _restart(server, chance)
                _check(server, crowd, password, count)
                count.rounds += 1
                count.acked = sum(client.acked for client in crowd)
                report(f"round {number + 1}: {count}, started in {start_seconds * 1000:.0f} ms")
                failures = [failure for client in crowd for failure in client.failures]
                if start_seconds > START_SECONDS_MAX:
                    failures.append(f"the start took {start_seconds:.1f} seconds")
                if failures:
                    return count, failures
            server.stop()
        finally:
            if server.running:
                server.kill()
    return count, []


def _clients(clients, images, seed, repositories):
    """The clients with their images. All images of a repository share their first layer."""
    base = {"base": seeded_bytes("base", 150_000)}
    owned = [{} for _ in range(clients)]
    for number in range(images):
        chance = random.Random(f"{seed}/image/{number}")
        # Small blobs, larger blobs, and sometimes a blob of two parts.
        size_bytes = 6 << 20 if number % 20 == 0 else chance.choice([500, 30_000, 65_536, 400_000])
        own = {f"own-{number}": seeded_bytes(f"{seed}/{number}", size_bytes)}
        image = Image([base, {f"name-{number}": b"small"}, own])
        owned[number % clients][image.digest] = (image, chance.choice(repositories))
    scratch = [
        Image([base, {f"scratch-{number}": seeded_bytes(f"scratch-{number}", 200_000)}])
        for number in range(SCRATCH_IMAGES)
    ]
    return [Client(number, of_it, scratch) for number, of_it in enumerate(owned)]


def _play(server, crowd, password, chance, seed, end):
    threads = []
    ended = threading.Event()
    collector = threading.Thread(target=_collect, args=(server, ended))
    for client in crowd:
        client.connect(server.host, password)
        chance_of_client = random.Random(f"{seed}/{client.number}")
        threads.append(threading.Thread(target=client.work, args=(chance_of_client,)))
    for thread in [collector, *threads]:
        thread.start()
    # The test needs a random time, so there is no event to wait for.
    time.sleep(chance.uniform(ROUND_SECONDS_MIN, ROUND_SECONDS_MAX))
    end(server, chance)
    # A collection that finds no server takes the lock, so it must end before the next start.
    ended.set()
    collector.join()
    for thread in threads:
        thread.join()
    for client in crowd:
        client.close()


def _collect(server, ended):
    """Runs garbage collection in the server repeatedly."""
    while not ended.is_set():
        run_on_data("gc", server)


def run_on_data(command, server):
    return subprocess.run(
        [BINARY, command, "--data-dir", str(server.data_directory)],
        capture_output=True,
        text=True,
        timeout=COMMAND_SECONDS_MAX,
    )


def _restart(server, chance):
    if chance.random() < KILLED_WHILE_STARTING:
        server.spawn()
        time.sleep(chance.uniform(0, 0.03))
        server.kill()
    return server.start()


def _check(server, crowd, password, count):
    for client in crowd:
        client.connect(server.host, password)
        client.check(count)
        client.close()
    verified = run_on_data("verify", server)
    if verified.returncode != 0:
        count.corrupt += 1
        crowd[0].failures.append(f"verify: {verified.stdout}{verified.stderr}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--images", type=int, default=200)
    parser.add_argument("--seed", default=str(random.SystemRandom().randrange(10**6)))
    arguments = parser.parse_args()

    print(f"seed {arguments.seed}", flush=True)
    count, failures = run(**vars(arguments), report=lambda line: print(line, flush=True))
    for failure in failures:
        print(failure)
    print(count)
    sys.exit(1 if failures or count.lost or count.corrupt else 0)


if __name__ == "__main__":
    main()
