"""Freed memory stays with the process."""

from __future__ import annotations

import subprocess
import sys

TOUCH_AGAIN = """
import resource, sys
import torch
from deepisles.cpu_memory import keep_freed_memory
if sys.argv[1] == "keep":
    assert keep_freed_memory()
def touch():
    torch.ones(16, 1024, 1024)
for _ in range(20):  # until the freed pieces lie side by side
    touch()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(5):
    touch()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def count_page_faults(how: str) -> int:
    done = subprocess.run([sys.executable, "-c", TOUCH_AGAIN, how], check=True, capture_output=True, text=True)
    return int(done.stdout)


def test_memory_of_a_freed_tensor_is_used_again() -> None:
    assert count_page_faults("keep") < count_page_faults("as it was") / 10
