"""Records: what a school is made of, and the canonical form in which two sides are compared.

A record carries what a side said, as typed; `canonical` says when two values are the same (R05). References
between records (a group's members, a sheet's people) are ids of the side that spoke: ERP keys in what the
ERP said, Edusign ids in what Edusign said. `engine.planning.match` brings them into one space.
"""

from __future__ import annotations

import unicodedata
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, ClassVar, Literal, TypeAlias

import phonenumbers
from pydantic import BaseModel, ConfigDict

Kind: TypeAlias = Literal["learner", "speaker", "group", "sheet"]
KINDS: tuple[Kind, ...] = ("speaker", "learner", "group", "sheet")
PEOPLE: frozenset[Kind] = frozenset({"learner", "speaker"})

Value: TypeAlias = str | datetime | frozenset[str] | None


class Frozen(BaseModel):
    """Base of every model of the engine: immutable, unknown fields refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class _Record(Frozen):
    kind: ClassVar[Kind]
    fields: ClassVar[tuple[str, ...]]
    # Fields merged element by element (R06): here a value is a set of ids.
    rosters: ClassVar[tuple[str, ...]] = ()
    # Fields whose own edits in Edusign are kept and become a task (R02, R03).
    contact: ClassVar[tuple[str, ...]] = ()

    id: str

    def value(self, field: str) -> Value:
        """The value of one of `fields`, as the side gave it."""
        value: Value = getattr(self, field)
        return value

    @property
    def label(self) -> str:
        """What a person calls this record."""
        raise NotImplementedError


class _Person(_Record):
    fields: ClassVar[tuple[str, ...]] = ("last_name", "first_name", "email", "phone")
    contact: ClassVar[tuple[str, ...]] = ("email", "phone")

    last_name: str = ""
    first_name: str = ""
    email: str = ""
    phone: str = ""

    @property
    def label(self) -> str:
        return f"{self.last_name} {self.first_name}".strip()


class Learner(_Person):
    """A person who attends. Edusign: student."""

    kind: ClassVar[Kind] = "learner"


class Speaker(_Person):
    """A person who teaches. Edusign: professor."""

    kind: ClassVar[Kind] = "speaker"


class Group(_Record):
    """A class of learners. Edusign: group."""

    kind: ClassVar[Kind] = "group"
    fields: ClassVar[tuple[str, ...]] = ("name", "members")
    rosters: ClassVar[tuple[str, ...]] = ("members",)

    name: str = ""
    members: frozenset[str] = frozenset()

    @property
    def label(self) -> str:
        return self.name


class Sheet(_Record):
    """An attendance sheet (Edusign: course), or the ERP's session that becomes one. Times are UTC instants."""

    kind: ClassVar[Kind] = "sheet"
    fields: ClassVar[tuple[str, ...]] = ("name", "start", "end", "room", "groups", "speakers", "learners")
    rosters: ClassVar[tuple[str, ...]] = ("learners",)

    name: str = ""
    start: datetime | None = None
    end: datetime | None = None
    room: str = ""
    groups: frozenset[str] = frozenset()
    speakers: frozenset[str] = frozenset()
    learners: frozenset[str] = frozenset()

    @property
    def label(self) -> str:
        return self.name


Record: TypeAlias = Learner | Speaker | Group | Sheet
RECORDS: dict[Kind, type[Record]] = {"learner": Learner, "speaker": Speaker, "group": Group, "sheet": Sheet}


class Problem(Frozen):
    """Something wrong in what a side said of a record, found while reading it.

    `row` problems keep the whole record out (a rejection); others concern one value, whose base is kept.
    `evidence` is what was there, as text, unprocessed.
    """

    code: str
    field: str
    evidence: str = ""
    row: bool = False


class Entry(Frozen):
    """One record as the ERP gave it.

    `ended`: the ERP itself says the person left or the session is cancelled (R13: gone at once).
    `where`: the place in the ERP where a person would correct it, in the vendor's words.
    """

    record: Record
    ended: bool = False
    problems: tuple[Problem, ...] = ()
    where: str = ""

    @property
    def kind(self) -> Kind:
        return self.record.kind

    @property
    def id(self) -> str:
        return self.record.id


class Seen(Frozen):
    """One record as Edusign gave it; `record.id` is the Edusign id.

    `shared`: a speaker of several schools (R11). `locked`, `signed_speakers` and `signed_learners` concern
    sheets: signed_speakers and signed_learners are Edusign ids of those who signed.
    """

    record: Record
    api_id: str = ""
    api_type: str = ""
    archived: bool = False
    shared: bool = False
    locked: bool = False
    signed_speakers: frozenset[str] = frozenset()
    signed_learners: frozenset[str] = frozenset()

    @property
    def kind(self) -> Kind:
        return self.record.kind

    @property
    def id(self) -> str:
        return self.record.id

    @property
    def signed(self) -> bool:
        return bool(self.signed_speakers or self.signed_learners)


def canonical(kind: Kind, field: str, value: Value, country: str = "FR") -> Value:
    """The form in which two values are compared (R05); equal forms mean nothing to write.

    E-mail: trimmed, NFC, lower case. Phone: E.164 by `country` (ISO 3166 alpha-2), or its digits where it is
    no valid number. Text: NFC, white space folded. Instants: UTC, to the second. Sets stay sets.
    """
    if value is None:
        return None
    if isinstance(value, datetime):
        return value.astimezone(UTC).replace(microsecond=0)
    if isinstance(value, frozenset):
        return value
    if field == "email":
        return folded_space(value).lower()
    if field == "phone":
        return canonical_phone(value, country)
    return folded_space(value)


def folded_space(text: str) -> str:
    """`text` in NFC with runs of white space (no-break ones too) as one space, trimmed."""
    return " ".join(unicodedata.normalize("NFC", text).split())


@lru_cache(maxsize=65536)
def canonical_phone(text: str, country: str) -> str:
    """A phone number in E.164 by `country`; its digits where it is no possible number there."""
    digits = "".join(c for c in unicodedata.normalize("NFKC", text) if c in "0123456789")
    plain_digits = "+" + digits if digits and text.strip().startswith("+") else digits
    for spelling in (text.strip(), plain_digits):
        try:
            number = phonenumbers.parse(spelling, country)
        except phonenumbers.NumberParseException:
            continue
        if phonenumbers.is_possible_number(number):
            return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    return plain_digits


@lru_cache(maxsize=131072)
def folded(text: str) -> str:
    """`text` in lower case without accents, for search and for comparing names across spellings."""
    decomposed = unicodedata.normalize("NFKD", text.lower())
    bare = "".join(c for c in decomposed if not unicodedata.combining(c))
    return " ".join(bare.translate(_LETTERS).split())


# Letters that no decomposition reaches.
_LETTERS = str.maketrans({"ł": "l", "đ": "d", "ı": "i", "ø": "o", "œ": "oe", "æ": "ae", "ß": "ss", "’": "'"})


def name_tokens(record: Record) -> tuple[str, ...]:
    """The folded words of a record's name in sorted order: equal for `Ngô Thị` and `THI NGO`."""
    text = folded(record.label).replace("-", " ").replace("'", " ")
    return tuple(sorted(text.split()))


def plain(value: Value) -> Any:
    """A value as JSON holds it: instants as ISO 8601 with Z, sets as sorted lists."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, frozenset):
        return sorted(value)
    return value


def revived(kind: Kind, field: str, value: Any) -> Value:
    """The inverse of `plain`. Raises ValueError where the JSON is not of the field's shape."""
    if value is None or isinstance(value, datetime | frozenset):
        return value
    if isinstance(value, list):
        return frozenset(str(item) for item in value)
    if field in ("start", "end"):
        return datetime.fromisoformat(str(value))
    return str(value)
