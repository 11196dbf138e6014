"""DeepISLES: acute ischemic stroke segmentation on MRI by the vote of three published algorithms."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from deepisles.ensemble import Ensemble

__all__ = ["Ensemble", "__version__"]
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:  # noqa: ANN401 - module attributes have no one type
    # loading the ensemble imports torch, which `deepisles --help` has no time for
    if name == "Ensemble":
        from deepisles.ensemble import Ensemble

        return Ensemble
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
