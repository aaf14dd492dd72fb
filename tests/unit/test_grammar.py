"""The query grammar: what each word and filter means, and what a mistake is told."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from engine.events.grammar import GrammarError, Query, RecordRef, parse, search_text, unparse

NOW = datetime(2026, 11, 24, 15, 30, tzinfo=UTC)
PARIS = "Europe/Paris"


def read(text: str, zone: str = "UTC", me: str = "alice") -> Query:
    return parse(text, now=NOW, zone=zone, me=me)


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[misc,arg-type]


def test_the_whole_grammar_in_one_line() -> None:
    query = read(
        'dupont "exact words" -test level:warn+ kind:rejection connection:lyon learner:ab12 run:42 actor:me'
        " since:2d until:2026-11-24T12:00",
        PARIS,
    )
    assert query == Query(
        words=("dupont", "exact words"),
        excluded=("test",),
        levels=("warn", "error"),
        kinds=("rejection",),
        connections=("lyon",),
        records=(RecordRef(kind="learner", id="ab12"),),
        runs=("42",),
        actors=("alice",),
        since=NOW - timedelta(days=2),
        until=utc(2026, 11, 24, 11),
    )


@pytest.mark.parametrize("text", ["", "   ", "\t\n", '""'])
def test_nothing_asked_is_every_event(text: str) -> None:
    assert read(text) == Query()


@pytest.mark.parametrize(
    ("text", "words", "excluded"),
    [
        ("Zoë ÉCOLE", ("zoe", "ecole"), ()),
        ('"Ngô  Thị"', ("ngo thi",), ()),
        ('-"deux mots" -x', (), ("deux mots", "x")),
        ("jean-pierre - --x", ("jean-pierre", "-"), ("-x",)),
        ("12:30 l'été", ("12:30", "l'ete"), ()),
        (r'"say \"hi\"" "C:\temp" "a\\"', ('say "hi"', r"c:\temp", "a\\"), ()),
        ('5"disk', ('5"disk',), ()),
        ("dupont DUPONT", ("dupont",), ()),
        ("a\u00a0b", ("a", "b"), ()),
        ("℡", ("tel",), ()),
    ],
)
def test_words_are_folded_and_quotes_hold_them_together(
    text: str, words: tuple[str, ...], excluded: tuple[str, ...]
) -> None:
    assert read(text) == Query(words=words, excluded=excluded)


@pytest.mark.parametrize(
    ("text", "levels"),
    [
        ("level:warn", ("warn",)),
        ("level:warn+", ("warn", "error")),
        ("level:error,warn", ("warn", "error")),
        ("level:debug level:notice+", ("debug", "notice", "warn", "error")),
        ("-level:debug", ("info", "notice", "warn", "error")),
        ("level:info+ -level:error", ("info", "notice", "warn")),
        ("level:debug+", ()),
        ("LEVEL:Warn", ("warn",)),
    ],
)
def test_levels(text: str, levels: tuple[str, ...]) -> None:
    assert read(text).levels == levels


def test_values_of_one_filter_are_alternatives_and_a_minus_excludes() -> None:
    query = read(
        'kind:run,write kind:notice -kind:fault connection:"Lyon Sud",paris -run:7 -actor:"me" hold:h7'
    )
    assert query == Query(
        kinds=("run", "write", "notice"),
        not_kinds=("fault",),
        connections=("Lyon Sud", "paris"),
        not_runs=("7",),
        not_actors=("me",),
        holds=("h7",),
    )


def test_records_by_id_or_any_of_a_kind() -> None:
    query = read("learner: speaker:X,Y -sheet:9 -group:")
    assert query.records == (
        RecordRef(kind="learner"),
        RecordRef(kind="speaker", id="X"),
        RecordRef(kind="speaker", id="Y"),
    )
    assert query.not_records == (RecordRef(kind="sheet", id="9"), RecordRef(kind="group"))


def test_a_quoted_nothing_is_a_value() -> None:
    assert read('connection:"" -run:""') == Query(connections=("",), not_runs=("",))


@pytest.mark.parametrize(
    ("value", "since", "until"),
    [
        ("30s", NOW - timedelta(seconds=30), NOW - timedelta(seconds=30)),
        ("15m", NOW - timedelta(minutes=15), NOW - timedelta(minutes=15)),
        ("2H", NOW - timedelta(hours=2), NOW - timedelta(hours=2)),
        ("1w", NOW - timedelta(weeks=1), NOW - timedelta(weeks=1)),
        ("2026-11-20", utc(2026, 11, 19, 23), utc(2026, 11, 20, 23)),
        ("today", utc(2026, 11, 23, 23), utc(2026, 11, 24, 23)),
        ("yesterday", utc(2026, 11, 22, 23), utc(2026, 11, 23, 23)),
        ("2026-11-24T12:00", utc(2026, 11, 24, 11), utc(2026, 11, 24, 11)),
        ("2026-11-24t12:00:30.5z", utc(2026, 11, 24, 12, 0, 30, 500000), utc(2026, 11, 24, 12, 0, 30, 500000)),
        ("2026-11-24T12:00+05:30", utc(2026, 11, 24, 6, 30), utc(2026, 11, 24, 6, 30)),
        # Twice in autumn: since takes the first, until the second.
        ("2026-10-25T02:30", utc(2026, 10, 25, 0, 30), utc(2026, 10, 25, 1, 30)),
        # 25 hours long.
        ("2026-10-25", utc(2026, 10, 24, 22), utc(2026, 10, 25, 23)),
    ],
)
def test_times(value: str, since: datetime, until: datetime) -> None:
    assert read(f"since:{value}", PARIS).since == since
    assert read(f"until:{value}", PARIS).until == until


def test_today_is_the_day_of_the_zone() -> None:
    late = datetime(2026, 11, 24, 23, 30, tzinfo=UTC)
    assert parse("since:today", now=late, zone=PARIS).since == utc(2026, 11, 24, 23)
    assert parse("since:today", now=late).since == utc(2026, 11, 24)


@pytest.mark.parametrize(
    ("text", "column", "said"),
    [
        ("dupont levle:warn", 8, "no filter `levle:`; did you mean `level:`?"),
        ("-knid:run", 2, "no filter `knid:`; did you mean `kind:`?"),
        ("x http://host", 3, "no filter `http:`; quote it to search for it as text"),
        ("level:waning", 7, "no level `waning`; did you mean `warn`?"),
        ("level:info,zzz", 12, "no level `zzz`; debug, info, notice, warn, error"),
        ("since:todya", 7, "did you mean `today`?"),
        ("since:2x", 7, "`2x` is no time; write 30s"),
        ("since:2026-02-30", 7, "is no time"),
        ("since:999999w", 7, "is no time"),
        ("until:9999-12-31", 7, "is no time"),
        ("since:1d,2d", 10, "`since:` takes one value"),
        ("since:1d since:2d", 10, "`since:` is there twice"),
        ("-until:2d", 2, "`until:` can't be excluded"),
        ("since:1d until:2d", 10, "`until:` is not after `since:`"),
        ('dupont "exact', 8, "this quote is never closed"),
        ('kind:"run', 6, "this quote is never closed"),
        ('"a"b', 4, "a space is missing after the quoted words"),
        ("kind:", 6, "`kind:` needs a value"),
        ("since:", 7, "`since:` needs a value"),
        ("kind:a,,b", 8, "a value is missing beside the comma"),
        ("kind:a,", 8, "a value is missing beside the comma"),
        ("kind:,a", 6, "a value is missing beside the comma"),
        ("level:warn -level:info+", 13, "no level is left to show"),
    ],
)
def test_a_mistake_names_its_column_and_the_way_out(text: str, column: int, said: str) -> None:
    with pytest.raises(GrammarError) as caught:
        read(text)
    assert caught.value.column == column
    assert str(caught.value).startswith(f"column {column}: ")
    assert said in str(caught.value)


def test_me_must_be_known() -> None:
    with pytest.raises(GrammarError) as caught:
        read("actor:me", me="")
    assert caught.value.column == 7


def test_a_query_is_kept_as_it_is_searched() -> None:
    assert Query(words=("  Zoë ", "", "zoe")).words == ("zoe",)
    with pytest.raises(ValueError, match="until is not after since"):
        Query(since=NOW, until=NOW)


def test_unparse_quotes_only_what_needs_it() -> None:
    query = read(
        'dupont "exact words" -"-x" actor:"me" connection:"Lyon Sud" learner: level:warn+'
        " until:2026-11-24T12:00Z"
    )
    assert unparse(query) == (
        'dupont "exact words" -"-x" level:warn,error connection:"Lyon Sud" actor:"me" learner:'
        " until:2026-11-24T12:00:00Z"
    )


def test_search_text_is_stable_for_every_character() -> None:
    for code in range(0x20000):
        once = search_text(chr(code))
        assert search_text(once) == once
