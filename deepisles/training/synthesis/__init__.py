"""Synthetic strokes: brains, lesions and what fools a network, as DWI, ADC and FLAIR (after Federau et al. 2020)."""
