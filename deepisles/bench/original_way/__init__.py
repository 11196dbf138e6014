"""The original's way of working, as a baseline to be measured beside this project's.

Written from what the original does, not from its code: a process of its own per SEALS fold, for NVAUTO and for SWAN,
each of which loads its networks anew for every case; plain PyTorch networks, one at a time, batches as it has them;
every step that it repeats is repeated. What a step computes is this project's own code, so that the masks agree.
"""
