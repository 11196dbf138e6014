"""Network architectures; no weights, no files."""
