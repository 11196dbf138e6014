"""What can find the brain in an image of a head."""

from __future__ import annotations

from typing import Any, Protocol

from numpy.typing import NDArray

from deepisles.case.volume import Volume


class BrainExtractor(Protocol):
    """Finds the brain. `Ensemble` takes any that does: give one as its `brain_extractor`."""

    @property
    def name(self) -> str:
        """Name and version, as the report writes them."""

    def find_brain(self, volume: Volume) -> NDArray[Any]:
        """Find the brain.

        Parameters
        ----------
        volume : Volume
            A head, array (z, y, x) in any orientation.

        Returns
        -------
        numpy.ndarray
            bool (z, y, x), True inside the brain; all False where none is found.

        Raises
        ------
        WeightsError
            If its networks are missing or damaged.
        MemberFailed
            If it fails while running.
        """
