"""The tool that counts what becomes of damaged files."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from image_files import write_case

PROJECT = Path(__file__).resolve().parents[1]


def run(*arguments, cwd):
    environment = {**os.environ, "PYTHONPATH": str(PROJECT)}
    command = [sys.executable, PROJECT / "tools" / "damage_files.py", *arguments]
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=300)


def test_damaged_files_are_counted(tmp_path):
    write_case(tmp_path / "cases" / "one")
    answer = run("cases", "--headers", "200", "--decodes", "6", "--runs", "0", cwd=tmp_path)
    assert answer.returncode == 0, answer.stderr
    tried, read, refused, *rest = re.findall(r"\*\*all\*\* \| (\d+) \| (\d+) \| (\d+) \|", answer.stdout)[0]
    assert (int(tried), rest) == (200, [])
    assert int(read) + int(refused) == 200
    assert int(read) > 0
    assert int(refused) > 0
    assert "| **all** | 6 |" in answer.stdout
    assert not (tmp_path / "damaged").exists()


def test_a_folder_without_cases_is_a_sentence(tmp_path):
    answer = run(tmp_path, cwd=tmp_path)
    assert answer.returncode == 2
    assert "holds no case folders with a dwi.nii.gz" in answer.stderr.splitlines()[-1]
