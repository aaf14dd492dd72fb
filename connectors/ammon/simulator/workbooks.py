"""Workbooks as schools have them: legacy XLS (BIFF8 in a compound file) and XLSX, from rows of text. Pure.

Written from the published formats, so that what reads them elsewhere is tried on more than its own writing.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterable, Sequence

Rows = Iterable[Sequence[str]]

_SECTOR = 512
_SMALLEST = 4096
"""Smaller streams would lie in the mini stream."""
_END, _FAT, _FREE = 0xFFFFFFFE, 0xFFFFFFFD, 0xFFFFFFFF
_MOST_FATS = 109


def xls(rows: Rows, sheet: str = "Feuille1") -> bytes:
    """A BIFF8 workbook of one sheet, all its cells text. Raises ValueError above about 7 MB."""
    stream = _workbook(list(rows), sheet)
    return _compound(stream.ljust(_SMALLEST, b"\x00"))


def xlsx(rows: Rows, sheet: str = "Feuille1") -> bytes:
    """An XLSX workbook of one sheet, all its cells text."""
    import openpyxl
    from openpyxl.cell import WriteOnlyCell

    book = openpyxl.Workbook(write_only=True)
    page = book.create_sheet(sheet)
    for row in rows:
        cells = []
        for text in row:
            # Control characters have no place in XML; a leading = would become a formula.
            cell = WriteOnlyCell(page, value="".join(c for c in text if c >= " " or c in "\t\n"))
            cell.data_type = "s"
            cells.append(cell)
        page.append(cells)
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def _record(number: int, body: bytes) -> bytes:
    return struct.pack("<HH", number, len(body)) + body


def _workbook(rows: list[Sequence[str]], sheet: str) -> bytes:
    name = sheet.encode("utf-16-le")
    opening = _record(0x0809, struct.pack("<HHHHII", 0x0600, 0x0005, 0x0DBB, 0x07CC, 0, 6))
    pages = _record(0x0042, struct.pack("<H", 1200))
    closing = _record(0x000A, b"")
    bound = 4 + 4 + 2 + 1 + 1 + len(name)
    start = len(opening) + len(pages) + bound + len(closing)
    bound_sheet = _record(0x0085, struct.pack("<IHBB", start, 0, len(sheet), 1) + name)
    width = max((len(row) for row in rows), default=0)
    page = [
        _record(0x0809, struct.pack("<HHHHII", 0x0600, 0x0010, 0x0DBB, 0x07CC, 0, 6)),
        _record(0x0200, struct.pack("<IIHHH", 0, len(rows), 0, width, 0)),
    ]
    for y, row in enumerate(rows):
        for x, text in enumerate(row):
            if text:
                coded = text.encode("utf-16-le")
                head = struct.pack("<HHHHB", y, x, 0, len(coded) // 2, 1)
                page.append(_record(0x0204, head + coded))
    return b"".join([opening, pages, bound_sheet, closing, *page, closing])


def _compound(stream: bytes) -> bytes:
    """A compound file that holds one stream: its sectors, the directory's, the allocation table's."""
    count = -(-len(stream) // _SECTOR)
    fats = 1
    while fats * (_SECTOR // 4) < count + 1 + fats:
        fats += 1
    if fats > _MOST_FATS:
        raise ValueError("too large for an XLS of this kind")
    chain = [*range(1, count), _END, _END, *[_FAT] * fats]
    chain += [_FREE] * (fats * (_SECTOR // 4) - len(chain))
    header = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(16)
    header += struct.pack("<HHHHH6x", 0x3E, 3, 0xFFFE, 9, 6)
    header += struct.pack("<IIIIIIIII", 0, fats, count, 0, _SMALLEST, _END, 0, _END, 0)
    places = [*range(count + 1, count + 1 + fats), *[_FREE] * (_MOST_FATS - fats)]
    header += struct.pack(f"<{_MOST_FATS}I", *places)
    directory = _entry("Root Entry", 5, _FREE, 1, _END, 0) + _entry("Workbook", 2, _FREE, _FREE, 0, len(stream))
    directory += _entry("", 0, _FREE, _FREE, 0, 0) * 2
    table = struct.pack(f"<{len(chain)}I", *chain)
    return header + stream.ljust(count * _SECTOR, b"\x00") + directory + table


def _entry(name: str, kind: int, sibling: int, child: int, start: int, size: int) -> bytes:
    coded = name.encode("utf-16-le") + b"\x00\x00" if name else b""
    return struct.pack(
        "<64sHBBIII16xI8x8xIQ", coded, len(coded), kind, 1, sibling, _FREE, child, 0, start, size
    )
