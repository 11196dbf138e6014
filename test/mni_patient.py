"""A made-up patient whose place in MNI152 space is known."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk
from scipy.spatial.transform import Rotation

from deepisles.case.itk_images import to_image, to_volume
from deepisles.case.mni_template import load_mni_template

INSULA_MM = np.array([40.0, 0.0, 10.0, 1.0])
"""In MNI152 space, LPS: on the left."""
STRETCH = np.diag([0.92, 0.95, 0.88, 1.0])


def make_patient(order=(0, 1, 2), flips=(False, False, False)):
    """Make a patient of the template: a smaller brain, in an oblique scanner, in some storage order.

    The contrast is turned round: what is dark on T1 is bright.

    Returns
    -------
    Volume
        float32 at 3 mm.
    numpy.ndarray
        4 x 4, from MNI152 to the patient's LPS millimetres.
    """
    turn = np.eye(4)
    turn[:3, :3] = Rotation.from_euler("xyz", (15, -10, 20), degrees=True).as_matrix()
    turn[:3, 3] = (20, -40, 60)
    from_mni = turn @ STRETCH
    template = load_mni_template()
    inverse = sitk.AffineTransform(3)
    matrix = np.linalg.inv(from_mni)
    inverse.SetMatrix([float(v) for v in matrix[:3, :3].ravel()])
    inverse.SetTranslation([float(v) for v in matrix[:3, 3]])
    grid = sitk.Image([62, 74, 60], sitk.sitkUInt8)
    direction = turn[:3, :3] @ np.diag([-1, -1, 1])
    grid.SetSpacing((3, 3, 3))
    grid.SetDirection([float(v) for v in direction.ravel()])
    center = (from_mni @ [0, 18, 10, 1])[:3]
    grid.SetOrigin([float(v) for v in center - direction @ (np.array(grid.GetSize()) * 1.5)])
    image = sitk.Resample(to_image(template), grid, inverse, sitk.sitkLinear, 0.0, sitk.sitkFloat32)
    volume = to_volume(sitk.Flip(sitk.PermuteAxes(image, order), flips, False))
    values = np.where(volume.array > 20, 300 - volume.array, 0)
    return volume.with_array(values.astype(np.float32)), from_mni
