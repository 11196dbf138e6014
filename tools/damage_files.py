"""Damage real files in many ways, read them, and count what becomes of them: the table of docs/reliability.md.

tools/damage_files.py ../shared/data/cases --headers 100000 --decodes 2000 --runs 60
"""

from __future__ import annotations

import argparse
import faulthandler
import gzip
import logging
import os
import random
import re
import sys
import tempfile
import time
import zlib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from typer.testing import CliRunner

from deepisles.case.child_decoder import ChildDecoder
from deepisles.case.decoder import ImageDecoder
from deepisles.case.files import CaseFiles
from deepisles.case.metaimage_header import read_metaimage_header
from deepisles.case.nifti_header import read_nifti_header
from deepisles.case.reading import read_case
from deepisles.cli import app
from deepisles.errors import GeometryError, InputRefused

HANG_SECONDS = 60.0
"""No file here takes a second; what takes a minute counts as a hang."""
STUCK_SECONDS = 900
"""After this the tool itself is stopped, with a traceback."""
NIFTI_HEADER_BYTES = 352
REFUSALS = (InputRefused, GeometryError)
PROJECT = Path(__file__).resolve().parents[1]

SPECIAL_NUMBERS = tuple(
    np.array(value, dtype).tobytes()
    for dtype in ("<i2", "<i4", "<f4", ">f4", ">i2")
    for value in (0, 1, -1, 2, 127, -128)
) + tuple(np.array(value, "<f4").tobytes() for value in (np.nan, np.inf, -np.inf, 1e30, -1e30, 1e-30, 352, 2**31))
SPECIAL_WORDS = tuple(
    b"0|-1|1|2|3|4|1e308|-1e308|nan|inf|LOCAL|LIST|True|False|MET_DOUBLE|MET_UCHAR|MET_OTHER|99999999|2147483648|"
    b"18446744073709551616|0 0 0|2 2 2|-1 -1 -1|1e400 1 1|%s%n|../x|/dev/zero|x.raw|0x10|1.5| ||,".split(b"|")
)


@dataclass(frozen=True)
class Source:
    """A real image in one format.

    Parameters
    ----------
    suffix : str
        ".mha", ".nii" or ".nii.gz".
    kind : str
        What the table calls it.
    header, voxels : bytes
        The file in two parts; of a .nii.gz the header is not compressed and the voxels are.
    """

    suffix: str
    kind: str
    header: bytes
    voxels: bytes

    def join(self, header: bytes) -> bytes:
        """Make a file with another header; gzip data may have several members."""
        return (gzip.compress(header, 1) if self.suffix == ".nii.gz" else header) + self.voxels


@dataclass
class Tally:
    """What became of the damaged files of one row of the table."""

    counts: Counter[str] = field(default_factory=Counter)
    slowest_seconds: float = 0.0

    def note(self, outcome: str, seconds: float) -> None:
        """Count one file."""
        self.counts[outcome] += 1
        self.counts["tried"] += 1
        self.counts["hangs"] += seconds > HANG_SECONDS
        self.slowest_seconds = max(self.slowest_seconds, seconds)


def load_sources(nifti_gz: Path) -> list[Source]:
    """Make four formats of a real .nii.gz: NIfTI and MetaImage, plain and compressed."""
    plain = gzip.decompress(nifti_gz.read_bytes())
    head, voxels = plain[:NIFTI_HEADER_BYTES], plain[NIFTI_HEADER_BYTES:]
    header = read_nifti_header(nifti_gz, "image")
    x, y, z = header.size_xyz
    type_name = {"f8": "MET_DOUBLE", "f4": "MET_FLOAT", "i2": "MET_SHORT", "u1": "MET_UCHAR"}[header.pixel_type.str[1:]]
    spacing = " ".join(str(float(side)) for side in np.frombuffer(head, "<f4", 3, 80))

    def describe(packed: bytes | None) -> bytes:
        size = "" if packed is None else f"CompressedDataSize = {len(packed)}\n"
        return (
            "ObjectType = Image\nNDims = 3\nBinaryData = True\nBinaryDataByteOrderMSB = False\n"
            f"CompressedData = {packed is not None}\n{size}TransformMatrix = 1 0 0 0 1 0 0 0 1\nOffset = -90.5 12 -3\n"
            f"CenterOfRotation = 0 0 0\nAnatomicalOrientation = RAI\nElementSpacing = {spacing}\n"
            f"DimSize = {x} {y} {z}\nElementType = {type_name}\nElementDataFile = LOCAL\n"
        ).encode()

    packed = zlib.compress(voxels, 1)
    return [
        Source(".nii", "NIfTI", head, voxels),
        Source(".nii.gz", "NIfTI, gzip", head, gzip.compress(voxels, 1)),
        Source(".mha", "MetaImage", describe(None), voxels),
        Source(".mha", "MetaImage, zlib", describe(packed), packed),
    ]


def cut(content: bytes, chance: random.Random) -> bytes:
    """End it early."""
    return content[: chance.randrange(len(content))]


def flip_bits(content: bytes, chance: random.Random) -> bytes:
    """Flip one to eight bits."""
    damaged = bytearray(content)
    for _ in range(chance.randint(1, 8)):
        damaged[chance.randrange(len(damaged))] ^= 1 << chance.randrange(8)
    return bytes(damaged)


def edit_bytes(content: bytes, chance: random.Random) -> bytes:
    """Overwrite, insert or delete up to four pieces: special numbers, special words, noise."""
    damaged = bytearray(content)
    for _ in range(chance.randint(1, 4)):
        place = chance.randrange(len(damaged) + 1)
        piece = chance.choice((chance.choice(SPECIAL_NUMBERS), chance.choice(SPECIAL_WORDS), chance.randbytes(4)))
        action = chance.randrange(4)
        if action < 2:
            place -= place % 2
            damaged[place : place + len(piece)] = piece
        elif action == 2:
            damaged[place:place] = piece
        else:
            del damaged[place : place + len(piece)]
    return bytes(damaged)


def edit_fields(content: bytes, chance: random.Random) -> bytes:
    """Edit what the header says: lines of a MetaImage, aligned numbers of a NIfTI."""
    if not content.startswith(b"ObjectType"):
        damaged = bytearray(content)
        for _ in range(chance.randint(1, 3)):
            place = chance.randrange(40, 328, 2)
            number = chance.choice(SPECIAL_NUMBERS)
            damaged[place : place + len(number)] = number
        return bytes(damaged)
    lines = content.splitlines(keepends=True)
    for _ in range(chance.randint(1, 3)):
        chosen = chance.randrange(len(lines))
        key, _, value = lines[chosen].partition(b"=")
        action = chance.randrange(6)
        if action == 0:
            del lines[chosen]
        elif action == 1:
            lines.insert(chosen, chance.choice(lines))
        elif action == 2:
            lines[chosen] = key + chance.choice((b":", b"==", b" ", b"\r=")) + value
        elif action == 3:
            numbers = value.split() or [b""]
            numbers[chance.randrange(len(numbers))] = chance.choice(SPECIAL_WORDS)
            lines[chosen] = key + b"= " + b" ".join(numbers) + b"\n"
        else:
            lines[chosen] = key + b"= " + chance.choice(SPECIAL_WORDS) + b"\n"
        if not lines:
            break
    return b"".join(lines)


Damage = Callable[[bytes, random.Random], bytes]
HEADER_DAMAGE: dict[str, Damage] = {
    "header cut short": cut,
    "header, bits flipped": flip_bits,
    "header, bytes overwritten, inserted, deleted": edit_bytes,
    "header, fields edited": edit_fields,
}
FILE_DAMAGE: dict[str, Damage] = {
    "file cut short": cut,
    "file, bits flipped": flip_bits,
    "file, bytes overwritten, inserted, deleted": edit_bytes,
}


def try_once(tally: Tally, read: Callable[[], object], content: bytes, kept: Path) -> str:
    """Read a damaged file and count what happens; a file that is neither read nor refused is kept."""
    faulthandler.dump_traceback_later(STUCK_SECONDS, exit=True)
    started = time.monotonic()
    try:
        read()
        outcome = "read"
    except REFUSALS as error:
        outcome = "refused"
        died = re.search("made the process that decodes it fail|took more than|memory to decode", str(error))
        if died:
            tally.counts["decoder stopped"] += 1
    except Exception:
        # any other error is what this tool looks for
        logging.exception("a crash")
        outcome = "crashes"
    tally.note(outcome, time.monotonic() - started)
    if outcome == "crashes":
        kept.mkdir(exist_ok=True)
        (kept / f"{zlib.crc32(content):08x}").write_bytes(content)
    return outcome


def add_tallies(tallies: dict[str, Tally], more: dict[str, Tally]) -> None:
    """Add the counts of one table to another."""
    for name, tally in more.items():
        merged = tallies.setdefault(name, Tally())
        merged.counts += tally.counts
        merged.slowest_seconds = max(merged.slowest_seconds, tally.slowest_seconds)


def try_headers(
    sources: list[Source], count: int, chance: random.Random, scratch: Path, kept: Path
) -> dict[str, Tally]:
    """Damage headers and check them, without decoding."""
    tallies: dict[str, Tally] = {}
    for number in range(count):
        source = sources[number % len(sources)]
        name = chance.choice(list(HEADER_DAMAGE))
        damaged = HEADER_DAMAGE[name](source.header, chance)
        # a file that is cut short in its header has no voxels either
        content = damaged if HEADER_DAMAGE[name] is cut and source.suffix != ".nii.gz" else source.join(damaged)
        path = scratch / f"image{source.suffix}"
        path.write_bytes(content)
        check = read_metaimage_header if source.suffix == ".mha" else read_nifti_header
        tally = tallies.setdefault(f"{source.kind}: {name}", Tally())
        try_once(tally, lambda: check(path, "DWI"), content, kept)  # noqa: B023 - called at once
    return tallies


def try_decodes(
    sources: list[Source],
    count: int,
    chance: random.Random,
    adc: Path,
    scratch: Path,
    kept: Path,
    decoder: ImageDecoder | None = None,
) -> tuple[dict[str, Tally], list[Path]]:
    """Damage files and read whole cases with them, by default with a child process for each; give refused files too."""
    tallies: dict[str, Tally] = {}
    refused: list[Path] = []
    number = 0
    while number < count:
        source = sources[number % len(sources)]
        name = chance.choice([*HEADER_DAMAGE, *FILE_DAMAGE])
        if name in HEADER_DAMAGE:
            content = source.join(HEADER_DAMAGE[name](source.header, chance))
        else:
            content = FILE_DAMAGE[name](source.join(source.header), chance)
        path = scratch / f"dwi{source.suffix}"
        path.write_bytes(content)
        try:
            (read_metaimage_header if source.suffix == ".mha" else read_nifti_header)(path, "DWI")
        except REFUSALS:
            # the header check's refusals are counted elsewhere; of them some go on, for the runs of the whole program
            if len(refused) < count and chance.random() < 0.05:
                refused.append(path.replace(scratch / f"refused{len(refused)}{source.suffix}"))
            continue
        number += 1
        tally = tallies.setdefault(f"{source.kind}: {name}", Tally())
        if try_once(tally, lambda: read_case(CaseFiles(path, adc), decoder), content, kept) == "refused":  # noqa: B023
            refused.append(path.replace(scratch / f"refused{len(refused)}{source.suffix}"))
    return tallies, refused


def try_runs(refused: Sequence[Path], adc: Path, scratch: Path) -> Counter[str]:
    """Run the whole command line on refused files: it must end by one sentence, without any output."""
    counts: Counter[str] = Counter()
    for number, dwi in enumerate(refused):
        output = scratch / f"output{number}"
        arguments = ["segment", "--dwi", str(dwi), "--adc", str(adc), "--output", str(output)]
        arguments += ["--weights", str(PROJECT / "models" / "tiny"), "--device", "cpu"]
        answer = CliRunner().invoke(app, arguments)
        sentences = answer.stderr.strip().splitlines()
        counts["tried"] += 1
        counts["refused by one sentence"] += (
            answer.exit_code in (InputRefused.exit_code, GeometryError.exit_code) and len(sentences) == 1
        )
        counts["other ends"] = counts["tried"] - counts["refused by one sentence"]
        counts["masks or other files written"] += output.exists() and any(
            entry.is_file() for entry in output.rglob("*")
        )
    return counts


def tabulate(title: str, tallies: dict[str, Tally]) -> str:
    """Make a table in Markdown, a row for each kind of damage, and their sum."""
    columns = ("tried", "read", "refused", "decoder stopped", "crashes", "hangs")
    total = Tally()
    rows = [f"| {title} | {' | '.join(columns)} | slowest, s |", f"|---|{'---:|' * (len(columns) + 1)}"]
    for name, tally in sorted(tallies.items()):
        rows.append(_row(name, tally, columns))
        total.counts += tally.counts
        total.slowest_seconds = max(total.slowest_seconds, tally.slowest_seconds)
    return "\n".join([*rows, _row("**all**", total, columns)])


def _row(name: str, tally: Tally, columns: Sequence[str]) -> str:
    numbers = " | ".join(f"{tally.counts[column]:,}".replace(",", " ") for column in columns)
    return f"| {name} | {numbers} | {tally.slowest_seconds:.2f} |"


def main() -> int:
    """Damage, read, count."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", type=Path, help="folder of case folders with dwi.nii.gz and adc.nii.gz")
    parser.add_argument("--headers", type=int, default=100_000, help="damaged headers to check")
    parser.add_argument("--decodes", type=int, default=2_000, help="damaged files, past the header check, to decode")
    parser.add_argument("--runs", type=int, default=60, help="refused files to give to the whole program")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--kept", type=Path, default=Path("damaged"), help="where files that crash are put")
    options = parser.parse_args()
    chance = random.Random(options.seed)  # noqa: S311 - no secrets
    images = [path for path in sorted(options.cases.glob("*/*.nii.gz")) if path.name in ("dwi.nii.gz", "flair.nii.gz")]
    if not images:
        parser.error(f"{options.cases} holds no case folders with a dwi.nii.gz")
    # the smallest often, so that a hundred thousand files take minutes
    images.sort(key=lambda path: path.stat().st_size)
    small = load_sources(images[0])
    every = [source for path in images for source in load_sources(path)]
    adc = images[0].with_name("adc.nii.gz")
    crashes = 0
    with tempfile.TemporaryDirectory(prefix="damage-") as folder:
        scratch = Path(folder)
        (scratch / "more").mkdir()
        few = options.headers // 20
        tallies = try_headers(small, options.headers - few, chance, scratch, options.kept)
        add_tallies(tallies, try_headers(every, few, chance, scratch, options.kept))
        sys.stdout.write(tabulate("header check", tallies) + "\n\n")
        sys.stdout.flush()
        crashes += sum(tally.counts["crashes"] + tally.counts["hangs"] for tally in tallies.values())
        few = options.decodes // 10
        tallies, refused = try_decodes(every, few, chance, adc, scratch, options.kept)
        with ChildDecoder() as decoder:
            more = try_decodes(small, options.decodes - few, chance, adc, scratch / "more", options.kept, decoder)
        refused += more[1]
        add_tallies(tallies, more[0])
        sys.stdout.write(tabulate("whole case read", tallies) + "\n\n")
        sys.stdout.flush()
        crashes += sum(tally.counts["crashes"] + tally.counts["hangs"] for tally in tallies.values())
        chance.shuffle(refused)
        runs = try_runs(refused[: options.runs], adc, scratch)
        sys.stdout.write("whole program: " + ", ".join(f"{runs[name]} {name}" for name in runs) + "\n")
        crashes += runs["other ends"] + runs["masks or other files written"]
    return 1 if crashes else 0


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    sys.exit(main())
