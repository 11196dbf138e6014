"""Fuzz one target with atheris, which is led by the code that inputs reach.

python by_atheris.py TARGET CORPUS_FOLDER [libFuzzer's options]
"""

from __future__ import annotations

import sys
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["deepisles.case", "deepisles.grandchallenge", "zipfile"]):
    from fuzz.targets import TARGETS


def main() -> None:
    name, corpus, *options = sys.argv[1:]
    target = TARGETS[name]
    for number, seed in enumerate(target.seeds):
        (Path(corpus) / f"seed{number}").write_bytes(seed)
    words = Path(corpus).with_suffix(".dict")
    words.write_text(
        "".join(f'"{"".join(f"{chr(92)}x{byte:02x}" for byte in word)}"\n' for word in target.words), encoding="ascii"
    )
    atheris.Setup([sys.argv[0], f"-dict={words}", *options, corpus], target.run)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
