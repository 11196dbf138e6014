"""gzip data read in small pieces by zlib itself.

Python's gzip module goes through names in a member's header and through empty members in Python, a byte or a member at
a time; a file that is made for it takes it hours.
"""

from __future__ import annotations

import io
import zlib
from typing import TYPE_CHECKING, BinaryIO, Final

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

MAX_MEMBERS: Final = 1 << 17
"""bgzip, which makes the smallest members in use, packs 64 KiB into each: twice the largest image that is accepted."""
PACKED_PIECE_BYTES: Final = 1 << 14
"""Small, because what follows a member is copied once for every member that it holds."""

_GZIP_WINDOW: Final = 16 + zlib.MAX_WBITS


class GzipStream(io.RawIOBase):
    """The unpacked bytes of a gzip file of one member or several, checksums verified.

    Parameters
    ----------
    packed : BinaryIO
        The file, at its beginning; it is not closed with this stream.

    Raises
    ------
    zlib.error
        While reading, if the data are damaged, of too many members, or followed by anything but zeros.
    EOFError
        While reading, if the data end within a member.
    """

    def __init__(self, packed: BinaryIO) -> None:
        self._packed = packed
        self._unpacker = zlib.decompressobj(_GZIP_WINDOW)
        self._members = 1
        self._left = b""

    def readable(self) -> bool:
        """Whether this stream can be read: yes."""
        return True

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        """Unpack the next piece, at most as long as the buffer; 0 is the end."""
        room = memoryview(buffer).cast("B")
        while True:
            if self._unpacker.eof and not self._start_member():
                return 0
            packed = self._left or self._packed.read(PACKED_PIECE_BYTES)
            unpacked = self._unpacker.decompress(packed, len(room))
            self._left = self._unpacker.unconsumed_tail or self._unpacker.unused_data
            if unpacked:
                room[: len(unpacked)] = unpacked
                return len(unpacked)
            if not packed and not self._unpacker.eof:
                raise EOFError("the file ends within its gzip data")

    def _start_member(self) -> bool:
        """Go to the next member, past zeros that fill up blocks; False if there is none."""
        padded = self._left or self._packed.read(PACKED_PIECE_BYTES)
        while padded and not padded.strip(b"\0"):
            padded = self._packed.read(PACKED_PIECE_BYTES)
        self._left = padded.lstrip(b"\0")
        if not self._left:
            return False
        self._members += 1
        if self._members > MAX_MEMBERS:
            raise zlib.error("too many members")
        self._unpacker = zlib.decompressobj(_GZIP_WINDOW)
        return True
