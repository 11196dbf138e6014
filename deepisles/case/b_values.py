"""Which diffusion weighting the members can be given."""

from __future__ import annotations

from typing import Final

TARGET_B_S_MM2: Final = 1000.0
"""What the networks were trained on (ISLES'22: trace at b 1000)."""
MIN_B_S_MM2: Final = 500.0
MAX_B_S_MM2: Final = 2000.0
"""Below, a stroke is hardly brighter than T2 makes it; above, noise looks like the trace's signal."""
USUAL_B_S_MM2: Final = (800.0, 1200.0)
"""Outside, the report warns."""
