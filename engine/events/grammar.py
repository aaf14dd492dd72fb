"""The query grammar of the log: what a person types, as a `Query`, and back.

    dupont "exact words" -test level:warn+ kind:rejection connection:lyon learner:ab12 run:42 actor:me
    hold:h7 since:2d until:2026-11-24T12:00

Words stand anywhere in an event, in any case, with or without accents; every one must be there. Filters of
different names all apply; values of one name (`kind:run,write`, or the filter twice) are alternatives. A
minus before a word or filter excludes. `"` quotes: inside it, `\\"` and `\\\\` stand for `"` and `\\`.

`since:` is inclusive, `until:` is not, except that a date there means through the end of that day. A
duration counts back from now; dates and times without a zone are wall time of the caller's zone; of a wall
time that comes twice in autumn `since:` means the first and `until:` the second.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

from pydantic import AwareDatetime, field_validator, model_validator

from engine.events.event import LEVELS, Level
from engine.records import Frozen, Kind, folded
from engine.words import _

_RECORDS: tuple[Kind, ...] = ("learner", "speaker", "group", "sheet")
FILTERS: tuple[str, ...] = (
    *("level", "kind", "connection", "run", "actor", "hold"),
    *_RECORDS,
    *("since", "until"),
)
"""The names a filter may have, in the order in which `unparse` writes them."""

_NAME = re.compile(r"([A-Za-z]+):")
_DURATION = re.compile(r"([0-9]{1,6})([smhdw])")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_INSTANT = re.compile(
    _DATE.pattern + r"T[0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?(Z|[+-][0-9]{2}:[0-9]{2})?"
)
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def storable(text: str) -> str:
    """`text` without lone surrogates, which UTF-8 cannot hold: they become their escape, `\\ud800`."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()


def search_text(text: str) -> str:
    """`text` as search compares it: lower case, no accents, one space between words, `storable`.

    The same on what is stored and on what is asked, and unchanged by a second pass: letters such as `℡`
    decompose to capitals, so one pass of `folded` is not enough.
    """
    if text.isascii():
        return " ".join(text.lower().split())
    # Past folded's cache: that one is for names, and would hold 100,000 whole log lines.
    fold: Callable[[str], str] = folded.__wrapped__
    return fold(fold(storable(text)))


class GrammarError(ValueError):
    """A query that cannot be read. `column` counts characters from 1; the message begins with it."""

    def __init__(self, what: str, column: int) -> None:
        super().__init__(_("column {column}: {what}").format(column=column, what=what))
        self.what = what
        self.column = column


class RecordRef(Frozen):
    """Events about one record of a kind, by its id on either side; any record of the kind where `id` is ""."""

    kind: Kind
    id: str = ""


class Query(Frozen):
    """What events to show. An empty field asks nothing; `Query()` is every event.

    `words` (each a word or a phrase) must all be contained, none of `excluded`; both are kept as
    `search_text`. `levels` are those allowed. `since` <= ts < `until`, kept in UTC. Raises pydantic's
    ValidationError where `until` is not after `since`.
    """

    words: tuple[str, ...] = ()
    excluded: tuple[str, ...] = ()
    levels: tuple[Level, ...] = ()
    kinds: tuple[str, ...] = ()
    not_kinds: tuple[str, ...] = ()
    connections: tuple[str, ...] = ()
    not_connections: tuple[str, ...] = ()
    runs: tuple[str, ...] = ()
    not_runs: tuple[str, ...] = ()
    actors: tuple[str, ...] = ()
    not_actors: tuple[str, ...] = ()
    holds: tuple[str, ...] = ()
    not_holds: tuple[str, ...] = ()
    records: tuple[RecordRef, ...] = ()
    not_records: tuple[RecordRef, ...] = ()
    since: AwareDatetime | None = None
    until: AwareDatetime | None = None

    @field_validator("words", "excluded")
    @classmethod
    def _as_searched(cls, texts: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(dict.fromkeys(t for t in map(search_text, texts) if t))

    @field_validator("levels")
    @classmethod
    def _in_order(cls, levels: tuple[Level, ...]) -> tuple[Level, ...]:
        allowed = tuple(level for level in LEVELS if level in levels)
        return () if allowed == LEVELS else allowed

    @field_validator("since", "until")
    @classmethod
    def _in_utc(cls, at: datetime | None) -> datetime | None:
        return at.astimezone(UTC) if at else None

    @model_validator(mode="after")
    def _forwards(self) -> Query:
        if self.since and self.until and self.since >= self.until:
            raise ValueError("until is not after since")
        return self


@dataclass(frozen=True)
class _Part:
    """One value of a filter, or the text of a word; `column` from 1."""

    text: str
    quoted: bool
    column: int


@dataclass(frozen=True)
class _Term:
    """One word (`name` ""), or one filter with its values (none: nothing stood after the colon)."""

    name: str
    negated: bool
    parts: tuple[_Part, ...]
    column: int


def parse(text: str, *, now: datetime, zone: str = "UTC", me: str = "") -> Query:
    """The query that `text` says.

    `now` is an aware instant, from which durations count back; `zone` the IANA zone of dates and times
    written without one; `me` the actor that `actor:me` stands for. Raises GrammarError, with the column, and
    zoneinfo.ZoneInfoNotFoundError for an unknown zone.
    """
    times = _Times(now.astimezone(UTC), ZoneInfo(zone))
    lists: dict[str, list[str]] = {}
    records: dict[bool, list[RecordRef]] = {False: [], True: []}
    allowed: set[Level] = set()
    refused: set[Level] = set()
    span: dict[str, datetime] = {}
    for term in _terms(text):
        if not term.name:
            lists.setdefault("excluded" if term.negated else "words", []).append(term.parts[0].text)
        elif term.name == "level":
            (refused if term.negated else allowed).update(_levels(term))
            if not (allowed or set(LEVELS)) - refused:
                raise GrammarError(_("no level is left to show"), term.column)
        elif term.name in ("since", "until"):
            if term.name in span or term.negated:
                what = _("`{name}:` can't be excluded") if term.negated else _("`{name}:` is there twice")
                raise GrammarError(what.format(name=term.name), term.column)
            span[term.name] = times.read(term)
            if len(span) == 2 and span["since"] >= span["until"]:
                raise GrammarError(_("`until:` is not after `since:`"), term.column)
        elif term.name in _RECORDS:
            records[term.negated] += _records(term)
        else:
            field = ("not_" if term.negated else "") + term.name + "s"
            lists.setdefault(field, []).extend(_values(term, me))
    return Query(
        levels=tuple((allowed or set(LEVELS)) - refused),
        records=_once(records[False]),
        not_records=_once(records[True]),
        **{name: _once(values) for name, values in lists.items()},
        since=span.get("since"),
        until=span.get("until"),
    )


def unparse(query: Query) -> str:
    """Text that parses to `query` again, whatever the now, zone and me of that parse."""
    terms = [_word(word) for word in query.words]
    terms += [f"-{_word(word)}" for word in query.excluded]
    if query.levels:
        terms.append(f"level:{','.join(query.levels)}")
    for name, wanted, unwanted in (
        ("kind", query.kinds, query.not_kinds),
        ("connection", query.connections, query.not_connections),
        ("run", query.runs, query.not_runs),
        ("actor", query.actors, query.not_actors),
        ("hold", query.holds, query.not_holds),
    ):
        for sign, values in (("", wanted), ("-", unwanted)):
            if values:
                terms.append(f"{sign}{name}:{','.join(_value(name, value) for value in values)}")
    for sign, refs in (("", query.records), ("-", query.not_records)):
        terms += [f"{sign}{ref.kind}:{_value(ref.kind, ref.id) if ref.id else ''}" for ref in refs]
    for name, at in (("since", query.since), ("until", query.until)):
        if at:
            terms.append(f"{name}:{at.isoformat().replace('+00:00', 'Z')}")
    return " ".join(terms)


def _once(values: Iterable[object]) -> tuple[object, ...]:
    return tuple(dict.fromkeys(values))


def _terms(text: str) -> Iterable[_Term]:
    at = 0
    while True:
        while at < len(text) and text[at].isspace():
            at += 1
        if at == len(text):
            return
        negated = text[at] == "-" and at + 1 < len(text) and not text[at + 1].isspace()
        at += negated
        column = at + 1
        name = _NAME.match(text, at)
        if name is None:
            part, at = _part(text, at, "")
            yield _Term("", negated, (part,), column)
            continue
        if name[1].lower() not in FILTERS:
            raise GrammarError(_no_filter(name[1]), column)
        at = name.end()
        parts: list[_Part] = []
        while at < len(text) and not text[at].isspace():
            if parts:
                at += 1  # the comma
            part, at = _part(text, at, ",")
            if not part.text and not part.quoted:
                raise GrammarError(_("a value is missing beside the comma"), part.column)
            parts.append(part)
        yield _Term(name[1].lower(), negated, tuple(parts), column)


def _part(text: str, at: int, stop: Literal["", ","]) -> tuple[_Part, int]:
    """The word or quoted text at `at`, up to white space or `stop`, and where it ends."""
    column = at + 1
    if not text.startswith('"', at):
        end = at
        while end < len(text) and not text[end].isspace() and not (stop and text[end] == stop):
            end += 1
        return _Part(text[at:end], False, column), end
    read: list[str] = []
    at += 1
    while at < len(text) and text[at] != '"':
        if text[at] == "\\" and text[at + 1 : at + 2] in ('"', "\\"):
            at += 1
        read.append(text[at])
        at += 1
    if at == len(text):
        raise GrammarError(_("this quote is never closed"), column)
    at += 1
    if at < len(text) and not text[at].isspace() and not (stop and text[at] == stop):
        raise GrammarError(_("a space is missing after the quoted words"), at + 1)
    return _Part("".join(read), True, column), at


def _did_you_mean(word: str, among: Iterable[str]) -> str:
    """The nearest of `among`, "" where none is near."""
    return next(iter(difflib.get_close_matches(word.lower(), list(among), n=1, cutoff=0.5)), "")


def _no_filter(name: str) -> str:
    near = _did_you_mean(name, FILTERS)
    if near:
        return _("no filter `{name}:`; did you mean `{near}:`?").format(name=name, near=near)
    return _("no filter `{name}:`; quote it to search for it as text, or use one of {names}").format(
        name=name, names=", ".join(FILTERS)
    )


def _needs_value(term: _Term) -> GrammarError:
    after = term.column + len(term.name) + 1
    return GrammarError(_("`{name}:` needs a value").format(name=term.name), after)


def _levels(term: _Term) -> set[Level]:
    if not term.parts:
        raise _needs_value(term)
    levels: set[Level] = set()
    for part in term.parts:
        word = part.text.lower().removesuffix("+")
        at = next((n for n, level in enumerate(LEVELS) if level == word), None)
        if at is None:
            near = _did_you_mean(word, LEVELS)
            hint = _("did you mean `{near}`?").format(near=near) if near else ", ".join(LEVELS)
            raise GrammarError(_("no level `{word}`; {hint}").format(word=word, hint=hint), part.column)
        levels.update(LEVELS[at:] if part.text.endswith("+") else LEVELS[at : at + 1])
    return levels


def _records(term: _Term) -> list[RecordRef]:
    kind = next(kind for kind in _RECORDS if kind == term.name)
    return [RecordRef(kind=kind, id=part.text) for part in term.parts] or [RecordRef(kind=kind)]


def _values(term: _Term, me: str) -> list[str]:
    if not term.parts:
        raise _needs_value(term)
    values = []
    for part in term.parts:
        value = part.text
        if term.name == "actor" and value == "me" and not part.quoted:
            if not me:
                raise GrammarError(_("nobody knows here who `me` is; write the name"), part.column)
            value = me
        values.append(value)
    return values


@dataclass(frozen=True)
class _Times:
    """How `since:` and `until:` read instants."""

    now: datetime
    zone: ZoneInfo

    def read(self, term: _Term) -> datetime:
        if not term.parts:
            raise _needs_value(term)
        first, *others = term.parts
        if others:
            raise GrammarError(_("`{name}:` takes one value").format(name=term.name), others[0].column)
        try:
            at = self._instant(first.text, closing=term.name == "until")
        except (ValueError, OverflowError):
            at = None
        if at is None:
            near = _did_you_mean(first.text, ("today", "yesterday"))
            what = (
                _("`{word}` is no time; did you mean `{near}`?")
                if near
                else _(
                    "`{word}` is no time; write 30s, 15m, 2h, 2d, 1w, a date (2026-11-24), a time"
                    " (2026-11-24T12:00), today or yesterday"
                )
            )
            raise GrammarError(what.format(word=first.text, near=near), first.column)
        return at

    def _instant(self, text: str, *, closing: bool) -> datetime | None:
        word = text.lower()
        if duration := _DURATION.fullmatch(word):
            return self.now - timedelta(**{_UNITS[duration[2]]: int(duration[1])})
        today = self.now.astimezone(self.zone).date()
        if word == "today":
            return self._midnight(today, closing)
        if word == "yesterday":
            return self._midnight(today - timedelta(days=1), closing)
        if _DATE.fullmatch(word):
            return self._midnight(date.fromisoformat(word), closing)
        if _INSTANT.fullmatch(text.upper()):
            at = datetime.fromisoformat(text.upper())
            if at.tzinfo is None:
                at = at.replace(tzinfo=self.zone, fold=int(closing))
            return at.astimezone(UTC)
        return None

    def _midnight(self, day: date, closing: bool) -> datetime:
        """The start of `day`, or its end where it closes the span."""
        if closing:
            day += timedelta(days=1)
        return datetime.combine(day, time(), tzinfo=self.zone).astimezone(UTC)


def _word(text: str) -> str:
    plain = not text.startswith(("-", '"')) and not _NAME.match(text) and not any(map(str.isspace, text))
    return text if plain else _quoted(text)


def _value(name: str, text: str) -> str:
    plain = text and not text.startswith('"') and "," not in text and not any(map(str.isspace, text))
    return text if plain and not (name == "actor" and text == "me") else _quoted(text)


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
