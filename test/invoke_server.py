"""`deepisles serve` as a process, asked as the platform asks it."""

from __future__ import annotations

import http.client
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

HEALTH_LIMIT_SECONDS = 300
"""What the platform gives start and loading."""
CASE_LIMIT_SECONDS = 1800
SERVE = "import sys; from deepisles.cli import main; sys.argv[0] = 'deepisles'; main()"


def find_free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@dataclass
class InvokeServer:
    """A running server; /input and /output are the folder's `input` (a link) and `output`."""

    folder: Path
    arguments: list[str]
    port: int = field(default_factory=find_free_port)

    def __enter__(self):
        self.folder.mkdir(parents=True, exist_ok=True)
        self.input, self.output = self.folder / "input", self.folder / "output"
        self.output.mkdir(exist_ok=True)
        with (self.folder / "stdout").open("wb") as stdout, (self.folder / "stderr").open("wb") as stderr:
            self.process = subprocess.Popen(
                [sys.executable, "-c", SERVE, "serve", "--input", str(self.input), "--output", str(self.output),
                 "--port", str(self.port), *self.arguments],
                stdout=stdout, stderr=stderr,
            )  # fmt: skip
        return self

    def __exit__(self, *_error):
        self.process.kill()
        self.process.wait()

    @property
    def stdout(self) -> str:
        """What the server said so far."""
        return (self.folder / "stdout").read_text(encoding="utf-8")

    @property
    def stderr(self) -> str:
        """What the server complained of so far."""
        return (self.folder / "stderr").read_text(encoding="utf-8")

    def ask(self, method: str, path: str) -> tuple[int, str]:
        """Send a request without a body; redirects are not followed."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=CASE_LIMIT_SECONDS)
        connection.request(method, path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()

    def wait_until_ready(self) -> list[int]:
        """Poll /health as the platform does; give every answer on the way."""
        answers = []
        end = time.monotonic() + HEALTH_LIMIT_SECONDS
        while time.monotonic() < end:
            assert self.process.poll() is None, self.stderr
            with suppress(ConnectionError):
                answers.append(self.ask("GET", "/health")[0])
            if answers and answers[-1] == 200:
                return answers
            time.sleep(0.05)
        raise TimeoutError(f"not ready after {HEALTH_LIMIT_SECONDS} s: {answers}")

    def put_case(self, case: Path) -> None:
        """Link /input to a case and empty /output, as the platform does before each."""
        self.input.unlink(missing_ok=True)
        self.input.symlink_to(case)
        for entry in self.output.iterdir():
            shutil.rmtree(entry) if entry.is_dir() else entry.unlink()

    def segment(self, case: Path) -> tuple[int, str]:
        """Put a case and ask for it."""
        self.put_case(case)
        return self.ask("POST", "/invoke")

    def stop(self, seconds: float = 5) -> int:
        """Send SIGTERM; the process has this long to end."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(seconds)
