"""Weights: bundles as the run time reads them, and the import of the published checkpoints."""
