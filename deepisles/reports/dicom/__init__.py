"""DICOM output: a segmentation of the lesions, their measurements, and where there is none the images they lie on."""
