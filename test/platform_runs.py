"""One container of an image at a time, run as Grand Challenge runs it; root on this machine only."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

SANDBOX = Path(__file__).resolve().parent / "sandbox.py"
DATA_LIMIT_BYTES = 7 << 30
"""The platform's default machine has 8 GB, of which a process may have all but one for its data."""
TIME_LIMIT_SECONDS = 3600
"""The platform's default; a real case takes some minutes on two cores."""
MOUNT_POINTS = ("output", "opt/ml/input/data", "opt/ml/model")
ASK = """
import http.client, sys
connection = http.client.HTTPConnection("127.0.0.1", 4743, timeout=3600)
try:
    connection.request(sys.argv[1], sys.argv[2])
    answer = connection.getresponse()
    print(answer.status, answer.read().decode())
except OSError:
    # nothing listens, or the sandbox's own network is not up yet
    print(0, "nothing listens")
"""


@dataclass(frozen=True)
class Run:
    """One run of the image: what the process said and the folder that was its /output."""

    exit_code: int
    stdout: str
    stderr: str
    output: Path
    seconds: float

    def files(self) -> list[str]:
        """List every file below /output by its path there, sorted."""
        return list_files(self.output)

    def read_json(self, name: str) -> Any:
        """Read a JSON file from /output; NaN and Infinity are not JSON."""

        def refuse(constant: str) -> float:
            raise ValueError(f"{constant} is not JSON")

        return json.loads((self.output / name).read_text(encoding="utf-8"), parse_constant=refuse)


def list_files(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir())


class Container:
    """A container of an image, for any number of runs one after the other.

    The root file system is read-only for the process; /input is a link that is laid anew from outside for every case.
    """

    def __init__(self, image: str, config: dict[str, Any], scratch: Path, model: Path | None = None) -> None:
        self.scratch = scratch
        self._config = config
        self._name = _buildah("from", image)
        self.root = Path(_buildah("mount", self._name))
        self.output = self._make_folder("output", 0o777)
        self._process: subprocess.Popen[bytes] | None = None
        empty = self._make_folder("model", 0o755)
        uid, gid = map(int, config["User"].split(":"))
        home = next(line.split(":")[5] for line in self._read("etc/passwd") if line.split(":")[2] == str(uid))
        for point in MOUNT_POINTS:
            (self.root / point).mkdir(parents=True, exist_ok=True)
        self._cases = self._make_folder("cases", 0o755)
        self._orders = {
            "root": str(self.root),
            "uid": uid,
            "gid": gid,
            "workdir": config["WorkingDir"],
            "data_limit_bytes": DATA_LIMIT_BYTES,
            "environment": {**dict(line.split("=", 1) for line in config["Env"]), "HOME": home, "LOG_LEVEL": "INFO"},
            "binds": [
                # what was written before the root became read-only stays writable through a mount of its own
                (str(self.root / home.lstrip("/")), home, False),
                (str(self.output), "/output", False),
                (str(self._cases), "/opt/ml/input/data", True),
                (str(model or empty), "/opt/ml/model", True),
            ],
        }

    def __enter__(self) -> Container:
        return self

    def __exit__(self, *_error: object) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        _buildah("rm", self._name)

    @property
    def command(self) -> list[str]:
        """The image's own command, exactly as it is stored."""
        return [*self._config["Entrypoint"], *(self._config.get("Cmd") or [])]

    def put_case(self, case: Path) -> None:
        """Lay /input anew, a link to a copy of the case, and empty /output."""
        stored = self._cases / f"{len(list(self._cases.iterdir()))}-input"
        shutil.copytree(case, stored, symlinks=True)
        _open_for_reading(stored)
        link = self.root / "input"
        if link.is_symlink():
            link.unlink()
        elif link.is_dir():
            link.rmdir()
        link.symlink_to(f"/opt/ml/input/data/{stored.name}")
        for entry in self.output.iterdir():
            shutil.rmtree(entry) if entry.is_dir() else entry.unlink()

    def start(self, command: list[str] | None = None) -> None:
        """Start the image's command, or another."""
        orders = self.scratch / "orders.json"
        orders.write_text(json.dumps(self._orders))
        with (self.scratch / "stdout").open("wb") as stdout, (self.scratch / "stderr").open("wb") as stderr:
            self._process = subprocess.Popen(
                ["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child",
                 sys.executable, SANDBOX, orders, *(command or self.command)],
                stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr,
            )  # fmt: skip

    def wait(self, seconds: float = TIME_LIMIT_SECONDS) -> int:
        """Wait for the process to end."""
        assert self._process is not None
        return self._process.wait(seconds)

    def run(self, command: list[str] | None = None, keep: Path | None = None) -> Run:
        """Run once, to the end; `keep` gets a copy of /output."""
        started = time.monotonic()
        self.start(command)
        exit_code = self.wait()
        seconds = time.monotonic() - started
        return Run(exit_code, self.stdout, self.stderr, self._keep(keep), seconds)

    @property
    def stdout(self) -> str:
        """What the process said so far."""
        return (self.scratch / "stdout").read_text(encoding="utf-8")

    @property
    def stderr(self) -> str:
        """What the process complained of so far."""
        return (self.scratch / "stderr").read_text(encoding="utf-8")

    def ask(self, method: str, path: str) -> tuple[int, str]:
        """Ask the server inside; 0 while nothing listens. Redirects are not followed."""
        asked = subprocess.run(
            ["nsenter", "--net", "--target", str(self._find_inner_pid()), sys.executable, "-c", ASK, method, path],
            check=True, capture_output=True, text=True,
        )  # fmt: skip
        status, _, text = asked.stdout.strip().partition(" ")
        return int(status), text

    def wait_until_ready(self, seconds: float = 300) -> list[int]:
        """Poll /health; give every answer on the way."""
        answers: list[int] = []
        end = time.monotonic() + seconds
        while not answers or answers[-1] != 200:
            if self._process is None or self._process.poll() is not None or time.monotonic() > end:
                raise TimeoutError(f"not ready: {answers}, {self.stderr}")
            answers.append(self.ask("GET", "/health")[0])
            time.sleep(0.2)
        return answers

    def stop(self, seconds: float = 5) -> int:
        """Send SIGTERM; the process has this long to end."""
        os.kill(self._find_inner_pid(), signal.SIGTERM)
        return self.wait(seconds)

    def _find_inner_pid(self) -> int:
        """Find the process in the sandbox: unshare's child, once it is there."""
        assert self._process is not None
        for _ in range(100):
            if children := psutil.Process(self._process.pid).children():
                return children[0].pid
            time.sleep(0.05)
        raise TimeoutError("the sandbox did not start")

    def _keep(self, place: Path | None) -> Path:
        if place is None:
            return self.output
        return shutil.copytree(self.output, place)

    def _make_folder(self, name: str, mode: int) -> Path:
        folder = self.scratch / name
        folder.mkdir(parents=True)
        folder.chmod(mode)
        return folder

    def _read(self, name: str) -> list[str]:
        return (self.root / name).read_text(encoding="utf-8").splitlines()


def _buildah(*arguments: str) -> str:
    return subprocess.run(["buildah", *arguments], check=True, capture_output=True, text=True).stdout.strip()


def _open_for_reading(folder: Path) -> None:
    for path in (folder, *folder.rglob("*")):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() else 0o644)
