"""Texts that need no closer look: every line is one record of as many fields as the header has.

Most files are such from beginning to end, and this is all that is paid for knowing it: a few passes of NumPy over
pieces that stay in the processor's cache.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from headrace.data.csv_records import NEWLINE, QUOTE, RETURN

if TYPE_CHECKING:
    from numpy.typing import NDArray

CACHED_BYTES = 256 << 10
DECODED_BYTES = 1 << 20


def count_plain_lines(text: bytes, separator: int, width: int) -> int | None:
    """How many lines there are, where all of them are plain; None where one may not be.

    Plain lines are UTF-8, not blank, have `width` fields, end with LF or all with CRLF, hold no other CR, no quote that
    is stray, and no line ending inside quotes.

    Args:
        text: whole lines.
        separator: the byte between fields.
        width: how many fields the header has.
    """
    if not text.endswith(b"\n"):
        return None
    if width == 1 and (text.startswith((b"\n", b"\r")) or b"\n\n" in text or b"\n\r" in text):
        return None  # of several fields, a blank line lacks some, and is found below
    if b"\r" in text and not text.count(b"\r") == text.count(b"\r\n") == text.count(b"\n"):
        return None
    if not is_utf8(text):
        return None
    data = np.frombuffer(text, np.uint8)
    return _even_quoted(data, separator, width) if b'"' in text else _even(data, separator, width)


def _even(data: NDArray[np.uint8], separator: int, width: int) -> int | None:
    """Number of lines, where every `width`-th separator or line ending is a line ending and no other one is."""
    lines = seen = 0
    for begin in range(0, len(data), CACHED_BYTES):
        block = data[begin : begin + CACHED_BYTES]
        breaks = block == NEWLINE
        places = np.flatnonzero(breaks | (block == separator))
        ending = block[places[(width - 1 - seen) % width :: width]]
        if len(ending) != np.count_nonzero(breaks) or not (ending == NEWLINE).all():
            return None
        lines += len(ending)
        seen += len(places)
    return lines


def _even_quoted(data: NDArray[np.uint8], separator: int, width: int) -> int | None:
    """The same, not counting separators between quotes; None also where a quote is stray or a line ending is quoted."""
    lines = seen = opened = 0
    for begin in range(0, len(data), CACHED_BYTES):
        block = data[begin : begin + CACHED_BYTES]
        places = np.flatnonzero((block == NEWLINE) | (block == separator) | (block == QUOTE))
        kinds = block[places]
        is_quote = kinds == QUOTE
        # 1 behind an odd number of quotes
        inside = np.bitwise_xor.accumulate(is_quote.view(np.uint8)) ^ np.uint8(opened)
        outside = kinds[(inside | is_quote.view(np.uint8)) == 0]
        ending = outside[(width - 1 - seen) % width :: width]
        if len(ending) != np.count_nonzero(kinds == NEWLINE) or not (ending == NEWLINE).all():
            return None
        if not _paired(data, places[is_quote] + begin, opened, separator):
            return None
        lines += len(ending)
        seen += len(outside)
        opened = int(inside[-1]) if len(inside) else opened
    return lines if not opened else None


def _paired(data: NDArray[np.uint8], quotes: NDArray[np.int64], opened: int, separator: int) -> bool:
    """Whether opening quotes follow and closing ones precede the border of a field, or the other half of a doubled one.

    Args:
        data: the text; it ends with a line ending.
        quotes: positions of consecutive quotes.
        opened: 1 where the first of them closes.
        separator: the byte between fields.
    """
    opening, closing = quotes[opened::2], quotes[1 - opened :: 2]
    before = data[opening - 1]  # before the text's first byte stands its last, a line ending
    after = data[closing + 1]
    begins = (before == separator) | (before == NEWLINE) | (before == QUOTE)
    ends = (after == separator) | (after == NEWLINE) | (after == RETURN) | (after == QUOTE)
    return bool(begins.all() and ends.all())


def is_utf8(text: bytes) -> bool:
    """Whether the bytes are UTF-8; a piece at a time, because decoded text may take four times the memory."""
    if text.isascii():
        return True
    import codecs

    decoder = codecs.getincrementaldecoder("utf-8")()
    view = memoryview(text)
    try:
        for begin in range(0, len(text), DECODED_BYTES):
            decoder.decode(view[begin : begin + DECODED_BYTES], begin + DECODED_BYTES >= len(text))
    except UnicodeDecodeError:
        return False
    return True
