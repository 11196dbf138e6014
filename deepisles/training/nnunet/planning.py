"""Fingerprint, plan and preprocessing, by nnU-Net's own functions; runs where its folders are in the environment."""

from __future__ import annotations

from nnunetv2.experiment_planning.plan_and_preprocess_api import extract_fingerprints, plan_experiments, preprocess

from deepisles.preparation.isotropic import ISOTROPIC_SPACING_MM
from deepisles.training.nnunet.folders import CONFIGURATION, DATASET_ID, PLANS
from deepisles.training.nnunet.orders import PlanOrder


def plan(order: PlanOrder) -> None:
    """Plan and preprocess the data set.

    The target spacing is the images' own 1 mm whatever nnU-Net would choose, so that neither training nor SEALS, when
    it segments, resamples a second time.
    """
    extract_fingerprints([DATASET_ID], num_processes=order.processes, show_progress_bar=False)
    plan_experiments([DATASET_ID], overwrite_target_spacing=ISOTROPIC_SPACING_MM)
    preprocess([DATASET_ID], PLANS, (CONFIGURATION,), (order.processes,), show_progress_bar=False)
