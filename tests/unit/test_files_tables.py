"""Files as tables: what is one, what is none yet, and what is out to harm."""

from __future__ import annotations

import io
import zipfile
from datetime import date, datetime, time, timedelta

import openpyxl
import pytest

from connectors.ammon.simulator.workbooks import xls, xlsx
from connectors.files import tables
from connectors.files.tables import Table, Unreadable, read

HEADINGS = ["cRefExt", "Nom", "Prénom"]
NINE_THIRTY = datetime(2026, 9, 14, 9, 30)  # noqa: DTZ001 workbooks know no zone
ROWS = [HEADINGS, ["1", "Martin", "Léa"], ["2", "بن صالح", "مريم"], ["3", "=1+1", "[red]x[/]"]]


def csv(text: str, encoding: str = "utf-8") -> bytes:
    return text.encode(encoding)


def trouble(content: bytes) -> tuple[str, str]:
    with pytest.raises(Unreadable) as caught:
        read(content)
    return caught.value.trouble, str(caught.value)


@pytest.mark.parametrize("content", [xls(ROWS), xlsx(ROWS)], ids=["xls", "xlsx"])
def test_a_workbook_is_a_table_of_text(content: bytes) -> None:
    table = read(content)
    assert table.headings == tuple(HEADINGS)
    assert table.rows == tuple(tuple(row) for row in ROWS[1:])
    assert table.lines == (2, 3, 4)


@pytest.mark.parametrize(
    "content",
    [
        csv("a;b\n1;2\n"),
        csv("a,b\r\n1,2\r\n"),
        csv("a\tb\n1\t2"),
        csv('"a"|"b"\n"1"|"2"\n'),
        csv("﻿a;b\n1;2\n"),
        "a;b\n1;2\n".encode("utf-16"),
        csv("\n\na;b\n\n1;2\n;\n"),
    ],
)
def test_a_csv_in_any_guise(content: bytes) -> None:
    table = read(content)
    assert (table.headings, table.rows, table.format) == (("a", "b"), (("1", "2"),), "csv")


def test_windows_and_unix_spell_accents_differently() -> None:
    for encoding in ("utf-8", "cp1252"):
        assert read(csv("Prénom;Œuvre\nZoé;œ\n", encoding)).rows == (("Zoé", "œ"),)


def test_boundaries_inside_quotes_do_not_count() -> None:
    assert read(csv('"a,b,c,d";e\n"1,2";"x""y"\n')).rows == (("1,2", 'x"y'),)


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"", "half_written"),
        (b"   \n\n", "half_written"),
        (csv("a;b;c\n1;2;3\n4;5"), "half_written"),
        (csv('a;b\n1;"half a ce'), "half_written"),
        (xlsx(ROWS)[:-40], "half_written"),
        (xls(ROWS * 200)[:9000], "half_written"),
        ("a;b\n1;2\n".encode("utf-16")[:-1], "half_written"),
        (b"<!DOCTYPE html><html>Sign in", "unreadable"),
        (b"<?xml version='1.0'?><a/>", "unreadable"),
        (csv("a;b\n1;2;3\n"), "unreadable"),
        (csv("a;b\n1\n2;3\n"), "unreadable"),
        (b"a;b\n\x00\x01;\xff\n", "unreadable"),
        (b"a;b\n\x81\x8d;1\n", "unreadable"),
        (csv("a;b\n" + "x" * 40_000 + ";1\n"), "unreadable"),
        (csv(";".join("abcdefghij" * 200) + "\n"), "unreadable"),
        (b"PK\x05\x06" + bytes(18), "unreadable"),
    ],
    ids=map(str, range(16)),
)
def test_what_is_no_table_or_none_yet(content: bytes, kind: str) -> None:
    assert trouble(content)[0] == kind


def test_every_cut_of_a_workbook_is_noticed() -> None:
    for whole in (xlsx(ROWS), xls(ROWS)):
        for part in range(len(whole) // 5, len(whole) - 1, len(whole) // 5):
            with pytest.raises(Unreadable):
                read(whole[:part])


def test_a_bomb_is_refused_by_its_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "LARGEST_UNPACKED", 16 * 1024 * 1024)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as bomb:
        for n in range(9):
            bomb.writestr(f"xl/{n}.xml", b"0" * (2 * 1024 * 1024))
    content = out.getvalue()
    assert len(content) < 64 * 1024
    assert "once unpacked" in trouble(content)[1]


def test_a_file_that_is_too_large_is_not_looked_into(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "LARGEST", 100)
    assert "MB, more than" in trouble(csv("a;b\n" + "1;2\n" * 100))[1]


def test_more_rows_than_a_school_has_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "MOST_ROWS", 10)
    assert "more than 10 rows" in trouble(csv("a;b\n" + "1;2\n" * 11))[1]


def test_a_hundred_thousand_rows() -> None:
    table = read(csv("key;name;mail\n" + "".join(f"{n};Nom {n};n{n}@x.example\n" for n in range(100_000))))
    assert len(table.rows) == 100_000 and table.rows[-1] == ("99999", "Nom 99999", "n99999@x.example")


def test_dates_and_numbers_of_a_workbook_come_out_as_text() -> None:
    book = openpyxl.Workbook()
    page = book.active
    page.append(["a", "b", "c", "d", "e", "f", "g"])
    page.append([12.0, 1.5, date(2026, 9, 14), NINE_THIRTY, time(9, 30), timedelta(hours=13), True])
    book.create_sheet("Autre").append(["x"])
    out = io.BytesIO()
    book.save(out)
    assert read(out.getvalue()).rows == (
        ("12", "1.5", "2026-09-14", "2026-09-14T09:30:00", "09:30:00", "13:00:00", "True"),
    )
    assert read(out.getvalue(), "Autre").headings == ("x",)
    with pytest.raises(Unreadable, match="no worksheet Nulle part"):
        read(out.getvalue(), "Nulle part")


def test_a_formula_is_what_it_last_came_to_never_run() -> None:
    book = openpyxl.Workbook()
    book.active.append(["a", "b"])
    book.active.append(['=HYPERLINK("http://x.example")', "1"])
    out = io.BytesIO()
    book.save(out)
    assert read(out.getvalue()).rows == (("", "1"),)


def test_the_digest_is_of_the_content() -> None:
    one, two = read(csv("a;b\n1;2\n")), read(csv("a;b\n1;3\n"))
    assert isinstance(one, Table) and one.digest != two.digest
