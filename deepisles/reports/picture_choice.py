"""How much of a case is drawn; light to import, since front ends offer it before anything heavy is loaded."""

from __future__ import annotations

from typing import Literal

PictureChoice = Literal["viewer", "static", "none"]
"""viewer: overview.png, and report.html with pictures and the viewer; static: without the viewer; none: text alone."""
