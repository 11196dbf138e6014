"""Runs a container's file system as the platform does: sealed off and read-only, as its own user.

    unshare --net --mount --pid --fork --kill-child python sandbox.py ORDERS.json COMMAND...

buildah's own isolation leaves the root file system writable and gives no way to a server inside, so this does what a
container runtime does: mounts, limits, chroot, another user. Needs root.
"""

from __future__ import annotations

import fcntl
import json
import os
import resource
import socket
import struct
import subprocess
import sys
from pathlib import Path

SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x8913, 0x8914, 1
DEVICES = ("null", "zero", "full", "random", "urandom")


def raise_loopback() -> None:
    """Switch on this namespace's only network device."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asked:
        request = struct.pack("16sh", b"lo", 0)
        flags = struct.unpack("16sh", fcntl.ioctl(asked, SIOCGIFFLAGS, request))[1]
        fcntl.ioctl(asked, SIOCSIFFLAGS, struct.pack("16sh", b"lo", flags | IFF_UP))


def mount(*arguments: str | Path) -> None:
    subprocess.run(["mount", *map(str, arguments)], check=True)


def bind(source: str | Path, target: Path, *, read_only: bool) -> None:
    mount("--bind", source, target)
    # a mount of a part of a read-only one is read-only too, unless it is told
    mount("-o", f"remount,bind,{'ro' if read_only else 'rw'}", target)


def build(root: Path, orders: dict) -> None:
    """Mount everything: the root read-only, over it what may be written and what the platform gives."""
    mount("--make-rprivate", "/")
    bind(root, root, read_only=True)
    mount("-t", "proc", "proc", root / "proc")
    mount("-t", "tmpfs", "-o", "mode=755", "tmpfs", root / "dev")
    for name in DEVICES:
        (root / "dev" / name).touch()
        bind(f"/dev/{name}", root / "dev" / name, read_only=False)
    (root / "dev" / "shm").mkdir()
    mount("-t", "tmpfs", "-o", "mode=1777", "tmpfs", root / "dev" / "shm")
    mount("-t", "tmpfs", "-o", "mode=1777", "tmpfs", root / "tmp")
    for source, target, read_only in orders["binds"]:
        bind(source, root / target.lstrip("/"), read_only=read_only)


def enter(root: Path, orders: dict) -> None:
    """Become the container's process."""
    os.chroot(root)
    os.chdir(orders["workdir"])
    resource.setrlimit(resource.RLIMIT_DATA, (orders["data_limit_bytes"],) * 2)
    os.setgroups([])
    os.setgid(orders["gid"])
    os.setuid(orders["uid"])


def main() -> None:
    """Build the sandbox and run the command in it."""
    orders = json.loads(Path(sys.argv[1]).read_text())
    root = Path(orders["root"])
    raise_loopback()
    build(root, orders)
    enter(root, orders)
    os.execvpe(sys.argv[2], sys.argv[2:], orders["environment"])  # noqa: S606 - no shell is what is wanted


if __name__ == "__main__":
    main()
