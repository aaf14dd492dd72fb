"""What the reference leaves open about Aimaira, one switch each."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

DEMO_PASSWORD = "aimaira-demo-password"


class AimairaSwitches(BaseModel):
    """Each comment says how sure its choice is: documented, (I) inferred, (U) unknown."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    # Documented: both ways in work.
    user: str = "DEMO\\api@aimaira.example"
    password: str = DEMO_PASSWORD
    api_key: str = "aimaira-demo-api-key"
    # (U) Paging: a next link, a silent cut at the page size (the rest by $skip or beyond the last key), or
    # everything in one answer.
    paging: Literal["next_link", "cut", "whole"] = "next_link"
    page_size: int = 200
    # (U) At most so many rows of an expanded collection, the rest by a link of its own; 0: all.
    expanded_rows: int = 0
    # (U) Whether next links are whole addresses or begin at the root.
    links: Literal["absolute", "relative"] = "absolute"
    # (I) `$count=true`: answered, ignored, or refused.
    count: Literal["answered", "ignored", "refused"] = "answered"
    # (U) `$skip`: taken, or refused.
    skip: Literal["taken", "refused"] = "taken"
    # (U) Filters by an event's times.
    filter_by_time: Literal["taken", "refused"] = "taken"
    # (U) Which navigation is declared: every key's, only what is documented, or none.
    navigation: Literal["all", "proven", "none"] = "all"
    # (U) Whether `$metadata` is shown.
    metadata: Literal["shown", "forbidden"] = "shown"
    # (U) Where the title of an event is: in its own Nom, or only in its class meeting's course.
    title: Literal["event", "course"] = "course"
    # (I) What `Reference` of a row is: the person's or room's key, or nothing.
    reference: Literal["key", "nothing"] = "key"
    # (I) Whether the group stands on an event beside its learners.
    group_rows: Literal["beside", "none"] = "beside"
    # Documented: after a move the rows' own times stay behind; (U) whether their copy of the event's does too.
    row_times: Literal["all_lag", "own_lag", "follow"] = "all_lag"
    # (U) A cancelled event: still there with Annule, or gone.
    cancelled: Literal["listed", "gone"] = "listed"
    # (U) Whether learners who left stay members of their sequence.
    departed_members: Literal["stay", "leave"] = "stay"
    # (I) Whether a departure takes the learner off the events after it.
    departed_off_sessions: bool = True
    # (I) Names in use filled beside the civil ones, or empty where they are the same.
    names_in_use: Literal["filled", "empty"] = "filled"
    # Documented: 401 is not JSON; (U) which text.
    unauthorized: Literal["html", "empty"] = "html"
    # (I) The body of an error: ASP.NET's OData form, or a page.
    errors: Literal["odata", "html"] = "odata"
    # (U) Whether this user may write attendance.
    may_write: bool = True
    # Fields, by "Entity.Field", that are declared but not shown.
    hidden: tuple[str, ...] = ()
    # Fields, by "Entity.Field", that do not exist here.
    absent: tuple[str, ...] = ()
    # Seconds before each answer.
    latency: float = 0.0
