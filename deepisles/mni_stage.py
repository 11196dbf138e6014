"""What of a case needs MNI152 space: the vascular territory, and images for those who want them there."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from deepisles.atlas.atlas import Atlas
from deepisles.atlas.store import open_atlas
from deepisles.errors import AtlasError, MemberFailed
from deepisles.findings.territory import TerritoryLoads, measure_loads
from deepisles.options import TerritoryMode
from deepisles.preparation.mni_alignment import MniAlignment, MniRegistration, carry_from_mni
from deepisles.preparation.prepared import PreparedCase
from deepisles.progress import StageClock

logger = logging.getLogger(__name__)

STAGE = "MNI space"
LEAST_LABELLED_SHARE = 0.5
"""Of the lesions' volume inside the atlas: below it, the largest load says little."""


@dataclass(frozen=True)
class MniFindings:
    """What was found in MNI152 space.

    Parameters
    ----------
    status : str
        Of the vascular territory; "uncertain": there is one, but a reason to doubt it.
    reason : str or None
        Why it is uncertain or was not assessed.
    loads : TerritoryLoads or None
        Lesion volume per territory, unless it was not assessed.
    alignment : MniAlignment or None
        The registration, if there was one.
    atlas : Atlas or None
        The atlas, if there is one.
    """

    status: Literal["assessed", "uncertain", "not-assessed"]
    reason: str | None = None
    loads: TerritoryLoads | None = None
    alignment: MniAlignment | None = None
    atlas: Atlas | None = None


class MniStage:
    """Registration to MNI152 space, whose process loads beside the members, and what comes of it.

    Parameters
    ----------
    territory : str
        "auto": assess it where an atlas is installed; "off".
    atlas : Path, optional
        Atlas instead of the installed one.
    wants_images : bool
        Whether the registration is wanted whatever the findings are.

    Raises
    ------
    AtlasError
        If the named atlas cannot be opened.
    """

    def __init__(
        self, territory: TerritoryMode = "auto", atlas: Path | None = None, wants_images: bool = False
    ) -> None:
        self._wants_images = wants_images
        self._reason: str | None = None
        self._atlas: Atlas | None = None
        self._registration: MniRegistration | None = None
        if territory == "off":
            self._reason = "it was not asked for"
            return
        try:
            self._atlas = open_atlas(atlas)
        except AtlasError as error:
            if atlas is not None:
                raise
            logger.warning("%s", error)
            self._reason = str(error)
            return
        if self._atlas is None:
            self._reason = "no atlas is installed: deepisles atlas install, or fetch, puts one in place"

    def __enter__(self) -> MniStage:
        if self._atlas is not None or self._wants_images:
            self._registration = MniRegistration()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._registration is not None:
            self._registration.close()

    def run(
        self, images: PreparedCase, mask: NDArray[np.uint8], allow_degraded: bool, clock: StageClock
    ) -> MniFindings:
        """Register if that is needed, and find the territory of the lesions.

        Parameters
        ----------
        images : PreparedCase
            With the FLAIR on the DWI's grid, if there is one.
        mask : numpy.ndarray
            Lesions, uint8 (z, y, x), on the DWI's grid.
        allow_degraded : bool
            Go on without the images in MNI152 space if the registration fails.
        clock : StageClock
            Times it.

        Raises
        ------
        MemberFailed
            If the registration fails, and images are wanted.
        """
        has_lesion = bool(mask.any())
        if self._registration is None or not (self._wants_images or has_lesion):
            return self._explain(has_lesion)
        try:
            with clock.stage(STAGE):
                alignment = self._registration.align(images)
        except MemberFailed as error:
            if self._wants_images and not allow_degraded:
                raise
            logger.warning("%s", error)
            return MniFindings("not-assessed", str(error), atlas=self._atlas)
        if self._atlas is None or not has_lesion:
            return replace(self._explain(has_lesion), alignment=alignment)
        codes = carry_from_mni(self._atlas.codes, images.grid, alignment)
        return judge_territory(measure_loads(codes, mask, images.grid.voxel_volume_ml), alignment, self._atlas)

    def _explain(self, has_lesion: bool) -> MniFindings:
        return MniFindings("not-assessed", self._reason if has_lesion else "there is no lesion", atlas=self._atlas)


def judge_territory(loads: TerritoryLoads, alignment: MniAlignment, atlas: Atlas) -> MniFindings:
    """Say whether the loads can be relied on."""
    if loads.largest is None:
        return MniFindings("not-assessed", "no lesion lies in a territory of the atlas", loads, alignment, atlas)
    doubt = alignment.doubt
    if doubt is None and loads.labelled_share < LEAST_LABELLED_SHARE:
        doubt = f"only {loads.labelled_share:.0%} of the lesions' volume lies in territories of the atlas"
    return MniFindings("uncertain" if doubt else "assessed", doubt, loads, alignment, atlas)
