"""Folders like /input on grand-challenge.org."""

from __future__ import annotations

import json
import uuid
from pathlib import Path

from image_files import make_array, write_image
from threshold_bundle import make_bright_case

from deepisles.case.volume import Volume
from deepisles.reports.images import write_volume

PATIENT = "DOE^JOHN_1950"
MODALITIES = ("dwi", "adc", "flair")


def describe_input(slug, relative_path=None, keys=("socket", "interface"), **more):
    """Make one element of inputs.json, as full of other things as the platform's."""
    is_image = relative_path is None or relative_path.startswith("images/")
    socket = {
        "pk": 11,
        "title": slug.replace("-", " "),
        "slug": slug,
        "description": "",
        "kind": "Image" if is_image else "Anything",
        "super_kind": "Image" if is_image else "Value",
        "relative_path": relative_path or f"images/{slug}",
        "default_value": None,
        "overlay_segments": [],
        "look_up_table": None,
    }
    image = {"pk": str(uuid.uuid4()), "name": f"{PATIENT}.nii.gz"} if is_image else None
    return {"pk": 901, **dict.fromkeys(keys, socket), "image": image, "file": None, "value": None, **more}


def write_inputs_json(folder: Path, elements) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "inputs.json").write_text(json.dumps(elements), encoding="utf-8")


def write_socket_images(folder: Path, modalities=MODALITIES) -> dict[str, Path]:
    """Write small random images under unforeseeable names, without inputs.json."""
    return {
        modality: write_image(
            folder / "images" / f"{modality}-brain-mri" / f"{uuid.uuid4()}.mha", make_array(seed=len(modality) + number)
        )
        for number, modality in enumerate(modalities)
    }


def write_bright_tree(folder: Path, modalities=MODALITIES) -> tuple[dict[str, Volume], dict[str, Path]]:
    """Write the case that the threshold bundle segments, as the platform lays it out."""
    images = {name: volume for name, volume in make_bright_case()[0].items() if name in modalities}
    paths = {name: folder / "images" / f"{name}-brain-mri" / f"{uuid.uuid4()}.mha" for name in images}
    for name, volume in images.items():
        write_volume(paths[name], volume.array, volume.grid)
    write_inputs_json(folder, [describe_input(f"{name}-brain-mri") for name in images])
    return images, paths
