"""deepbet as the brain extractor (L. Fisch et al., Computers in Biology and Medicine 179, 2024; MIT licence).

Two small networks: the first finds the brain's box, the second the brain in it. They were made for T1w images; how well
they do on DWI and FLAIR stands in docs/fidelity.md. The weights lie in deepbet's wheel, so that nothing is fetched.
"""

from __future__ import annotations

import hashlib
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import TYPE_CHECKING, Final

import nibabel
import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from deepisles.case.volume import Volume
from deepisles.errors import MemberFailed, WeightsError
from deepisles.weights.torchscript import SCRIPT_ERRORS, open_torchscript

if TYPE_CHECKING:
    from deepbet.bet import BrainExtraction

VERSION: Final = "1.0.2"
MODEL: Final = "data/models/model.pt"
BOX_MODEL: Final = "data/models/bbox_model.pt"
SHA256: Final = {
    MODEL: "de8ee7c69654d0dd3935dc4a5d84571d8ecf4637a6bfc01df399c4c2bc86e0fd",
    BOX_MODEL: "39a7b2b5f799faa1391ea97bfcdc0b9299f20d84f2316a4ff8918dc4685e40aa",
}
"""Digests of the two TorchScript archives in the wheel of this version."""


class DeepbetExtractor:
    """Finds the brain with deepbet; its code and networks are loaded when they are first needed, and kept.

    Parameters
    ----------
    device : torch.device
        Where the networks run.
    """

    name = f"deepbet {VERSION}"

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._extraction: BrainExtraction | None = None

    def find_brain(self, volume: Volume) -> NDArray[np.bool_]:
        """Find the brain: bool (z, y, x), all False where none is found; see `BrainExtractor`.

        Raises
        ------
        WeightsError
            If deepbet or its networks are missing or damaged.
        MemberFailed
            If a network fails, for example for want of memory.
        """
        if self._extraction is None:
            self._extraction = _load(self._device)
        # deepbet turns the image upright by its affine, and the mask back
        image = nibabel.Nifti1Image(volume.array.astype(np.float32).T, volume.grid.affine_ras)
        try:
            _, mask, _ = self._extraction.run(image)
        except (AssertionError, ValueError):
            # what its search for the largest piece does where there is none
            return np.zeros(volume.grid.shape, dtype=np.bool_)
        except (*SCRIPT_ERRORS, MemoryError) as error:
            first_line = (str(error).splitlines() or ["no message"])[0]
            raise MemberFailed(
                f"Brain extraction failed ({type(error).__name__}: {first_line}): give images of the brain alone, or "
                f"another --device."
            ) from error
        return np.ascontiguousarray(np.asarray(mask.dataobj, dtype=np.bool_).T)


def _load(device: torch.device) -> BrainExtraction:
    networks = {name: _open_network(name).to(device) for name in (MODEL, BOX_MODEL)}
    # imports pandas and more, which only cases with a skull need
    from deepbet.bet import BrainExtraction

    # its own constructor opens the files unchecked and chooses the device itself
    extraction: BrainExtraction = BrainExtraction.__new__(BrainExtraction)
    extraction.model, extraction.bbox_model, extraction.bbox = networks[MODEL], networks[BOX_MODEL], None
    return extraction


def _open_network(name: str) -> nn.Module:
    """Open one of deepbet's archives after comparing its digest."""
    try:
        content = Path(str(distribution("deepbet").locate_file(name))).read_bytes()
    except (PackageNotFoundError, OSError) as error:
        raise WeightsError(
            f"Brain extraction needs deepbet {VERSION}, which is not installed: install it as requirements.txt says, "
            "or give images of the brain alone."
        ) from error
    if hashlib.sha256(content).hexdigest() != SHA256[name]:
        raise WeightsError(
            f"The networks of deepbet are not those of version {VERSION}: install it anew as requirements.txt says."
        )
    return open_torchscript(content, f"deepbet's {Path(name).name}")
