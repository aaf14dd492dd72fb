"""A simulated Ammon school exports, and its files are read: whole, or not at all."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from connectors.ammon import AmmonSettings, connector
from connectors.ammon.simulator import DEMO_PASSWORD, DEMO_USER, PEOPLE, AmmonSimulator, AmmonSwitches
from connectors.files.client import FilesClient
from connectors.files.tables import Table, read
from connectors.simulation.control import FaultOrder
from connectors.simulation.school import School
from engine.clock import SystemClock, VirtualClock, VirtualLoop
from engine.ports import Erp, Listing, Scope, Surroundings
from engine.records import KINDS, Kind
from tests.unit.test_http import T

PARIS = "Europe/Paris"
TERM = date(2026, 9, 14)
NOW = datetime(2026, 9, 14, 6, tzinfo=UTC)
WEEK = Scope(first=TERM, last=date(2026, 9, 20), zone=PARIS)


@pytest.fixture(scope="module")
def school() -> School:
    return School.seeded(5, 60, TERM)


class Meeting:
    """One simulated school, and one client of its exports at a time: over WebDAV, or in `folder`."""

    def __init__(self, school: School, folder: Path | None = None, **switches: Any) -> None:
        self.school = school
        self.folder = folder
        self.switches = AmmonSwitches(**switches)
        self.simulator: AmmonSimulator

    def ask(self, what: Callable[[FilesClient], Awaitable[T]], later: float = 60, **settings: Any) -> T:
        loop = VirtualLoop()

        async def whole() -> T:
            clock = VirtualClock(NOW, loop)
            self.simulator = AmmonSimulator(self.school, clock, self.switches)
            if self.folder is not None:
                self.simulator.write(str(self.folder))
            await asyncio.sleep(later)
            where = {"folder": str(self.folder)} if self.folder else {
                "folder": "https://files.example", "user": DEMO_USER, "password": "env:P",
            }  # fmt: skip
            client = connector.open(
                AmmonSettings(**{**where, "profile": "builtin:ammon-demo", **settings}),
                Surroundings(
                    connection="dijon", zone=PARIS, country="FR", clock=clock,
                    secret=lambda _reference: DEMO_PASSWORD,
                    transport=httpx.ASGITransport(app=self.simulator.app),
                ),
            )  # fmt: skip
            erp: Erp = client
            await erp.begin(WEEK)
            try:
                return await what(client)
            finally:
                await client.close()

        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            return runner.run(whole())


async def whole_run(client: FilesClient) -> dict[Kind, Listing]:
    await client.begin(WEEK)
    return {kind: await client.listing(kind, WEEK) for kind in KINDS}


def test_the_export_bears_the_vendors_headings_and_conventions(school: School) -> None:
    meeting = Meeting(school)
    files = meeting.ask(lambda client: _given(meeting.simulator.files()))
    people = read(files["20260914-VIE_PERSONNE.xls"])
    assert people.format == "xls" and people.headings == PEOPLE
    rows = [dict(zip(people.headings, row, strict=True)) for row in people.rows]
    assert {row["iDesactive"] for row in rows} == {"0", "-1"}
    assert {row["PER_cPaysNaiss"] for row in rows} == {"FRA"}
    assert all(len(row["cRefExt"]) == 36 for row in rows)
    assert not any(" " in row["psl_cTelPort"] or "." in row["psl_cTelPort"] for row in rows)
    assert {row["PER_cCateg"] for row in rows} >= {"STA", "INT", "ADM"}


async def _given(value: T) -> T:
    return value


def test_a_run_reads_each_file_once_and_takes_what_the_school_has(school: School) -> None:
    meeting = Meeting(school)

    async def run(client: FilesClient) -> tuple[dict[Kind, Listing], int]:
        return await whole_run(client), sum(client.requests.values())

    listings, asked = meeting.ask(run)
    assert all(listing.complete for listing in listings.values())
    assert asked == meeting.simulator.dump()["least_requests"]["import"]
    code = meeting.simulator.code_of
    live = {code(one.identity) for one in school.learners if one.left is None}
    assert {e.id for e in listings["learner"].entries if not e.ended} == live
    assert {e.id for e in listings["speaker"].entries} == {code(s.identity) for s in school.staff if s.trainer}
    week = {code(one.identity): one for one in school.sessions if WEEK.first <= one.day <= WEEK.last}
    assert {e.id for e in listings["sheet"].entries} == week.keys()
    for entry in listings["sheet"].entries:
        assert entry.record.value("learners") == {code(who) for who in week[entry.id].learners}
    names = {e.record.label for e in listings["group"].entries}
    assert names == {group.name for group in school.groups}


@pytest.mark.parametrize(
    "switches",
    [{"people": "csv", "sessions": "csv"}, {"people": "xlsx"}, {"rows": "learner", "sessions": "csv"}],
    ids=["csv", "xlsx", "rows"],
)
def test_the_form_of_the_files_changes_nothing_that_is_read(school: School, switches: dict[str, Any]) -> None:
    def told(listings: dict[Kind, Listing]) -> dict[Kind, list[Any]]:
        return {
            kind: [(e.record, e.ended, [p.code for p in e.problems]) for e in one.entries]
            for kind, one in listings.items()
        }

    hostile = {"\x1b"}  # no XML holds it
    usual, other = (told(Meeting(school, **s).ask(whole_run)) for s in ({}, switches))
    for kind in KINDS:
        for one, two in zip(usual[kind], other[kind], strict=True):
            if not hostile & set(one[0].label):
                assert one == two


@pytest.mark.parametrize("local", [False, True], ids=["webdav", "folder"])
@pytest.mark.parametrize(
    ("switches", "fault", "stopped"),
    [
        ({"missing": "seances"}, "no_file", {"sheet"}),
        ({"missing": "PERSONNE"}, "no_file", {"learner", "speaker", "group"}),
        ({"half_written": "seances"}, "half_written", {"sheet"}),
        ({"half_written": "PERSONNE"}, "half_written", {"learner", "speaker", "group"}),
        ({"half_written": "inscriptions"}, "half_written", {"group"}),
        ({"renamed": {"psl_cEmail": "psl_cMail"}}, "heading_gone", {"learner", "speaker", "group"}),
        ({"renamed": {"Stagiaires": "Apprenants"}}, "heading_gone", {"sheet"}),
    ],
)
def test_R13_what_is_not_whole_ends_in_an_incomplete_listing_never_an_empty_one(
    school: School, tmp_path: Path, local: bool, switches: dict[str, Any], fault: str, stopped: set[str]
) -> None:
    listings = Meeting(school, tmp_path if local else None, **switches).ask(whole_run)
    assert {kind for kind, one in listings.items() if not one.complete} == stopped
    for kind in KINDS:
        if kind in stopped:
            assert listings[kind].fault == fault
            assert "\n" not in listings[kind].fault_line
        else:
            assert listings[kind].entries


def test_a_renamed_heading_is_refused_in_one_clear_line(school: School) -> None:
    listings = Meeting(school, renamed={"Stagiaires": "Apprenants"}).ask(whole_run)
    line = listings["sheet"].fault_line
    assert "seances.xlsx" in line and "heading Stagiaires is gone; new: Apprenants" in line
    assert "save the profile anew" in line


def test_a_file_written_a_moment_ago_is_left_to_settle(school: School) -> None:
    listings = Meeting(school).ask(whole_run, later=10)
    assert {one.fault for one in listings.values()} == {"half_written"}
    assert "written 10 s ago" in listings["sheet"].fault_line
    assert Meeting(school).ask(whole_run, later=10, settle_seconds=5)["sheet"].complete


def test_an_export_job_that_stopped_is_noticed(school: School, tmp_path: Path) -> None:
    listings = Meeting(school, tmp_path).ask(whole_run, later=3 * 3600, oldest_hours=2)
    assert "the export has stopped" in listings["learner"].fault_line
    assert Meeting(school, tmp_path).ask(whole_run, later=3 * 3600)["learner"].complete


@pytest.mark.parametrize("kind", ["truncated_body", "html", "500", "404"])
def test_a_folder_that_answers_nonsense_is_no_empty_folder(school: School, kind: Any) -> None:
    meeting = Meeting(school)

    async def run(client: FilesClient) -> dict[Kind, Listing]:
        meeting.simulator.control.fault(FaultOrder(kind=kind, count=0))
        return await whole_run(client)

    assert not any(one.complete for one in meeting.ask(run).values())


def test_a_file_that_vanishes_between_list_and_read_is_incomplete(school: School) -> None:
    meeting = Meeting(school)

    async def run(client: FilesClient) -> dict[Kind, Listing]:
        meeting.simulator.control.fault(FaultOrder(kind="404", route="/seances*", count=0))
        return await whole_run(client)

    listings = meeting.ask(run)
    assert listings["sheet"].fault == "no_file" and listings["learner"].complete


def test_a_file_that_changes_while_it_is_read_is_read_again_later(
    school: School, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from connectors.files import folder

    usual = folder.LocalFolder._seen

    def busy(self: Any, path: Path) -> Any:
        if path.name.startswith("seances"):
            at = path.stat().st_mtime + 1
            os.utime(path, (at, at))
        return usual(self, path)

    monkeypatch.setattr(folder.LocalFolder, "_seen", busy)
    listings = Meeting(school, tmp_path).ask(whole_run, later=600)
    assert listings["sheet"].fault == "half_written" and listings["learner"].complete


def test_codes_that_were_cut_are_not_two_groups_made_one(school: School) -> None:
    big = School.seeded(5, 600, TERM, weeks=1)
    listings = Meeting(big, long_codes=True).ask(whole_run)
    assert listings["group"].fault == "drift" and "cut?" in listings["group"].fault_line


def test_the_newest_of_several_exports_counts_and_half_made_ones_do_not(school: School, tmp_path: Path) -> None:
    def run(client: FilesClient) -> Awaitable[dict[Kind, Listing]]:
        content = (tmp_path / "seances.xlsx").read_bytes()
        for name, age in (("seances-old.xlsx", -7200), ("seances.xlsx.tmp", 5), ("~$seances.xlsx", 5)):
            path = tmp_path / name
            path.write_bytes(content[:-50])
            at = NOW.timestamp() + age
            os.utime(path, (at, at))
        return whole_run(client)

    assert Meeting(school, tmp_path).ask(run)["sheet"].complete


def test_filters_by_structure_and_by_action(school: School) -> None:
    meeting = Meeting(school)
    everybody = meeting.ask(whole_run)
    site = {one.identity: one.site for one in school.learners}
    some = meeting.ask(whole_run, structureId=("S001",))
    code = meeting.simulator.code_of
    assert {e.id for e in some["learner"].entries} == {code(i) for i, s in site.items() if s == school.sites[0]}
    group = code("G001")
    one = meeting.ask(whole_run, filterActions=(group,))
    assert [e.id for e in one["group"].entries] == [group]
    assert 0 < len(one["sheet"].entries) < len(everybody["sheet"].entries)


@pytest.mark.parametrize(("local", "gone"), [(True, "unknown"), (False, "gone")])
def test_R13_a_file_that_lies_there_proves_nothing_twice(
    school: School, tmp_path: Path, local: bool, gone: str
) -> None:
    """In a folder that nobody writes to any more, the second reading is the first; a new export is not."""
    meeting = Meeting(school, tmp_path if local else None)
    later = next(one for one in school.sessions if one.day > WEEK.last)

    async def run(client: FilesClient) -> list[str]:
        await whole_run(client)
        await asyncio.sleep(3600)
        await whole_run(client)
        code = meeting.simulator.code_of
        found = [
            await client.find("sheet", code(later.identity), WEEK, None),
            await client.find("sheet", "SEA9", WEEK, None),
            await client.find("learner", code(school.learners[0].identity), WEEK, None),
        ]
        return [one.state for one in found]

    assert meeting.ask(run) == ["alive", gone, "alive"]


def test_check_and_what_it_can_do(school: School) -> None:
    async def run(client: FilesClient) -> None:
        findings = await client.check()
        assert all(one.ok for one in findings), findings
        write = next(one for one in client.capabilities if one.name == "write absences")
        assert not write.on and write.why_off and client.attendance is None and client.form is not None
        assert client.silent == {"speaker": {"phone"}}

    Meeting(school).ask(run)
    findings = Meeting(school).ask(lambda client: client.check(), password="", user="")
    assert [one.detail for one in findings] == ["unauthorized"]


def test_an_unchanged_file_is_not_parsed_again(school: School, monkeypatch: pytest.MonkeyPatch) -> None:
    from connectors.files import client as module

    parsed: list[int] = []

    def counted(content: bytes, worksheet: str) -> Table:
        parsed.append(1)
        return read(content, worksheet)

    monkeypatch.setattr(module, "read", counted)

    async def twice(client: FilesClient) -> None:
        await whole_run(client)
        await whole_run(client)

    Meeting(school).ask(twice)
    # People stand in one file, for learners and for speakers.
    assert len(parsed) == 3


def test_people_may_be_exported_by_hand(school: School, tmp_path: Path) -> None:
    meeting = Meeting(school)

    async def run(_client: FilesClient) -> Any:
        one = next(one for one in school.learners if one.left is None)
        meeting.simulator.hands["edit"](one.identity, "email", "neuf@x.example")
        return meeting.simulator.hands["export"](str(tmp_path))

    assert meeting.ask(run) == ["20260914-VIE_PERSONNE.xls", "inscriptions.csv", "seances.xlsx"]
    people = read((tmp_path / "20260914-VIE_PERSONNE.xls").read_bytes())
    assert any("neuf@x.example" in row for row in people.rows)


def test_a_row_without_a_key_is_told_of_not_dropped(school: School, tmp_path: Path) -> None:
    meeting = Meeting(school, tmp_path, people="csv")

    def run(client: FilesClient) -> Awaitable[dict[Kind, Listing]]:
        path = tmp_path / "20260914-VIE_PERSONNE.csv"
        heading, first, *others = path.read_text("utf-8-sig").splitlines()
        bare = first[first.index(";") :]
        path.write_text("\n".join([heading, bare, *others]) + "\n", encoding="utf-8")
        os.utime(path, (NOW.timestamp(), NOW.timestamp()))
        return whole_run(client)

    listing = meeting.ask(run)["learner"]
    (entry,) = (entry for entry in listing.entries if entry.id == "#2")
    assert listing.complete and [(p.code, p.row) for p in entry.problems] == [("no_key", True)]
    assert entry.where == "20260914-VIE_PERSONNE.csv › 2"


@pytest.mark.parametrize(
    "body",
    [
        b'<!DOCTYPE x [<!ENTITY a "aaaa">]><D:multistatus xmlns:D="DAV:">&a;</D:multistatus>',
        b"<html><body>Sign in</body></html>",
        b"<D:multistatus",
        b"",
    ],
)
def test_a_listing_that_is_none_is_refused(body: bytes) -> None:
    async def run() -> list[str]:
        client = connector.open(
            AmmonSettings(folder="https://files.example/export"),
            Surroundings(
                connection="dijon", zone=PARIS, country="FR", clock=SystemClock(), secret=str,
                transport=httpx.MockTransport(lambda _request: httpx.Response(207, content=body)),
            ),
        )  # fmt: skip
        listing = await client.listing("learner", WEEK)
        await client.close()
        return [listing.fault]

    assert asyncio.run(run()) == ["not_json"]


def test_what_is_known_of_ammon_is_said_kind_by_kind(school: School) -> None:
    async def run(client: FilesClient) -> dict[str, str]:
        return {one.name: one.certainty for one in client.capabilities}

    assert Meeting(school).ask(run) == {
        "read speakers": "seen",
        "read learners": "seen",
        "read groups": "unknown",
        "read sheets": "unknown",
        "write absences": "unknown",
    }
