"""Measures a case from its files to its folder."""

from __future__ import annotations

import resource
import tempfile
from contextlib import ExitStack

from deepisles.bench.cost import CaseCost
from deepisles.bench.recorder import CostRecorder
from deepisles.case.files import CaseFiles
from deepisles.ensemble import Ensemble
from deepisles.options import SegmentOptions

KIB_PER_GB = 1024**2


def measure_case(files: CaseFiles, options: SegmentOptions) -> CaseCost:
    """Segment a case and write its folder to a temporary place, taking times.

    Network times are wall times on the calling thread: on CUDA, whose kernels run on their own, they mean little.
    """
    recorder = CostRecorder()
    recorder.start("load")
    ensemble = Ensemble.load(options.weights, options.device, options.members)
    recorder.finish("load", 0.0)
    with ExitStack() as stack:
        for member in ensemble.members:
            stack.enter_context(recorder.watch(member.name, member.networks))
        result = ensemble.segment(
            files.dwi, files.adc, files.flair, registration=options.registration, progress=recorder
        )
    with tempfile.TemporaryDirectory() as folder:
        recorder.start("write")
        result.save(folder)
        recorder.finish("write", 0.0)
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    child = resource.getrusage(resource.RUSAGE_CHILDREN)
    if "register" in recorder.stages:
        recorder.stages["register"].cpu_seconds = child.ru_utime + child.ru_stime
    return CaseCost(result.report.software.device, recorder.stages, (own + child.ru_maxrss) / KIB_PER_GB)
