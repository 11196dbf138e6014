"""Profiles: less work, never silently."""

from __future__ import annotations

import json

import pytest
from threshold_bundle import make_bright_case, make_threshold_bundle, write_case
from typer.testing import CliRunner

from deepisles import Ensemble
from deepisles.cli import app
from deepisles.errors import InputRefused
from deepisles.profiles import PLANS, limit_members


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return make_threshold_bundle(tmp_path_factory.mktemp("weights") / "threshold")


@pytest.fixture(scope="module")
def ensemble(bundle):
    return Ensemble.load(bundle, device="cpu")


@pytest.fixture(scope="module")
def case(tmp_path_factory):
    images, truth = make_bright_case()
    return write_case(tmp_path_factory.mktemp("case"), images), truth


@pytest.mark.parametrize(("profile", "names"), [("balanced", ["seals", "nvauto", "swan"]), ("fast", ["seals"])])
def test_a_profile_finds_the_lesion_with_its_members_and_says_so(ensemble, case, profile, names):
    paths, truth = case
    result = ensemble.segment(**paths, registration="none", profile=profile)
    mask = result.mask.array > 0
    assert 2 * (mask & truth).sum() / (mask.sum() + truth.sum()) > 0.9
    report = result.report
    assert [member.name for member in report.members] == names
    assert report.software.profile == profile
    assert any(f"profile {profile}" in warning for warning in report.warnings)
    assert not report.degraded
    assert report.inputs.modalities == (("dwi", "adc", "flair") if "swan" in names else ("dwi", "adc"))


def test_exact_is_what_nobody_asked_for_and_carries_no_note(ensemble, case):
    paths, _ = case
    report = ensemble.segment(**paths, registration="none").report
    assert report.software.profile == "exact"
    assert not any("profile" in warning for warning in report.warnings)


def test_the_registration_that_auto_means_hangs_on_the_profile(ensemble, case):
    paths, _ = case
    assert ensemble.segment(**paths, profile="balanced").report.inputs.registration == "rigid"
    assert PLANS["exact"].registration == "elastix"


def test_fewer_networks_are_counted(ensemble, case):
    """The report tells the networks that ran, not those that the bundle has."""
    paths, _ = case
    chosen = {
        profile: {
            member.name: member.networks
            for member in ensemble.segment(**paths, registration="none", profile=profile).report.members
        }
        for profile in PLANS
    }
    full = {member.name: len(member.networks) for member in ensemble.members}
    assert chosen["exact"] == full
    assert chosen["fast"] == {"seals": min(2, full["seals"])}
    assert chosen["balanced"]["nvauto"] == min(5, full["nvauto"])


def test_a_profile_without_the_asked_for_members_is_refused(bundle, case):
    paths, _ = case
    with pytest.raises(InputRefused, match="fast runs SEALS"):
        limit_members("fast", ("nvauto", "swan"))
    with pytest.raises(InputRefused, match="fast runs SEALS"):
        Ensemble.load(bundle, "cpu", ["nvauto"]).segment(**paths, profile="fast")
    assert limit_members("fast", None) == ("seals",)
    assert limit_members("balanced", None) is None
    assert limit_members("exact", ("swan",)) == ("swan",)


def test_the_command_line_takes_a_profile(bundle, case, tmp_path):
    paths, _ = case
    images = [part for name, path in paths.items() for part in (f"--{name}", str(path))]
    done = CliRunner().invoke(
        app, ["segment", *images, "--weights", str(bundle), "--profile", "fast", "--output", str(tmp_path)]
    )
    assert done.exit_code == 0, done.output
    assert "profile fast" in done.stdout
    assert json.loads((tmp_path / "report.json").read_text())["software"]["profile"] == "fast"


def test_images_at_1_mm_are_made_where_a_member_wants_them(ensemble, case):
    paths, _ = case
    assert ensemble.segment(**paths, registration="none").images.isotropic is not None
    others = Ensemble([m for m in ensemble.members if m.name != "seals"], ensemble.bundle, ensemble.device, ())
    assert others.segment(**paths, registration="none").images.isotropic is None


def test_a_member_that_takes_no_part_is_not_missed(tmp_path, case):
    """A server that has no weights for SWAN answers a case in profile fast as any other."""
    paths, _ = case
    ensemble = Ensemble.load(make_threshold_bundle(tmp_path / "weights", ("seals", "nvauto")), device="cpu")
    assert not ensemble.segment(**paths, profile="fast").report.degraded
    assert ensemble.segment(**paths, profile="balanced").report.degraded
