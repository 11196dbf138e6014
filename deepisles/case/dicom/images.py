"""A case's images as files that are read like any others, made from DICOM where that is what was given."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import SimpleITK as sitk

from deepisles.case.archive import unpack_zip
from deepisles.case.b_values import USUAL_B_S_MM2
from deepisles.case.dicom.conversion import convert_stack, name_converter
from deepisles.case.dicom.diffusion import compute_adc_1e6_mm2_s, compute_trace
from deepisles.case.dicom.kinds import Kind
from deepisles.case.dicom.reading import Scan, scan_folder
from deepisles.case.dicom.record import DicomImage, DicomRecord, OtherVolume, Role
from deepisles.case.dicom.selection import (
    ONLY_VOLUME,
    Pick,
    Volume,
    list_volumes,
    pick_adc,
    pick_dwi,
    pick_flair,
    pick_unweighted,
    take_only_volume,
)
from deepisles.case.dicom.source_slices import SourceSlices, read_source_slices
from deepisles.case.dicom.stack import group_series
from deepisles.case.files import CaseFiles
from deepisles.case.itk_images import to_image
from deepisles.case.reading import read_volume
from deepisles.case.source import LEAVE_OUT, CaseSource
from deepisles.case.volume import Volume as Image
from deepisles.errors import InputRefused

ZIP_SUFFIX: Final = ".zip"
KINDS: Final[dict[Role, Kind]] = {"dwi": Kind.TRACE, "adc": Kind.ADC, "flair": Kind.FLAIR}


@dataclass
class _Place:
    """A folder, zip or file of DICOM, looked through once."""

    scan: Scan
    volumes: tuple[Volume, ...]


@dataclass
class _Places:
    """The DICOM of a case.

    Parameters
    ----------
    temporary : Path
        For what zips unpack to and dcm2niix makes.
    """

    temporary: Path
    seen: dict[Path, _Place] = field(default_factory=dict)

    def look_through(self, path: Path, role: str) -> _Place:
        if path not in self.seen:
            folder = path
            if path.suffix.lower() == ZIP_SUFFIX and not path.is_dir():
                folder = self.temporary / f"unpacked{len(self.seen)}"
                unpack_zip(path, folder, role)
            scan = scan_folder(folder, role)
            self.seen[path] = _Place(scan, list_volumes(group_series(scan.frames)))
        return self.seen[path]


@dataclass(frozen=True)
class ConvertedCase:
    """Image files made of DICOM, what was made of it, and the DWI's slices where these were asked for."""

    files: CaseFiles
    record: DicomRecord
    dwi_slices: SourceSlices | None


@contextmanager
def convert_dicom(source: CaseSource, dicom: dict[Role, Path], *, keep_slices: bool = False) -> Iterator[ConvertedCase]:
    """Make image files of a case's DICOM, which are gone when the context ends.

    Parameters
    ----------
    source : CaseSource
        Where the images are; those that are no DICOM stay the files they are.
    dicom : dict
        By role, where DICOM is to be looked through. ADC may be that of the DWI.
    keep_slices : bool
        Whether to read the headers of the DWI's slices too, for a segmentation that refers to them.

    Yields
    ------
    ConvertedCase
        One image file per role, and what was made of the DICOM.

    Raises
    ------
    InputRefused
        If an image is not found, not told from another one, damaged, or not the same patient's.
    GeometryError
        If slices are missing or uneven.
    OutputError
        If the disk is full.
    """
    with tempfile.TemporaryDirectory(prefix="deepisles-dicom-") as name:
        temporary = Path(name)
        places = _Places(temporary)
        picks = _pick(source, dicom, places)
        _check_one_patient(picks)
        files: dict[Role, Path] = {role: _make_image(pick, role, temporary / role) for role, pick in picks.items()}
        record = _describe(picks, list(places.seen.values()))
        dwi, adc = files.get("dwi", source.dwi), files.get("adc", source.adc)
        if dwi is None or adc is None:
            raise ValueError("a case needs a DWI and an ADC")
        flair = files.get("flair") if "flair" in dicom else source.flair
        # a zip's files are gone when the case is written; directions share their places, so the first stands for all
        slices = read_source_slices(picks["dwi"].first.stack) if keep_slices and "dwi" in picks else None
        yield ConvertedCase(CaseFiles(dwi, adc, flair), record, slices)


def _pick(source: CaseSource, dicom: dict[Role, Path], places: _Places) -> dict[Role, Pick]:
    choice, is_study = source.series, source.study is not None
    volumes: dict[Role, Sequence[Volume]] = {}
    for role, path in dicom.items():
        found = places.look_through(path, "input" if is_study else role.upper()).volumes
        was_given = not is_study and path == {"dwi": source.dwi, "adc": source.adc, "flair": source.flair}[role]
        volumes[role] = take_only_volume(found, KINDS[role]) if was_given else found
    picks: dict[Role, Pick] = {}
    if "dwi" in volumes:
        picks["dwi"] = pick_dwi(volumes["dwi"], choice.dwi)
    dwi = picks.get("dwi")
    if "adc" in volumes:
        adc = pick_adc(volumes["adc"], choice.adc, dwi)
        if adc is None and dwi is not None:
            adc = _compute_from(volumes["dwi"], dwi)
        if adc is None:
            raise InputRefused(
                "The DICOM holds no ADC map, and none can be computed for want of a b 0 volume on the DWI's grid: give "
                "the ADC, or name its series with --adc-series."
            )
        picks["adc"] = adc
    if "flair" in volumes and (choice.flair or "").strip().lower() != LEAVE_OUT:
        flair = pick_flair(volumes["flair"], choice.flair, dwi)
        if flair is None and not is_study:
            raise InputRefused(
                "The FLAIR's DICOM holds no FLAIR: give another folder, name the series with --flair-series, or leave "
                "the FLAIR out."
            )
        if flair is not None:
            picks["flair"] = flair
    return picks


def _compute_from(volumes: Sequence[Volume], dwi: Pick) -> Pick | None:
    unweighted = pick_unweighted(volumes, dwi)
    if unweighted is None or dwi.first.finding.b_value_s_mm2 is None:
        return None
    return Pick((unweighted, *dwi.volumes), "b0-and-dwi")


def _check_one_patient(picks: dict[Role, Pick]) -> None:
    # an image without one was made anonymous, which says nothing of whose it is
    patients = {pick.first.stack.first.patient for pick in picks.values()} - {""}
    if len(patients) > 1:
        raise InputRefused(
            "The images are of different patients, their Patient IDs say: give the images of one patient."
        )


def _make_image(pick: Pick, role: Role, folder: Path) -> Path:
    name = role.upper()
    paths = [
        convert_stack(volume.stack, folder / f"{number}", name, is_quantitative=volume.finding.kind is Kind.ADC)
        for number, volume in enumerate(pick.volumes)
    ]
    if pick.how == "volume":
        return paths[0]
    images = [read_volume(path, name) for path in paths]
    if pick.how == "geometric-mean":
        computed = compute_trace([image.array for image in images])
    else:
        unweighted, *weighted = images
        signal = compute_trace([image.array for image in weighted]) if len(weighted) > 1 else weighted[0].array
        low_b, b_value = (volume.finding.b_value_s_mm2 or 0 for volume in pick.volumes[:2])
        computed = compute_adc_1e6_mm2_s(unweighted.array, signal, low_b, b_value)
    made = folder / "computed.nii"
    sitk.WriteImage(to_image(Image(computed, images[-1].grid)), made)
    return made


def _describe(picks: dict[Role, Pick], places: list[_Place]) -> DicomRecord:
    taken = {id(volume.stack) for pick in picks.values() for volume in pick.volumes}
    rest = [volume for place in places for volume in place.volumes if id(volume.stack) not in taken]
    unreadable = sum(place.scan.unreadable_files for place in places)
    return DicomRecord(
        images=tuple(_describe_image(role, pick) for role, pick in picks.items()),
        not_taken=tuple(
            OtherVolume(volume.series.number, volume.description, volume.finding.reason) for volume in rest
        ),
        other_files=sum(place.scan.other_files for place in places),
        unreadable_files=unreadable,
        converter=name_converter(),
        warnings=(*_list_warnings(picks), *([_warn_unreadable(unreadable)] if unreadable else [])),
    )


def _describe_image(role: Role, pick: Pick) -> DicomImage:
    low = pick.volumes[0].finding.b_value_s_mm2 if pick.how == "b0-and-dwi" else None
    source = pick.volumes[1] if pick.how == "b0-and-dwi" else pick.first
    return DicomImage(
        role=role,
        series_number=source.series.number,
        how=pick.how,
        reason=source.finding.reason,
        chosen_by="user" if pick.is_told else "rule",
        b_value_s_mm2=None if pick.how == "volume" and role != "dwi" else source.finding.b_value_s_mm2,
        low_b_value_s_mm2=low,
        directions=len(pick.volumes) if pick.how == "geometric-mean" else None,
    )


def _list_warnings(picks: dict[Role, Pick]) -> Iterator[str]:
    for role, pick in picks.items():
        name = role.upper()
        if pick.first.finding.reason == ONLY_VOLUME:
            yield f"The {name} was taken as given: its DICOM tags do not say what it shows."
        if pick.how == "geometric-mean":
            yield (
                f"The DICOM holds no trace image: the DWI is the geometric mean of {len(pick.volumes)} diffusion "
                "directions."
            )
        if pick.how == "b0-and-dwi":
            low, high = (volume.finding.b_value_s_mm2 or 0 for volume in pick.volumes[:2])
            yield (
                f"The DICOM holds no ADC map: it was computed from b {low:.0f} and b {high:.0f} as "
                f"ln(S{low:.0f}/S{high:.0f})/{high - low:.0f}."
            )
    dwi = picks.get("dwi")
    b_value = None if dwi is None else dwi.first.finding.b_value_s_mm2
    if b_value is not None and not USUAL_B_S_MM2[0] <= b_value <= USUAL_B_S_MM2[1]:
        yield f"The DWI is at b {b_value:.0f}; the networks know b 1000."
    if len({pick.first.stack.first.study_uid for pick in picks.values()}) > 1:
        yield "The images are of different studies of one patient."


def _warn_unreadable(count: int) -> str:
    return f"{count} DICOM file(s) are damaged or in an unreadable form, and were left out."
