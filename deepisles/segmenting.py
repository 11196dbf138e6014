"""One case through the ensemble, by the options that every front end offers."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from deepisles.case.source import CaseSource
from deepisles.cpu_count import count_cpus
from deepisles.cpu_memory import keep_freed_memory
from deepisles.options import SegmentOptions
from deepisles.progress import Progress

if TYPE_CHECKING:
    from deepisles.ensemble import Ensemble, EnsembleResult

logger = logging.getLogger(__name__)


def load_ensemble(options: SegmentOptions) -> Ensemble:
    """Load the members that the options ask for, and that their profile has use for.

    Raises
    ------
    InputRefused
        If that leaves none.
    WeightsError
        If weights are missing or damaged, or lack an asked-for member.
    DeviceError
        If the device is absent or cannot run the networks.
    """
    # importing the ensemble imports torch, which takes seconds that a refused input need not wait for
    import torch

    from deepisles.device import describe_device
    from deepisles.ensemble import Ensemble
    from deepisles.profiles import limit_members

    # torch knows how many CPUs it may be scheduled on, not how many its container is given; fewer stays as asked for
    torch.set_num_threads(min(torch.get_num_threads(), count_cpus()))
    keep_freed_memory()
    ensemble = Ensemble.load(options.weights, options.device, limit_members(options.profile, options.members))
    logger.info("running on %s, %d CPU thread(s)", describe_device(ensemble.device), torch.get_num_threads())
    return ensemble


def segment_files(
    ensemble: Ensemble, source: CaseSource, options: SegmentOptions, progress: Progress | None = None
) -> EnsembleResult:
    """Segment one case.

    Raises
    ------
    InputRefused, GeometryError
        If the images cannot be processed.
    WeightsError
        If a brain is to be extracted and the networks for it are missing.
    AtlasError
        If the options name an atlas that cannot be opened.
    MemberFailed
        If brain extraction fails, or a member and the options do not allow it.
    """
    result = ensemble.segment(
        source.dwi,
        source.adc,
        source.flair,
        study=source.study,
        series=source.series,
        profile=options.profile,
        registration=options.registration,
        brain_extraction=options.brain_extraction,
        territory=options.territory,
        atlas=options.atlas,
        mni=options.mni,
        consensus=options.consensus,
        vote_weights=options.vote_weights,
        allow_degraded=options.allow_degraded,
        dicom_output=options.dicom_output,
        dicom_probability=options.dicom_probability,
        progress=progress,
    )
    report = result.report
    logger.info("%s: %.2f ml in %d lesion(s)", report.verdict, report.lesion_volume_ml, report.lesion_count)
    for note in (*report.warnings, *filter(None, [report.degraded_reason])):
        logger.info("note: %s", note)
    return result
