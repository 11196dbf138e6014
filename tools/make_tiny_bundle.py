"""Makes models/tiny from a published tree of tiny networks: `python tools/make_tiny_bundle.py TREE`."""

from __future__ import annotations

import argparse
from pathlib import Path

from deepisles.weights.import_published import import_published

DESTINATION = Path(__file__).resolve().parent.parent / "models" / "tiny"
CARD = """# tiny

For tests. These networks segment nothing reliably: they are a few thousand to a few hundred thousand numbers each,
trained for minutes on one or two cases, so that DeepISLES' three algorithms can be run and compared on any machine.

What is here: {members}; the architectures of DeepISLES (de la Rosa et al., Nature Communications 2025) at a fraction of
their size. They were stored in the published formats, run through the original code for reference results, and
converted by `deepisles weights import`; `bundle.json` names each original file and its SHA-256.

These are not the published weights, and nothing measured with them says anything about DeepISLES' accuracy. Not a
medical device; never use their output for a patient.
"""


def main() -> None:
    """Import the tree named on the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tree", type=Path, help="folder with SEALS/, NVAUTO/, FACTORIZER/")
    members = "5 networks of SEALS, 15 of NVAUTO, 10 of SWAN"
    import_published(parser.parse_args().tree, DESTINATION, "tiny", CARD.format(members=members))


if __name__ == "__main__":
    main()
