"""How much of a member's work is done."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from deepisles.members.effort import FULL, Effort


@given(st.integers(1, 30), st.integers(1, 30))
def test_networks_are_chosen_evenly_and_never_twice(count, limit):
    chosen = Effort(networks=limit).choose_networks(range(count))
    assert len(chosen) == min(count, limit)
    gaps = [b - a for a, b in pairwise(chosen)]
    assert all(gap >= 1 for gap in gaps)
    assert not gaps or max(gaps) - min(gaps) <= 1


def test_four_of_swans_ten_are_two_of_each_kind():
    kinds = ["resunet"] * 5 + ["swin"] * 5
    assert Effort(networks=4).choose_networks(kinds) == ["resunet"] * 2 + ["swin"] * 2


def test_limits_take_work_away_and_never_add_any():
    assert Effort(mirror_axes=(2,)).limit_axes((0, 1, 2)) == (2,)
    assert Effort(mirror_axes=(2,)).limit_axes(()) == ()
    assert Effort(overlap=0.25).limit_overlap(0.625) == 0.25
    assert Effort(overlap=0.25).limit_overlap(0.1) == 0.1


def test_full_effort_leaves_all_as_it_is():
    assert FULL.choose_networks(range(15)) == list(range(15))
    assert FULL.limit_axes((0, 1, 2)) == (0, 1, 2)
    assert FULL.limit_overlap(0.5) == 0.5
