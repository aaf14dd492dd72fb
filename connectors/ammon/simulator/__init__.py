"""A simulated Ammon school: its people, and the job that exports its data as files.

Headings and conventions of people are the vendor's own (its import template, and a public project's scripts);
how sessions and enrolments are laid out is invented, since no template is known: `ammon-demo.toml` says it, as
a school's own profile would. The files lie in a WebDAV folder, written anew every half hour and after every
edit, and wherever `write` puts them. Nothing here imitates an API of Ammon: none is known.
"""

from __future__ import annotations

import asyncio
import base64
import csv
import io
import os
import uuid
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote
from xml.sax.saxutils import escape

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from connectors.ammon import connector
from connectors.ammon.simulator.switches import DEMO_PASSWORD, DEMO_USER, AmmonSwitches
from connectors.ammon.simulator.workbooks import xls, xlsx
from connectors.simulation.control import Control, controlled
from connectors.simulation.erp_rows import GroupRow, LearnerRow, Row, SessionRow, StaffRow
from connectors.simulation.erp_store import ErpStore, Numbered
from connectors.simulation.erps import SimulatedErp
from connectors.simulation.school import School
from engine.clock import Clock

__all__ = ["DEMO_PASSWORD", "DEMO_USER", "AmmonSimulator", "AmmonSwitches", "simulated"]

_FIRST: dict[Numbered, int] = {"learner": 1, "speaker": 1, "group": 101, "sheet": 5001, "absence": 1}
_LONGEST_CODE = 12
_EVERY_MINUTES = 30
_SPACE = uuid.UUID("6a0e5a52-9c0f-4d37-8a56-0d6f1c7c2b11")

PEOPLE = (
    "cRefExt", "SOC_cRefExt", "PER_CCODESTRUCTURE_RATTACHEMENT", "PER_cCivilite", "PER_cSexe", "PER_cNom",
    "PER_cPrenom", "PER_cNomJeun", "PER_xDateNaiss", "PER_cPaysNaiss", "PER_cNationalite", "PER_cCateg",
    "iDesactive", "PER_BNPAI_MAIL", "psl_cTel", "psl_cTelPort", "psl_cEmail", "ADR_cPays",
)  # fmt: skip
ENROLMENTS = ("cRefExt", "Code action", "Libelle action", "Date sortie")
SESSIONS = (
    "Code seance", "Matiere", "Date", "Debut", "Fin", "Salles", "Actions", "Intervenants", "Stagiaires",
)  # fmt: skip

Sheet = list[Sequence[str]]


class _Store(ErpStore):
    """All rows of one simulated school, with Ammon's external keys."""

    def __init__(self, school: School, control: Control, switches: AmmonSwitches) -> None:
        self.switches = switches
        super().__init__(school, control)

    def number(self, kind: Numbered, n: int) -> int:
        return _FIRST[kind] + n

    def key(self, row: Row) -> str:
        if isinstance(row, LearnerRow | StaffRow):
            return str(uuid.uuid5(_SPACE, f"{self.school.seed}:{row.identity}"))
        if isinstance(row, GroupRow):
            if self.switches.long_codes:
                return f"{row.origin.course} {row.code}".replace(" ", "-").upper()[:_LONGEST_CODE]
            return f"ACT{row.code}"
        return f"SEA{row.code}"


class AmmonSimulator:
    """One school's Ammon. `app` is a WebDAV folder; `write` puts the same files into one of this machine."""

    def __init__(self, school: School, clock: Clock, switches: AmmonSwitches | None = None) -> None:
        self.switches = switches or AmmonSwitches()
        self.control = Control(clock)
        self.store = _Store(school, self.control, self.switches)
        self._made: tuple[int, dict[str, bytes]] | None = None
        self.app = controlled(
            self,
            [Route("/", self._list, methods=["PROPFIND"]), Route("/{name}", self._get, methods=["GET"])],
        )

    # What `controlled` asks

    @property
    def hands(self) -> Mapping[str, Callable[..., Any]]:
        return {**self.store.hands, "export": self.write}

    async def admit(self, method: str, template: str, headers: Headers) -> Response | None:
        if self.switches.latency:
            await asyncio.sleep(self.switches.latency)
        pair = f"{self.switches.user}:{self.switches.password}".encode()
        if headers.get("authorization") != f"Basic {base64.b64encode(pair).decode()}":
            return PlainTextResponse("Unauthorized", 401)
        return None

    def refusal(self, message: Any) -> Any:
        return {"error": message}

    def rows(self, answer: Any) -> int | None:
        return None

    def shortened(self, answer: Any, keep: int) -> Any:
        return answer

    def earlier_page(self, query: dict[str, str]) -> dict[str, str] | None:
        return None

    def dump(self) -> dict[str, Any]:
        """The ledgers, and every row in neutral words. `least_requests`: the folder, and each file once."""
        return {
            "system": "ammon",
            **self.control.ledgers(),
            "zone": self.store.school.zone,
            "least_requests": {"import": 1 + 3},
            "neutral": self.store.neutral(),
        }

    def code_of(self, identity: str) -> str:
        """What a sync calls the record. Raises ControlError."""
        return self.store.code_of(identity)

    def codes_of(self, identity: str) -> tuple[str, ...]:
        """That, and what it may have called it before. Raises ControlError."""
        return self.store.codes_of(identity)

    # The export job

    def files(self) -> dict[str, bytes]:
        """The files as the job writes them now, by name."""
        edits = len(self.control.edits)
        if self._made is None or self._made[0] != edits:
            self._made = (edits, self._exported())
        found = dict(self._made[1])
        for name in list(found):
            if self.switches.half_written and self.switches.half_written in name:
                found[name] = found[name][: len(found[name]) * 2 // 3]
            if self.switches.missing and self.switches.missing in name:
                del found[name]
        return found

    def write(self, folder: str, who: str = "") -> list[str]:
        """Put them into a folder of this machine, as old as they would be there; their names."""
        at = self._modified().timestamp()
        for name, content in self.files().items():
            path = Path(folder) / name
            path.write_bytes(content)
            os.utime(path, (at, at))
        return sorted(self.files())

    def _modified(self) -> datetime:
        """When the job wrote last: every half hour, and after each edit."""
        now = self.control.now().replace(second=0, microsecond=0)
        by_plan = now - timedelta(minutes=now.minute % _EVERY_MINUTES)
        if not self.control.edits:
            return by_plan
        return max(by_plan, datetime.fromisoformat(self.control.edits[-1]["at"]).replace(microsecond=0))

    def _exported(self) -> dict[str, bytes]:
        people, sessions = self.switches.people, self.switches.sessions
        return {
            f"20260914-VIE_PERSONNE.{people}": self._written(self._people(), people),
            "inscriptions.csv": self._written(self._enrolments(), "csv"),
            f"seances.{sessions}": self._written(self._sessions(), sessions),
        }

    def _written(self, rows: Sheet, form: str) -> bytes:
        renamed = self.switches.renamed
        rows = [[renamed.get(heading, heading) for heading in rows[0]], *rows[1:]]
        if form == "xls":
            return xls(rows)
        if form == "xlsx":
            return xlsx(rows)
        out = io.StringIO(newline="")
        csv.writer(out, delimiter=";", lineterminator="\r\n").writerows(rows)
        return out.getvalue().encode(self.switches.encoding, "replace")

    def _people(self) -> Sheet:
        rows: Sheet = [PEOPLE]
        structures = {site: f"S{n + 1:03d}" for n, site in enumerate(self.store.school.sites)}
        for one in self.store.learners.values():
            if not one.removed:
                gone = _flag(self.store.departed(one))
                rows.append(self._person(one, structures[one.site], "STA", gone, _bare(one.phone)))
        for person in self.store.staff.values():
            kinds = [kind for kind, on in (("INT", person.trainer), ("ADM", person.administrative)) if on]
            rows.append(self._person(person, "S001", ", ".join(kinds), _flag(False), ""))
        return rows

    def _person(
        self, one: LearnerRow | StaffRow, structure: str, category: str, gone: str, phone: str
    ) -> list[str]:
        said = {
            "cRefExt": self.store.key(one),
            "PER_CCODESTRUCTURE_RATTACHEMENT": structure,
            "PER_cCivilite": "MME" if one.code % 2 else "M.",
            "PER_cSexe": "F" if one.code % 2 else "M",
            "PER_cNom": one.last_name,
            "PER_cPrenom": one.first_name,
            "PER_xDateNaiss": _slashed(one.born),
            "PER_cPaysNaiss": "FRA",
            "PER_cNationalite": "FRA",
            "PER_cCateg": category,
            "iDesactive": gone,
            "PER_BNPAI_MAIL": _flag(False),
            "psl_cTelPort": phone,
            "psl_cEmail": one.email,
            "ADR_cPays": "FRA",
        }
        return [said.get(heading, "") for heading in PEOPLE]

    def _enrolments(self) -> Sheet:
        rows: Sheet = [ENROLMENTS]
        for one in self.store.learners.values():
            if not one.removed:
                group = self.store.groups[one.group]
                left = _slashed(one.left) if one.left else ""
                rows.append([self.store.key(one), self.store.key(group), group.name, left])
        return rows

    def _sessions(self) -> Sheet:
        rows: Sheet = [SESSIONS]
        for one in self.store.sessions.values():
            if not one.cancelled:
                rows += self._session(one)
        return rows

    def _session(self, one: SessionRow) -> Sheet:
        people = [self.store.key(self.store.learners[who]) for who in one.learners]
        lists = [people] if self.switches.rows == "session" else [[person] for person in people] or [[]]
        return [
            [
                self.store.key(one),
                one.subject,
                _slashed(one.day),
                f"{one.start:%H:%M}",
                f"{one.end:%H:%M}" if one.end else "",
                ", ".join(self.store.rooms.get(code, str(code)) for code in one.rooms),
                ", ".join(self.store.key(self.store.groups[group]) for group in one.groups),
                ", ".join(self.store.key(self.store.staff[who]) for who in one.staff),
                ", ".join(persons),
            ]
            for persons in lists
        ]

    # WebDAV

    async def _list(self, _request: Request) -> Response:
        at = format_datetime(self._modified(), usegmt=True)
        parts = [
            f"<D:response><D:href>/{quote(name)}</D:href><D:propstat><D:prop>"
            f"<D:getcontentlength>{len(content)}</D:getcontentlength>"
            f"<D:getlastmodified>{escape(at)}</D:getlastmodified><D:resourcetype/>"
            "</D:prop><D:status>HTTP/1.1 200 OK</D:status></D:propstat></D:response>"
            for name, content in sorted(self.files().items())
        ]
        folder = "<D:response><D:href>/</D:href><D:propstat><D:prop><D:resourcetype><D:collection/>"
        folder += "</D:resourcetype></D:prop></D:propstat></D:response>"
        body = f'<D:multistatus xmlns:D="DAV:">{folder}{"".join(parts)}</D:multistatus>'
        return Response(body, 207, media_type="application/xml")

    async def _get(self, request: Request) -> Response:
        content = self.files().get(request.path_params["name"])
        if content is None:
            return PlainTextResponse("Not Found", 404)
        return Response(content, media_type="application/octet-stream")


def _flag(value: bool) -> str:
    """0 = no, -1 = yes: the vendor's own."""
    return "-1" if value else "0"


def _bare(phone: str) -> str:
    """Phones stand there without spaces or dots."""
    return "".join(c for c in phone if c not in " .\xa0\u202f")


def _slashed(day: date) -> str:
    return f"{day:%d/%m/%Y}"


simulated = SimulatedErp(
    connector=connector,
    switches=AmmonSwitches,
    secret="password",
    simulator=AmmonSimulator,
    settings=lambda url, secret: {
        "folder": url,
        "user": DEMO_USER,
        "password": secret,
        "profile": "builtin:ammon-demo",
        # The simulated job puts finished files into place.
        "settle_seconds": 0,
    },
    mapped={
        "speaker": ("PER_cNom", "psl_cEmail"),
        "learner": ("PER_cNom", "psl_cEmail"),
        "group": ("Libelle action",),
    },
)
