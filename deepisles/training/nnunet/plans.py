"""What nnU-Net v2's plans say, as SEALS' settings and the description of its network.

SEALS runs networks by nnU-Net v1's rules (`deepisles.members.seals`). With 1 mm images and plans of 1 mm, v2's
preprocessing is the same: crop to the non-zero box, hole-filled mask, z-score over it. (v2 divides by the larger of
deviation and 1e-8 where v1 adds the two.) Windows, mirrors and blending are the same too, but not what is averaged over
them: v2 averages logits, in 16 bits, and takes the softmax last; v1, and so SEALS, averages softmax. Around either
average the two agree within 2e-3. With a network of 160 steps on phantoms, SEALS' own answer differed from that of v2's
predictor by more than that in 4 % of the brain, and in 13 voxels of a mask of 849.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from deepisles.errors import WeightsError
from deepisles.members.networks.specs import PlainConvUNetSpec
from deepisles.members.settings import SealsSettings
from deepisles.preparation.isotropic import ISOTROPIC_SPACING_MM
from deepisles.training.nnunet.folders import CHANNEL_NAMES, CONFIGURATION, LABELS
from deepisles.weights.importers.conversion import Triple, as_float, as_int, as_ints, as_list, as_mapping, as_triple

NETWORK = "PlainConvUNet"
NORMALISATION = "ZScoreNormalization"
PREPROCESSOR = "DefaultPreprocessor"
LAYERS = {
    "conv_op": "torch.nn.modules.conv.Conv3d",
    "conv_bias": True,
    "norm_op": "torch.nn.modules.instancenorm.InstanceNorm3d",
    "norm_op_kwargs": {"eps": 1e-5, "affine": True},
    "dropout_op": None,
    "nonlin": "torch.nn.LeakyReLU",
    "nonlin_kwargs": {"inplace": True},
}
"""What `build_plain_conv_unet` makes its stages of; nnU-Net's default planner plans nothing else."""
SPACING_TOLERANCE_MM = 1e-6


@dataclass(frozen=True)
class Plans:
    """A configuration of nnU-Net v2 that SEALS can run.

    Parameters
    ----------
    settings : SealsSettings
        Patch, axis order, normalisation, mirroring.
    spec : PlainConvUNetSpec
        The network.
    batch_size : int
        Crops per step in training.
    """

    settings: SealsSettings
    spec: PlainConvUNetSpec
    batch_size: int


def read_plans(plans: object, data_set: object, mirror_axes: tuple[int, ...], label: str) -> Plans:
    """Read plans.json and dataset.json.

    Parameters
    ----------
    plans, data_set : object
        What the two files hold.
    mirror_axes : tuple of int
        Axes that may be mirrored when predicting, which nnU-Net keeps with the network.
    label : str
        What to call them in an error.

    Raises
    ------
    WeightsError
        If they ask for what SEALS does not do: other images or labels, another spacing, normalisation or network.
    """
    plans = as_mapping(plans, f"The plans of {label}")
    _check_data_set(as_mapping(data_set, f"The dataset.json of {label}"), label)
    configurations = as_mapping(plans.get("configurations"), f"configurations of {label}")
    configuration = as_mapping(configurations.get(CONFIGURATION), f"The configuration {CONFIGURATION} of {label}")
    if configuration.get("preprocessor_name") != PREPROCESSOR or configuration.get("previous_stage") is not None:
        raise WeightsError(f"{label} is planned with a preprocessor or a cascade that SEALS does not have.")
    settings = SealsSettings(
        patch_size=as_triple(configuration.get("patch_size"), f"patch_size of {label}"),
        spacing_mm=_read_spacing(configuration.get("spacing"), label),
        transpose=_read_transpose(plans, label),
        mask_normalisation=_read_mask_normalisation(configuration, label),
        mirror_axes=mirror_axes,
    )
    batch_size = as_int(configuration.get("batch_size"), f"batch_size of {label}")
    return Plans(settings, _read_network(configuration, label), batch_size)


def _check_data_set(data_set: Mapping[object, object], label: str) -> None:
    if data_set.get("labels") != LABELS or data_set.get("channel_names") != CHANNEL_NAMES:
        raise WeightsError(f"{label} is not trained on DWI and ADC with the labels background and lesion, as SEALS is.")


def _read_spacing(value: object, label: str) -> tuple[float, float, float]:
    spacing = [as_float(item, f"spacing of {label}") for item in as_list(value, f"spacing of {label}")]
    if len(spacing) != 3 or max(abs(mm - 1.0) for mm in spacing) > SPACING_TOLERANCE_MM:
        raise WeightsError(
            f"{label} is planned for a spacing other than 1 mm, where nnU-Net v2 normalises before it resamples and "
            f"SEALS after: plan again with 1 mm."
        )
    return ISOTROPIC_SPACING_MM


def _read_transpose(plans: Mapping[object, object], label: str) -> Triple:
    forward = as_triple(plans.get("transpose_forward"), f"transpose_forward of {label}")
    backward = as_triple(plans.get("transpose_backward"), f"transpose_backward of {label}")
    if sorted(forward) != [0, 1, 2] or any(backward[axis] != place for place, axis in enumerate(forward)):
        raise WeightsError(f"The axis orders of {label} do not undo each other: plan again.")
    return forward


def _read_mask_normalisation(configuration: Mapping[object, object], label: str) -> tuple[bool, ...]:
    schemes = as_list(configuration.get("normalization_schemes"), f"normalization_schemes of {label}")
    flags = as_list(configuration.get("use_mask_for_norm"), f"use_mask_for_norm of {label}")
    channels = len(CHANNEL_NAMES)
    if schemes != [NORMALISATION] * channels or len(flags) != channels or not all(type(flag) is bool for flag in flags):
        raise WeightsError(
            f"{label} normalises its images in a way that SEALS does not: only {NORMALISATION} is known."
        )
    return tuple(flag is True for flag in flags)


def _read_network(configuration: Mapping[object, object], label: str) -> PlainConvUNetSpec:
    architecture = as_mapping(configuration.get("architecture"), f"architecture of {label}")
    name = str(architecture.get("network_class_name")).rpartition(".")[2]
    if name != NETWORK:
        raise WeightsError(f"{label} has a network of the kind {name:.60}, where SEALS has nnU-Net's {NETWORK}.")
    described = as_mapping(architecture.get("arch_kwargs"), f"arch_kwargs of {label}")
    unlike = [key for key, value in LAYERS.items() if described.get(key) != value]
    if unlike:
        raise WeightsError(f"The network of {label} has layers that SEALS' do not have ({unlike[0]}).")
    stages = as_int(described.get("n_stages"), f"n_stages of {label}")
    kernels = _read_triples(described.get("kernel_sizes"), f"kernel_sizes of {label}")
    return PlainConvUNetSpec(
        in_channels=len(CHANNEL_NAMES),
        out_channels=len(LABELS),
        features=_read_counts(described.get("features_per_stage"), stages, f"features_per_stage of {label}"),
        strides=_read_triples(described.get("strides"), f"strides of {label}"),
        encoder_kernel_sizes=kernels,
        # in v2 a decoder stage has the kernel of the encoder stage beside it; deepest first
        decoder_kernel_sizes=tuple(reversed(kernels[:-1])),
        encoder_convolutions=_read_counts(described.get("n_conv_per_stage"), stages, f"n_conv_per_stage of {label}"),
        decoder_convolutions=_read_counts(
            described.get("n_conv_per_stage_decoder"), stages - 1, f"n_conv_per_stage_decoder of {label}"
        ),
    )


def _read_triples(value: object, what: str) -> tuple[Triple, ...]:
    return tuple(as_triple(item, what) for item in as_list(value, what))


def _read_counts(value: object, stages: int, what: str) -> tuple[int, ...]:
    """Read a number per stage, or one for all."""
    return (value,) * stages if isinstance(value, int) else as_ints(value, what)
