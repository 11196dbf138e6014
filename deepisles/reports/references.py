"""What to cite for a case: a paragraph on the method, and the works that it numbers."""

from __future__ import annotations

from typing import Final

from deepisles.reports.report import Report

DEEPISLES: Final = (
    "E. de la Rosa et al., DeepISLES: a clinically validated ischemic stroke segmentation model from the ISLES'22 "
    "challenge. Nature Communications 16, 7357 (2025), doi 10.1038/s41467-025-62373-x"
)
ISLES22: Final = (
    "M. R. Hernandez Petzsche et al., ISLES 2022: A multi-center magnetic resonance imaging stroke lesion segmentation "
    "dataset. Scientific Data 9, 762 (2022), doi 10.1038/s41597-022-01875-5"
)
MEMBERS: Final = {
    "seals": (
        "SEALS: F. Isensee et al., nnU-Net: a self-configuring method for deep learning-based biomedical image "
        "segmentation. Nature Methods 18, 203-211 (2021), doi 10.1038/s41592-020-01008-z; as trained by the SEALS "
        "team, github.com/Tabrisrei/ISLES22_SEALS"
    ),
    "nvauto": (
        "NVAUTO: M. M. Rahman Siddiquee et al., Automated ischemic stroke lesion segmentation from 3D MRI. "
        "arXiv 2209.09546 (2022)"
    ),
    "swan": (
        "SWAN: P. Ashtari et al., Factorizer: A scalable interpretable approach to context modeling for medical image "
        "segmentation. Medical Image Analysis 84, 102706 (2023), doi 10.1016/j.media.2022.102706"
    ),
}
ELASTIX: Final = (
    "S. Klein et al., elastix: a toolbox for intensity-based medical image registration. IEEE Transactions on Medical "
    "Imaging 29, 196-205 (2010), doi 10.1109/TMI.2009.2035616"
)
DEEPBET: Final = (
    "L. Fisch et al., deepbet: Fast brain extraction of T1-weighted MRI using Convolutional Neural Networks. "
    "arXiv 2308.07003 (2023)"
)


def list_references(report: Report) -> tuple[str, ...]:
    """List the works that belong to a case, in the order in which `describe_method` numbers them, from 1."""
    works = [DEEPISLES, ISLES22, *(MEMBERS[member.name] for member in report.members if member.status == "ran")]
    if report.inputs.registration == "elastix":
        works.append(ELASTIX)
    if (_find_extractor(report) or "").startswith("deepbet"):
        works.append(DEEPBET)
    return tuple(works)


def describe_method(report: Report) -> str:
    """Say in a paragraph that a paper can take over how this case was segmented."""
    works = list_references(report)

    def cite(name: str, work: str) -> str:
        return f"{name} [{works.index(work) + 1}]" if work in works else name

    members = [cite(member.name.upper(), MEMBERS[member.name]) for member in report.members if member.status == "ran"]
    challenge = cite("the ISLES'22 challenge", ISLES22)
    extractor = _find_extractor(report)
    sentences = [
        f"Ischemic lesions were segmented with deepisles {report.software.version}, a re-implementation of "
        f"{cite('DeepISLES', DEEPISLES)}, by {', '.join(members)}, members of an ensemble from {challenge}.",
        f"Rule: {report.consensus.description}.",
        f"Weights: {report.weights.bundle}, SHA-256 {report.weights.digest[:12]}.",
    ]
    if ELASTIX in works:
        sentences.append(f"FLAIR was registered to DWI with {cite('elastix', ELASTIX)}.")
    if extractor is not None:
        sentences.append(f"The brain was extracted with {cite(extractor, DEEPBET)}.")
    return " ".join(sentences)


def _find_extractor(report: Report) -> str | None:
    told = report.brain_extraction
    return told.method if told is not None and told.status == "done" else None
