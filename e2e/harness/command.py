"""Runs one client command with a time limit, and shows its output if it fails."""

import os
import subprocess

from harness.server import ROOT

TOOLS = ROOT / "target/tools"
SECONDS_MAX = 180


class Failed(AssertionError):
    def __init__(self, command, result):
        super().__init__(
            f"{' '.join(map(str, command))} ended with {result.returncode}\n"
            f"stdout: {result.stdout}\nstderr: {result.stderr}"
        )
        self.stdout = result.stdout
        self.stderr = result.stderr


def run(*command, environment=None, stdin=None, text=True):
    """Returns the command's output from stdout. Raises `Failed` unless its exit code is 0."""
    result = subprocess.run(
        [str(word) for word in command],
        env=environment_with(environment or {}),
        input=stdin,
        capture_output=True,
        text=text,
        timeout=SECONDS_MAX,
    )
    if result.returncode != 0:
        raise Failed(command, result)
    return result.stdout


def environment_with(changes):
    """The environment of a client: the tests' tools come first on the path, and the user's AWS settings are left out."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    path = f"{TOOLS}/bin:{TOOLS}/venv/bin:/usr/bin:/usr/sbin:{kept.get('PATH', '')}"
    return {**kept, "PATH": path, **changes}
