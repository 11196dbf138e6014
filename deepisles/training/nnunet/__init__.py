"""SEALS at full size: nnU-Net v2's own planning and training, and from its result to a bundle's networks."""
