"""The whole way of a case: read, prepare, three members, vote, findings, report."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from deepisles.case.case import Case
from deepisles.case.opening import OpenedCase, open_case
from deepisles.case.source import CaseSource, SeriesChoice
from deepisles.case.volume import Volume
from deepisles.consensus.voting import ENSEMBLE, Consensus, Rule, decide
from deepisles.cuda_fit import check_cuda_device
from deepisles.device import choose_device, describe_device
from deepisles.errors import DeepIslesError, InputRefused, MemberFailed
from deepisles.findings.lesions import Lesion, list_lesions, measure_volume_ml
from deepisles.findings.outvoted import warn_of_outvoted
from deepisles.members.effort import Effort
from deepisles.members.member import Member, MemberName, MemberRun, Prediction
from deepisles.mni_stage import MniStage
from deepisles.options import BrainExtractionMode, DicomOutput, Profile, Registration, TerritoryMode
from deepisles.preparation.brain_extraction import strip_case
from deepisles.preparation.brain_extractor import BrainExtractor
from deepisles.preparation.deepbet_extractor import DeepbetExtractor
from deepisles.preparation.diffusion_check import check_diffusion
from deepisles.preparation.flair_check import check_flair
from deepisles.preparation.prepare import prepare_diffusion, share_grid
from deepisles.preparation.prepared import PreparedCase
from deepisles.preparation.registration import AppliedRegistration, FlairRegistration, take_registered
from deepisles.profiles import PLANS, limit_members
from deepisles.progress import NoProgress, Progress, StageClock
from deepisles.reports.build import CaseRecord, build_report
from deepisles.reports.report import WeightsReport
from deepisles.reports.result import EnsembleResult
from deepisles.weights.bundle import Bundle
from deepisles.weights.locate import open_weights
from deepisles.weights.members import load_member

if TYPE_CHECKING:
    from deepisles.reports.dicom.plan import DicomPlan

__all__ = ["BrainExtractionMode", "Ensemble", "EnsembleResult", "Registration"]

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Task:
    """A member that takes part in a case, and how much of its work is done."""

    member: Member
    effort: Effort


class Ensemble:
    """The members, loaded once, ready for any number of cases.

    Parameters
    ----------
    members : sequence of Member
        In the order in which they run.
    bundle : Bundle
        Where their weights come from.
    device : torch.device
        Where they run.
    absent : sequence of str
        Members that the bundle has no weights for.
    brain_extractor : BrainExtractor, optional
        What finds the brain in images that are not stripped; by default deepbet on the same device.

    Examples
    --------
    >>> ensemble = Ensemble.load("models/starter", device="cpu")         # doctest: +SKIP
    >>> result = ensemble.segment(dwi="dwi.nii.gz", adc="adc.nii.gz")    # doctest: +SKIP
    >>> result.volume_ml, len(result.lesions)                            # doctest: +SKIP
    """

    def __init__(
        self,
        members: Sequence[Member],
        bundle: Bundle,
        device: torch.device,
        absent: Sequence[MemberName],
        brain_extractor: BrainExtractor | None = None,
    ) -> None:
        self.members = list(members)
        self.bundle = bundle
        self.device = device
        self.absent = tuple(absent)
        self.brain_extractor = brain_extractor or DeepbetExtractor(device)

    @classmethod
    def load(
        cls, weights: str | Path | None = None, device: str = "auto", members: Sequence[str] | None = None
    ) -> Ensemble:
        """Load the networks onto a device.

        Parameters
        ----------
        weights : path, optional
            A bundle, or the published tree; by default the first of the places that the README lists.
        device : str
            "auto", "cpu" or "cuda:0".
        members : sequence of str, optional
            Which of seals, nvauto, swan; by default all that the bundle has.

        Raises
        ------
        InputRefused
            If a member's name is unknown.
        WeightsError
            If weights are missing or damaged, or lack an asked-for member.
        DeviceError
            If the device is absent or cannot run them.
        """
        for name in members or ():
            if name not in ENSEMBLE:
                raise InputRefused(f"There is no member called {name!r}: choose from {', '.join(ENSEMBLE)}.")
        if members is not None and not members:
            raise InputRefused(f"No member is asked for: choose from {', '.join(ENSEMBLE)}.")
        place = choose_device(device)
        bundle = open_weights(Path(weights) if weights is not None else None)
        chosen = [name for name in ENSEMBLE if name in (members or bundle.member_names)]
        absent = [name for name in ENSEMBLE if members is None and name not in chosen]
        check_cuda_device(place, bundle.count_bytes(chosen))
        return cls([load_member(bundle, name, place) for name in chosen], bundle, place, absent)

    def segment(
        self,
        dwi: str | Path | None = None,
        adc: str | Path | None = None,
        flair: str | Path | None = None,
        *,
        study: str | Path | None = None,
        series: SeriesChoice | None = None,
        profile: Profile = "exact",
        registration: Registration = "auto",
        brain_extraction: BrainExtractionMode = "auto",
        territory: TerritoryMode = "auto",
        atlas: str | Path | None = None,
        mni: bool = False,
        consensus: Rule | str = Rule.ORIGINAL,
        vote_weights: Mapping[str, float] | None = None,
        allow_degraded: bool = False,
        dicom_output: DicomOutput = "off",
        dicom_probability: bool = False,
        progress: Progress | None = None,
    ) -> EnsembleResult:
        """Segment one case.

        Parameters
        ----------
        dwi, adc, flair : path
            Image files, or DICOM as a folder or .zip each (docs/dicom.md). FLAIR may be left out, then SWAN cannot run
            and the consensus rule says what happens. ADC may be left out where the DWI is DICOM.
        study : path, optional
            Instead of the three: a folder or .zip of DICOM, from which they are picked by their tags.
        series : SeriesChoice, optional
            Series that are to be taken from the DICOM.
        profile : str
            "exact" gives the original's mask; "balanced" and "fast" do less work, and give another one.
        registration : str
            "elastix" registers FLAIR to DWI as the original does; "rigid" turns and moves it only, in a second and with
            another mask than the original's; "none" takes it as lying on the DWI's grid already; "auto" is "elastix" in
            profile "exact" and "rigid" in the others.
        brain_extraction : str
            "auto" strips the images that show more than the brain and leaves the others untouched; "on" strips all,
            "off" none.
        territory : str
            "auto" names the vascular territory of the lesions where an atlas is installed; "off" does not.
        atlas : path, optional
            Atlas of arterial territories instead of the installed one: its file or folder.
        mni : bool
            Register to MNI152 space in any case, so that `save` writes images there.
        consensus : Rule or str
            How the members' answers become one mask.
        vote_weights : mapping, optional
            Weight per member, 1 where absent.
        allow_degraded : bool
            Let the rest vote when a member fails, and say so in the report.
        dicom_output : str
            What the result's `save` writes as DICOM (docs/dicom.md): "source" a segmentation and measurements in the
            DWI's own study, "derived" the same on a series made of the DWI, "off" nothing.
        dicom_probability : bool
            With DICOM output, write the probability as DICOM too.
        progress : Progress, optional
            Who watches.

        Raises
        ------
        InputRefused, GeometryError
            If the images cannot be processed, or no DICOM output can lie on them.
        WeightsError
            If a brain is to be extracted and the extractor's networks are missing.
        AtlasError
            If `atlas` cannot be opened.
        MemberFailed
            If brain extraction fails; if a member fails, or the registration for wanted images in MNI152 space, unless
            `allow_degraded`; if all members fail, always.
        """
        plan, tasks = PLANS[profile], self._choose_tasks(profile)
        applied = plan.registration if registration == "auto" else registration
        clock = StageClock(progress or NoProgress())
        with clock.stage("read"):
            dwi, adc, flair, study = (None if place is None else Path(place) for place in (dwi, adc, flair, study))
            source = CaseSource(dwi, adc, flair, study, series or SeriesChoice())
            opened = open_case(
                source, with_flair=any(task.member.needs_flair for task in tasks), keep_slices=dicom_output == "source"
            )
            case = opened.case
            dicom = plan_dicom(opened, dicom_output, dicom_probability)
        with clock.stage("brain extraction"):
            case, brain = strip_case(share_grid(case), brain_extraction, self.brain_extractor)
        with clock.stage("prepare"):
            # a FLAIR that was registered by others may be bent as theirs bends it
            flair_warnings = () if registration == "none" else check_flair(case)
            case = replace(case, warnings=(*case.warnings, *check_diffusion(case), *flair_warnings))
            images = prepare_diffusion(case, with_isotropic=any(task.member.needs_isotropic for task in tasks))
        with MniStage(territory, None if atlas is None else Path(atlas), mni) as mni_stage:
            images, runs = self._run_tasks(tasks, case, images, applied, allow_degraded, clock)
            with clock.stage("consensus"):
                predictions: dict[str, Prediction] = {
                    run.name: run.prediction for run in runs if run.prediction is not None
                }
                agreed = decide(predictions, Rule(consensus), vote_weights)
            with clock.stage("findings"):
                marked = {name: prediction.mask for name, prediction in predictions.items()}
                lesions = describe_lesions(agreed, marked, images)
                volume_ml = measure_volume_ml(agreed.mask, images.grid)
                outvoted = warn_of_outvoted(agreed.mask, marked, images.grid)
            in_mni = mni_stage.run(images, agreed.mask, allow_degraded, clock)
        record = CaseRecord(
            case=case,
            dicom=opened.dicom,
            images=images,
            brain=brain,
            warnings=(*outvoted, *self.bundle.warnings, *case.warnings, *filter(None, [plan.note])),
            runs=(*runs, *self._list_absent(profile)),
            consensus=agreed,
            lesions=lesions,
            volume_ml=volume_ml,
            registration=applied,
            profile=profile,
            mni=in_mni,
            weights=WeightsReport(bundle=self.bundle.manifest.name, digest=self.bundle.digest),
            device=describe_device(self.device),
            seconds=clock.seconds,
        )
        return EnsembleResult(
            mask=Volume(agreed.mask, images.grid),
            probability=Volume(agreed.probability, images.grid),
            agreement=Volume(agreed.agreement, images.grid),
            lesions=lesions,
            volume_ml=volume_ml,
            predictions=predictions,
            images=images,
            report=build_report(record),
            brain_mask=brain.mask,
            mni=in_mni.alignment if mni else None,
            dicom=dicom,
            unstripped_dwi=brain.dwi_before,
        )

    def _choose_tasks(self, profile: Profile) -> list[Task]:
        """Choose the members that take part in a profile, and how much of their work is done; refuse if none does."""
        limit_members(profile, tuple(member.name for member in self.members))
        efforts = PLANS[profile].efforts
        return [Task(member, efforts[member.name]) for member in self.members if member.name in efforts]

    def _list_absent(self, profile: Profile) -> list[MemberRun]:
        """List the members that would take part, had the bundle weights for them."""
        absent = [name for name in self.absent if name in PLANS[profile].efforts]
        return [MemberRun(name, "not-run", "the weights bundle has none for it") for name in absent]

    def _run_tasks(
        self,
        tasks: Sequence[Task],
        case: Case,
        images: PreparedCase,
        registration: AppliedRegistration,
        allow_degraded: bool,
        clock: StageClock,
    ) -> tuple[PreparedCase, list[MemberRun]]:
        """Run every member that can; FLAIR is registered beside those that do not need it."""
        first = [task for task in tasks if not task.member.needs_flair]
        then = [task for task in tasks if task.member.needs_flair]
        if case.flair is None and not first:
            raise InputRefused("SWAN needs a FLAIR image: give --flair, or choose another member.")
        runs: list[MemberRun] = []
        with ExitStack() as stack:
            registering: FlairRegistration | None = None
            if case.flair is not None and then:
                if registration == "none":
                    images = replace(images, flair=take_registered(images.grid, case.flair))
                else:
                    registering = stack.enter_context(FlairRegistration(case.dwi, case.flair, registration))
            runs += [run_member(task, images, allow_degraded, clock) for task in first]
            if registering is not None:
                try:
                    with clock.stage("wait for registration"):
                        images = replace(images, flair=registering.result())
                    clock.note("register", registering.seconds)
                except MemberFailed as error:
                    if not allow_degraded:
                        raise
                    runs += [MemberRun(task.member.name, "failed", str(error)) for task in then]
                    then = []
        for task in then:
            if images.flair is None:
                runs.append(MemberRun(task.member.name, "not-run", "no FLAIR image was given"))
            else:
                runs.append(run_member(task, images, allow_degraded, clock))
        if not any(run.prediction for run in runs):
            raise MemberFailed("Every member failed: " + " ".join(run.reason or "" for run in runs))
        return images, runs


def plan_dicom(opened: OpenedCase, wanted: DicomOutput, with_probability: bool) -> DicomPlan | None:
    """Plan a case's DICOM output; what cannot be made is refused before the networks run.

    Raises
    ------
    InputRefused, GeometryError
        If the segmentation has no DICOM to lie on.
    """
    if wanted == "off":
        if with_probability:
            raise InputRefused("--dicom-probability goes with --dicom-output: give both.")
        return None
    # highdicom takes half a second to import, which other cases need not wait for
    from deepisles.reports.dicom.plan import DicomPlan, plan_on_source

    if wanted == "derived":
        return DicomPlan(None, with_probability)
    return plan_on_source(opened.dwi_slices, opened.case.dwi.grid, with_probability=with_probability)


def run_member(task: Task, images: PreparedCase, allow_degraded: bool, clock: StageClock) -> MemberRun:
    """Run one member; its failure is raised, or recorded where that is allowed.

    Raises
    ------
    MemberFailed
        If the member fails and `allow_degraded` is not set.
    """
    member = task.member
    try:
        with clock.stage(member.name):
            prediction = member.segment(
                images, lambda done, total: clock.progress.advance(member.name, done, total), task.effort
            )
        if not np.isfinite(prediction.probability).all():
            raise ArithmeticError("its answer holds values that are not numbers")
    except (DeepIslesError, RuntimeError, torch.jit.Error, MemoryError, ValueError, ArithmeticError) as error:
        logger.debug("%s failed", member.name, exc_info=True)
        first_line = (str(error).splitlines() or ["no message"])[0]
        reason = f"{member.name.upper()} failed ({type(error).__name__}: {first_line})."
        if not allow_degraded:
            raise MemberFailed(
                f"{reason} Run again with --debug, or with --allow-degraded to let the others vote."
            ) from error
        return MemberRun(member.name, "failed", reason)
    return MemberRun(
        member.name,
        "ran",
        prediction=prediction,
        seconds=clock.seconds[member.name],
        weights_digest=member.weights_digest,
        networks=len(task.effort.choose_networks(member.networks)),
    )


def describe_lesions(
    agreed: Consensus, member_masks: Mapping[str, NDArray[np.uint8]], images: PreparedCase
) -> tuple[Lesion, ...]:
    """List the lesions of the agreed mask with what members and images say of them."""
    return list_lesions(
        agreed.mask,
        images.grid,
        agreed.probability,
        member_masks,
        images.dwi.array,
        images.adc.array,
    )
