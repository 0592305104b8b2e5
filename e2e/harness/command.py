"""Runs one client command to its end, within a time, and shows what it said when it fails."""

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
    """Returns what the command wrote to stdout; raises `Failed` unless it ended with 0."""
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
    """The surroundings of a client: its own tools first, nothing of the user's AWS settings."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    path = f"{TOOLS}/bin:{TOOLS}/venv/bin:/usr/bin:/usr/sbin:{kept.get('PATH', '')}"
    return {**kept, "PATH": path, **changes}
