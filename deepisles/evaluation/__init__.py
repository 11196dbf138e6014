"""How good a mask is, against an expert's."""
