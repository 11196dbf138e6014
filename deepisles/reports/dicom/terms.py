"""The coded terms of the DICOM output (SNOMED CT, DCM, LOINC, UCUM)."""

from __future__ import annotations

from typing import Final

from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code

ABNORMAL_STRUCTURE: Final = Code("49755003", "SCT", "Morphologically abnormal structure")
"""Segmented property category, CID 7150."""
INFARCT: Final = Code("55641003", "SCT", "Infarct")
"""Segmented property type; CID 7151 has no infarct and is extensible."""
BRAIN: Final = Code("12738006", "SCT", "Brain")
VOLUME: Final = Code("118565006", "SCT", "Volume")
LESION_COUNT: Final = Code("246206008", "SCT", "Number of lesions")
ADC: Final = Code("113041", "DCM", "Apparent Diffusion Coefficient")
TOTAL: Final = Code("255619001", "SCT", "Total")
MEAN: Final = Code("373098007", "SCT", "Mean")
ML: Final = Code("ml", "UCUM", "ml")
NO_UNITS: Final = Code("1", "UCUM", "no units")
ADC_UNIT: Final = Code("um2/s", "UCUM", "um2/s")
"""1e-6 mm2/s, CID 7277."""
DEVICE: Final = Code("121007", "DCM", "Device")
PRESENCE: Final = Code("121052", "DCM", "Presence of property")
PRESENT: Final = codes.cid240.Present
ABSENT: Final = codes.cid240.Absent
BRAIN_MRI: Final = Code("24590-2", "LN", "MR Brain")
ARTIFICIAL_INTELLIGENCE: Final = codes.cid7162.ArtificialIntelligence
