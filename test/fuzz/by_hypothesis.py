"""Fuzz one target with hypothesis for a while: damage to seeds, to zipped ones also before they are zipped, and noise.

python by_hypothesis.py TARGET SECONDS
"""

from __future__ import annotations

import gzip
import sys
import time

from fuzz.mutations import NIFTI_NUMBERS, changes, mutate
from fuzz.targets import TARGETS, make_nifti
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

EXAMPLES_A_ROUND = 200


def draw_contents(name: str) -> st.SearchStrategy[bytes]:
    target = TARGETS[name]
    damaged = st.builds(
        lambda seed, found: mutate(seed, len(seed), found), st.sampled_from(target.seeds), changes(target.words)
    )
    if name == "nifti-gz":
        inner = st.builds(lambda found: gzip.compress(mutate(make_nifti(), 352, found), 1), changes(NIFTI_NUMBERS))
        return st.one_of(damaged, inner, st.binary(max_size=600))
    return st.one_of(damaged, damaged, st.binary(max_size=600))


def main() -> None:
    name, seconds = sys.argv[1], float(sys.argv[2])
    target = TARGETS[name]
    end = time.monotonic() + seconds
    tried = 0

    @settings(
        max_examples=EXAMPLES_A_ROUND,
        deadline=None,
        database=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )
    @given(draw_contents(name))
    def check(content: bytes) -> None:
        nonlocal tried
        tried += 1
        target.run(content)

    while time.monotonic() < end:
        check()
    sys.stdout.write(f"{tried} inputs\n")


if __name__ == "__main__":
    main()
