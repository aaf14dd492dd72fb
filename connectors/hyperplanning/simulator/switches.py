"""What the reference leaves open about Hyperplanning, one switch each."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

DEMO_USER = "rollcall"
DEMO_PASSWORD = "hyperplanning-demo-password"


class HyperplanningSwitches(BaseModel):
    """Each comment says how sure its choice is: (I) inferred, (U) unknown, or seen in client code."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    user: str = DEMO_USER
    password: str = DEMO_PASSWORD
    # (I) 401 for bad credentials.
    unauthorized_status: Literal[401, 403] = 401
    # (U) Where REST answers, and (a setting of the server) SOAP.
    prefix: str = "/hp/api/v1"
    soap_root: str = "/hpsw"
    # (U) The most important unknown: what the e-mail field is called.
    email_field: Literal["email", "e_mail", "mail"] = "email"
    # (U) A name in `select` that is no field: left out, or an error.
    unknown_select: Literal["ignored", "refused"] = "ignored"
    # (U) What comes without `select`.
    default_fields: Literal["all", "few"] = "all"
    # (U) What date_debut and date_fin do on /cours, /absences and the bulk details.
    dates: Literal["honoured", "ignored", "refused"] = "honoured"
    # (C-) The bulk form of detail_seances_placees is in a scaffold only.
    bulk_details: bool = True
    # (U) The status of an error, whose body has an integer `code`.
    error_status: Literal[200, 400, 422] = 400
    # Seen: code 1 where a record has no rubrics; (I) an empty list.
    no_rubrics: Literal["code", "empty"] = "code"
    # (U) Whether REST labels local times as UTC, as SOAP does (seen twice).
    false_z: bool = False
    # (U) What REST counts `duree` in; SOAP counts days (documented).
    rest_duration: Literal["days", "hours", "minutes"] = "days"
    # (I) Whether a placed session names its learners.
    session_learners: bool = True
    # (I) Whether REST tells parent courses.
    parent_field: bool = True
    # Every so many groups one is a TD group of the promotion before it; 0 for none.
    td_every: int = Field(default=3, ge=0)
    # (I) A learner who left stands in no group any more, or in no list at all.
    departed: Literal["unassigned", "deleted"] = "unassigned"
    # (U) Adding an absence that stands already.
    same_absence: Literal["doubled", "merged", "refused"] = "doubled"
    # (U) What an absence write answers.
    write_answer: Literal["key", "nothing"] = "key"
    # (U) Whether the user may write.
    write_right: bool = True
    # (I) Whether DetailDesSeancesPlaceesDuCours names people and rooms, or only what clients were seen to read.
    soap_detail: Literal["full", "short"] = "full"
    # Seen: addresses in the WSDL name an inner host.
    soap_address: Literal["inner", "own"] = "inner"
    # Seconds before each answer.
    latency: float = 0.0
