"""Files as tables of text: CSV, XLSX and legacy XLS, told apart by what they are, not by what they are called.

Everything here expects the worst: files cut short while they are written, other encodings, bombs. A table
that is read was there whole; anything else is `Unreadable`, and says why. Pure.
"""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from hashlib import sha256
from typing import Any, Literal

LARGEST = 64 * 1024 * 1024
"""Bytes of a file, packed."""
LARGEST_UNPACKED = 512 * 1024 * 1024
"""Bytes of a workbook, unpacked."""
MOST_ROWS = 300_000
MOST_COLUMNS = 1_000
LONGEST_CELL = 32_767
"""Characters; what a spreadsheet holds at most."""

_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_DAY_ONE = datetime(1900, 1, 1)  # noqa: DTZ001 only its time of day is used
_BOUNDARIES = (";", "\t", ",", "|")

Trouble = Literal["unreadable", "half_written"]


class Unreadable(ValueError):
    """A file that is no table, or none yet. `trouble`: half_written where another reading may well succeed."""

    def __init__(self, why: str, trouble: Trouble = "unreadable") -> None:
        super().__init__(why)
        self.trouble: Trouble = trouble


@dataclass(frozen=True)
class Table:
    """A heading row and the rows under it, each as wide as the headings; empty rows are left out.

    `lines` are the rows' numbers in the file, the heading's being 1 where nothing stands above it."""

    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    lines: tuple[int, ...]
    format: Literal["csv", "xlsx", "xls"]
    digest: str


def read(content: bytes, worksheet: str = "") -> Table:
    """The table in a file; `worksheet` by name, the first where it is empty. Raises Unreadable."""
    if len(content) > LARGEST:
        raise Unreadable(f"{len(content) // 1024 // 1024} MB, more than {LARGEST // 1024 // 1024}")
    if not content.strip():
        raise Unreadable("empty", "half_written")
    digest = sha256(content).hexdigest()
    if content.startswith(b"PK"):
        return _table(_of_xlsx(content, worksheet), "xlsx", digest)
    if content.startswith((_OLE, b"\x09\x08", b"\x09\x04", b"\x09\x02", b"\x09\x00")):
        return _table(_of_xls(content, worksheet), "xls", digest)
    if content.lstrip()[:200].lower().startswith((b"<!doctype", b"<html", b"<?xml")):
        raise Unreadable("a web page or XML, not a table")
    return _table(_of_csv(content), "csv", digest, strict=True)


def _table(
    numbered: Iterable[tuple[int, list[str]]],
    format: Literal["csv", "xlsx", "xls"],
    digest: str,
    strict: bool = False,
) -> Table:
    headings: tuple[str, ...] = ()
    rows: list[tuple[str, ...]] = []
    lines: list[int] = []
    short = 0
    for number, cells in numbered:
        if not any(cell.strip() for cell in cells):
            continue
        if not headings:
            while cells and not cells[-1].strip():
                cells.pop()
            headings = tuple(" ".join(cell.split()) for cell in cells)
            continue
        if any(cell.strip() for cell in cells[len(headings) :]):
            raise Unreadable(f"line {number} has {len(cells)} cells under {len(headings)} headings")
        if short:
            raise Unreadable(f"line {short} has too few cells")
        if strict and len(cells) < len(headings):
            short = number
        if len(rows) >= MOST_ROWS:
            raise Unreadable(f"more than {MOST_ROWS} rows")
        if any(len(cell) > LONGEST_CELL for cell in cells):
            raise Unreadable(f"line {number} has a cell of more than {LONGEST_CELL} characters")
        cells = cells[: len(headings)]
        rows.append((*cells, *[""] * (len(headings) - len(cells))))
        lines.append(number)
    if short:
        raise Unreadable(f"it ends within line {short}", "half_written")
    if not headings:
        raise Unreadable("no heading row", "half_written")
    return Table(headings, tuple(rows), tuple(lines), format, digest)


# CSV


def _of_csv(content: bytes) -> Iterator[tuple[int, list[str]]]:
    text = _text(content)
    if text.count('"') % 2:
        raise Unreadable("it ends within a quoted cell", "half_written")
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=_boundary(text), strict=True)
    try:
        for row in reader:
            if len(row) > MOST_COLUMNS:
                raise Unreadable(f"more than {MOST_COLUMNS} columns")
            yield reader.line_num, row
    except csv.Error as error:
        raise Unreadable(f"line {reader.line_num}: {error}") from None


def _text(content: bytes) -> str:
    """The text of a file: by its mark, else UTF-8, else as Windows wrote it in Western Europe."""
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        encodings: tuple[str, ...] = ("utf-16",)
    else:
        encodings = ("utf-8-sig", "cp1252")
    for encoding in encodings:
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\x00" in text:
            raise Unreadable("binary data, not text")
        return text
    if encodings == ("utf-16",):
        raise Unreadable("it ends within a character", "half_written")
    raise Unreadable("neither UTF-8 nor Windows-1252")


def _boundary(text: str) -> str:
    """What stands between cells, from the heading line: what is most there, outside quotes."""
    first = next((line for line in text.splitlines() if line.strip()), "")
    bare = "".join(first.split('"')[::2])
    return max(_BOUNDARIES, key=lambda mark: (bare.count(mark), -_BOUNDARIES.index(mark)))


# Workbooks


def _of_xlsx(content: bytes, worksheet: str) -> Iterator[tuple[int, list[str]]]:
    try:
        import openpyxl
    except ImportError:
        raise Unreadable("XLSX needs the extra: pip install rollcall[files]") from None
    try:
        packed = zipfile.ZipFile(io.BytesIO(content)).infolist()
    except (zipfile.BadZipFile, OSError, ValueError):
        # The directory of a ZIP file stands at its end.
        raise Unreadable("its end is missing", "half_written") from None
    if (unpacked := sum(part.file_size for part in packed)) > LARGEST_UNPACKED:
        raise Unreadable(f"{unpacked // 1024 // 1024} MB once unpacked")
    try:
        book = openpyxl.load_workbook(io.BytesIO(content), read_only=True, data_only=True)
        if worksheet and worksheet not in book.sheetnames:
            raise Unreadable(f"no worksheet {worksheet}; there are {', '.join(book.sheetnames)}")
        page = book[worksheet] if worksheet else book.worksheets[0]
        page.reset_dimensions()
        for number, row in enumerate(page.iter_rows(values_only=True), 1):
            if len(row) > MOST_COLUMNS:
                raise Unreadable(f"more than {MOST_COLUMNS} columns")
            yield number, [_written(value) for value in row]
    except Unreadable:
        raise
    except Exception as error:  # openpyxl raises whatever its parsers do
        raise Unreadable(f"no workbook ({type(error).__name__})") from None


def _of_xls(content: bytes, worksheet: str) -> Iterator[tuple[int, list[str]]]:
    try:
        import xlrd
    except ImportError:
        raise Unreadable("XLS needs the extra: pip install rollcall[files]") from None
    try:
        book = xlrd.open_workbook(file_contents=content, logfile=io.StringIO(), on_demand=True)
        if worksheet and worksheet not in book.sheet_names():
            raise Unreadable(f"no worksheet {worksheet}; there are {', '.join(book.sheet_names())}")
        page = book.sheet_by_name(worksheet) if worksheet else book.sheet_by_index(0)
        if page.ncols > MOST_COLUMNS:
            raise Unreadable(f"more than {MOST_COLUMNS} columns")
        for number in range(page.nrows):
            yield number + 1, [_xls_cell(cell, book.datemode) for cell in page.row(number)]
    except Unreadable:
        raise
    except Exception as error:  # xlrd raises whatever its parsers do
        raise Unreadable(f"no workbook, or a cut one ({type(error).__name__})", "half_written") from None


def _xls_cell(cell: Any, datemode: int) -> str:
    import xlrd

    if cell.ctype == xlrd.XL_CELL_DATE:
        if cell.value < 1:
            return _written((_DAY_ONE + timedelta(days=cell.value)).time())
        return _written(xlrd.xldate.xldate_as_datetime(cell.value, datemode))
    if cell.ctype == xlrd.XL_CELL_BOOLEAN:
        return _written(bool(cell.value))
    if cell.ctype == xlrd.XL_CELL_ERROR:
        return ""
    return _written(cell.value)


def _written(value: Any) -> str:
    """A cell as text: dates and times in ISO form, whole numbers without a point."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, datetime):
        seconds = value.replace(microsecond=0)
        return seconds.date().isoformat() if seconds.time() == time() else seconds.isoformat()
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, timedelta):
        return (_DAY_ONE + value).time().replace(microsecond=0).isoformat()
    return str(value)
