"""Import of the published weights: checkpoints in, a bundle out."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable
from pathlib import Path

from deepisles.members.settings import NvautoSettings
from deepisles.weights.importers import nvauto, seals, swan
from deepisles.weights.importers.conversion import ConvertedNetwork
from deepisles.weights.manifest import (
    Manifest,
    MemberEntries,
    NetworkEntry,
    NvautoEntry,
    SealsEntry,
    SwanEntry,
)
from deepisles.weights.published import PublishedTree, SealsFiles, SourceFile, SwanCheckpoint, find_published_tree
from deepisles.weights.torchscript import count_archived_numbers
from deepisles.weights.writing import BundleWriter, write_bundle

SOURCE = "a folder in the formats of the published DeepISLES weights (SEALS, NVAUTO, FACTORIZER)"
CARD = """# {name}

A weights bundle that `deepisles weights import` made from a folder of DeepISLES weights in their published formats
(de la Rosa et al., Nature Communications 2025). It holds: {members}.

Nothing was trained or changed: the numbers are those of the original files, whose paths and SHA-256 digests stand in
`bundle.json` beside each network. Whether those files are the published ones, only their digests can tell. Their
licence is that of the original weights.

Research software. Not a medical device; not for diagnosis or for decisions about treatment.
"""

_LOGGER = logging.getLogger(__name__)


def import_published(
    source: Path, destination: Path, name: str, card: str | None = None, replace: bool = True
) -> Manifest:
    """Turn a published tree, or as many members as it has, into a bundle.

    The same files give the same bundle, byte for byte.

    Parameters
    ----------
    source : Path
        The folder with SEALS/, NVAUTO/, FACTORIZER/, or one that has such a folder directly inside.
    destination : Path
        Folder for the bundle; new, empty, or an older bundle.
    name : str
        Name of the bundle.
    card : str, optional
        Its model card; by default one that says where it came from.
    replace : bool
        Whether an older bundle is replaced, or stays and the new one is dropped.

    Returns
    -------
    Manifest
        What bundle.json holds.

    Raises
    ------
    WeightsError
        If the tree is incomplete, damaged or of another kind, or the destination holds something else.
    OutputError
        If the bundle cannot be written.
    """
    tree = find_published_tree(source)
    with write_bundle(destination, replace) as writer:
        members = MemberEntries(
            seals=_import_seals(tree.seals, writer) if tree.seals else None,
            nvauto=_import_nvauto(tree, writer) if tree.nvauto else None,
            swan=_import_swan(tree.swan, writer) if tree.swan else None,
        )
        manifest = Manifest(name=name, source=SOURCE, members=members)
        counts = ", ".join(f"{member.upper()} ({len(entry.networks)} networks)" for member, entry in members.items())
        writer.finish(manifest, card or CARD.format(name=name, members=counts))
    return manifest


def _import_seals(files: SealsFiles, writer: BundleWriter) -> SealsEntry:
    seals.check_common_plans(files.plans.read(), files.plans.name)
    plans = [seals.read_fold_plans(fold.plans.read(), fold.plans.name) for fold in files.folds]
    settings = seals.agree_on_settings(plans)
    networks = []
    for number, (fold, fold_plans) in enumerate(zip(files.folds, plans, strict=True)):
        convert = _with_plans(fold_plans)
        networks.append(_import_network(fold.checkpoint, f"seals/fold{number}", convert, writer))
    return SealsEntry(settings=settings, networks=tuple(networks))


def _with_plans(plans: seals.FoldPlans) -> Callable[[bytes, str], ConvertedNetwork]:
    return lambda data, label: seals.convert_fold(data, plans, label)


def _import_nvauto(tree: PublishedTree, writer: BundleWriter) -> NvautoEntry:
    networks = [
        _import_network(file, f"nvauto/model{number:02d}", nvauto.convert_model, writer)
        for number, file in enumerate(tree.nvauto)
    ]
    return NvautoEntry(settings=NvautoSettings(), networks=tuple(networks))


def _import_swan(checkpoints: tuple[SwanCheckpoint, ...], writer: BundleWriter) -> SwanEntry:
    networks = [
        _import_network(
            checkpoint.file, f"swan/{checkpoint.kind}_fold{checkpoint.fold}", swan.convert_checkpoint, writer
        )
        for checkpoint in checkpoints
    ]
    settings = swan.agree_on_settings(entry.architecture for entry in networks)
    return SwanEntry(settings=settings, networks=tuple(networks))


def _import_network(
    file: SourceFile, name: str, convert: Callable[[bytes, str], ConvertedNetwork], writer: BundleWriter
) -> NetworkEntry:
    _LOGGER.info("importing %s", file.name)
    data = file.read()
    digest = hashlib.sha256(data).hexdigest()
    network = convert(data, file.name)
    if network.archive is not None:
        parameters = count_archived_numbers(network.archive, file.name)
        return writer.add_archive(name, network.spec, network.archive, parameters, file.name, digest)
    return writer.add_network(name, network.spec, network.tensors, file.name, digest)
