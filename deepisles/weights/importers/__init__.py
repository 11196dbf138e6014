"""One importer for each published format: checkpoint bytes in, a description and tensors out."""
