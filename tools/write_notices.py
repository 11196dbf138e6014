"""Write the notices of everything that is installed beside this program: names, versions, licences and their texts.

Run it with the interpreter whose packages are meant; nothing but Python's own library is needed.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib.metadata import Distribution, distributions
from pathlib import Path

OWN_NAME = "deepisles"
LICENCE_WORDS = ("licen", "copying", "notice", "copyright", "authors")
MAX_LICENCE_NAME_LENGTH = 200
"""Some packages put a licence's text where its name belongs."""


def main() -> int:
    """Write the notices to the file that the command line names."""
    if len(sys.argv) != 2:
        sys.stderr.write("Usage: write_notices.py FILE\n")
        return 2
    # a package of the environment hides one of the same name below it
    installed: dict[str, Distribution] = {}
    for distribution in distributions():
        installed.setdefault(distribution.metadata["Name"].lower().replace("_", "-"), distribution)
    installed.pop(OWN_NAME, None)
    parts = [
        f"{OWN_NAME} runs on the following {len(installed)} packages. Each is the work of its own authors, under its "
        "own licence, which follows where the package carries its text.\n"
    ]
    parts += [describe(installed[name]) for name in sorted(installed)]
    Path(sys.argv[1]).write_text("\n".join(parts), encoding="utf-8")
    return 0


def describe(distribution: Distribution) -> str:
    """Describe one package."""
    about = distribution.metadata
    address = about["Home-page"] or next(iter(about.get_all("Project-URL") or [""])).rpartition(",")[2].strip()
    lines = ["=" * 80, f"{about['Name']} {distribution.version}", f"Licence: {name_licence(distribution)}"]
    if address:
        lines.append(f"From: {address}")
    lines += ["", *read_texts(distribution)]
    return "\n".join(lines)


def name_licence(distribution: Distribution) -> str:
    """Name a package's licence as it does itself: by expression, by field, or by classifiers."""
    about = distribution.metadata
    stated = (about["License-Expression"] or about["License"] or "").strip()
    if stated and len(stated) <= MAX_LICENCE_NAME_LENGTH and stated.upper() != "UNKNOWN":
        return " ".join(stated.split())
    classifiers = about.get_all("Classifier") or []
    named = [line.rpartition("::")[2].strip() for line in classifiers if line.startswith("License ::")]
    return ", ".join(named) or ("see the text below" if stated else "not stated")


def read_texts(distribution: Distribution) -> Iterator[str]:
    """Read the licence files that a package was installed with."""
    for file in distribution.files or ():
        is_about_itself = ".dist-info" in file.parts[0] if file.parts else False
        if not is_about_itself or not any(word in file.name.lower() for word in LICENCE_WORDS):
            continue
        try:
            yield Path(str(file.locate())).read_text(encoding="utf-8", errors="replace").strip() + "\n"
        except OSError:
            continue


if __name__ == "__main__":
    sys.exit(main())
