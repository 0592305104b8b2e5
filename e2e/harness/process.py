"""A helper program of a test, with a short directory of its own: started, awaited, stopped."""

import pathlib
import shutil
import subprocess
import tempfile
import time

from harness.command import environment_with

START_SECONDS_MAX = 60
STOP_SECONDS_MAX = 60


class Helper:
    """Runs a program until it is stopped. A command tests whether it is ready."""

    def __init__(self, name):
        self.name = name
        # The path of a socket is limited to 107 bytes, which pytest's directories can exceed.
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix=f"ecru-{name}-"))
        self.process = None

    @property
    def output(self):
        return (self.directory / "log").read_text(errors="replace")

    def start(self, *command, is_ready):
        with (self.directory / "log").open("w") as log:
            self.process = subprocess.Popen(
                [str(word) for word in command],
                stdout=log,
                stderr=log,
                env=environment_with({}),
            )
        deadline = time.monotonic() + START_SECONDS_MAX
        while not is_ready():
            assert self.process.poll() is None, f"{self.name} ended:\n{self.output}"
            assert time.monotonic() < deadline, f"{self.name} is not ready:\n{self.output}"
            time.sleep(0.05)

    def stop(self):
        if self.process is not None:
            self.process.terminate()
            try:
                self.process.wait(STOP_SECONDS_MAX)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        shutil.rmtree(self.directory, ignore_errors=True)


def succeeds(*command):
    """Whether a command exits with 0."""
    words = [str(word) for word in command]
    result = subprocess.run(words, capture_output=True, env=environment_with({}))
    return result.returncode == 0
