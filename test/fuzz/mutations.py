"""Damage to a file's bytes as hypothesis draws it."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

METAIMAGE_WORDS = [b"0", b"-1", b"1e308", b"nan", b"inf", b"LOCAL", b"LIST", b"True", b"False", b"MET_DOUBLE"]
METAIMAGE_WORDS += [b"99999999", b"2 2 2", b"\n", b" ", b"=", b":", b"\r\n", b"NDims = 3\n", b"%s%n", b"\0"]
METAIMAGE_WORDS += [b"ElementSize = 0 0 0\n", b"ElementDataFile", b"CompressedData = True\n"]

NIFTI_NUMBERS = [b"\xff" * 4, b"\0" * 4, b"\x7f\xff\xff\xff", b"\x80\x00"]
NIFTI_NUMBERS += [np.float32(value).tobytes() for value in (np.nan, np.inf, -np.inf, 1e30, 1e-30, -1.0)]

JSON_WORDS = [b"[", b"]", b"{", b"}", b'"', b",", b":", b"null", b"true", b"1e999", b"-0", b'"slug"', b'"socket"']
JSON_WORDS += [b"..", b"/", b"\\", b"\\u0000", b"\\ud800", b"\xff", b'"relative_path"', b"dwi-brain-mri"]

ZIP_WORDS = [b"PK\3\4", b"PK\1\2", b"PK\5\6", b"PK\6\6", b"PK\6\7", b"../", b"/", b"\\", b"\0", b"\xff" * 4]
ZIP_WORDS += [b"\0" * 4, b"\xff\xff", b"\1\0", b"\x08\0", b"\x0c\0", b"\x0e\0", b"\x00\xa0", b"\x01\x00\x10\x00"]


def mutate(content: bytes, header_bytes: int, changes) -> bytes:
    """Change bytes; places are shares of the header, of a cut those of the whole."""
    stored = bytearray(content)
    for kind, place, piece in changes:
        position = int(place * header_bytes)
        if kind == "overwrite":
            stored[position : position + len(piece)] = piece
        elif kind == "insert":
            stored[position:position] = piece
        elif kind == "delete":
            del stored[position : position + 1 + len(piece)]
        elif kind == "cut":
            del stored[int(place * len(stored)) :]
        else:
            stored += piece
    return bytes(stored)


def changes(pieces):
    """Draw one to four changes for `mutate`."""
    kinds = st.sampled_from(["overwrite", "overwrite", "insert", "delete", "cut", "append"])
    piece = st.one_of(st.sampled_from(pieces), st.binary(min_size=1, max_size=4))
    place = st.floats(0, 1, exclude_max=True)
    return st.lists(st.tuples(kinds, place, piece), min_size=1, max_size=4)
