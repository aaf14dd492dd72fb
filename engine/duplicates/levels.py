"""How far two people agree, field by field, as SQL: normal forms, pairs worth comparing, comparison levels.

Each field of a pair gets a level; what a level is worth stands in `weights.json`. Missing on either side is
level 0 and says nothing. The levels, best first:

* first name: 5 equal, 4 more or fewer of the same names, or cut short, 3 a letter or a sound apart, 2 alike or
  an initial, 1 different, 6 alike although both are common names here (Léa, Léo)
* last name: 5 equal, 4 a shared part, 3 a sound or a little apart, 2 alike, 1 different
* birth date: 4 equal, 3 day and month changed over or a digit apart, 2 close, 1 different, 5 equal with another
  first name (a twin)
* e-mail: 4 equal, 6 the same mailbox on another domain, 7 that too but made of the name alone, 3 two letters
  apart, 2 alike, 1 different, 5 shared with another first name (a family), 8 an office's that many use
* phone: 3 equal, 2 a digit apart, 1 different, 4 shared with another first name
* group: 2 the same, 1 another; ERP id: 2 the same
* rarity: 1 nobody else is expected to bear this name by chance, up to 5 for two or more
"""

from __future__ import annotations

FIELDS: tuple[str, ...] = ("first", "last", "born", "email", "phone", "group", "erp_id", "rarity")
"""The fields compared, in the order evidence is shown."""

_LETTERS = {"ł": "l", "đ": "d", "ı": "i", "ø": "o", "œ": "oe", "æ": "ae", "ß": "ss"}
_SOUNDS = (
    ("ph", "f"), ("th", "t"), ("sch", "x"), ("ch", "x"), ("sh", "x"), ("gn", "n"), ("qu", "k"), ("ck", "k"),
    ("ce", "s"), ("ci", "s"), ("cy", "s"), ("c", "k"), ("q", "k"), ("ge", "j"), ("gi", "j"),
    ("w", "v"), ("z", "s"),
)  # fmt: skip
"""Spellings that sound alike in French, replaced in this order before vowels and doubled letters go."""

_PARTICLES = (
    "de", "du", "des", "d", "la", "le", "les", "l", "da", "dos", "do", "del", "di", "van", "von", "el", "al",
    "ben", "bin", "st",
)  # fmt: skip


def _letters(text: str) -> str:
    for letter, plain in _LETTERS.items():
        text = f"replace({text}, '{letter}', '{plain}')"
    return text


def _sounds(text: str) -> str:
    for spelling, sound in _SOUNDS:
        text = f"replace({text}, '{spelling}', '{sound}')"
    text = f"regexp_replace({text}, '[aeiouyh]', '', 'g')"
    for letter in "bdfgjklmnprstvx":
        text = f"regexp_replace({text}, '{letter}{{2,}}', '{letter}', 'g')"
    return text


SCHEMA = f"""
create table person (
    n integer, id varchar, side varchar, kind varchar, last_name varchar, first_name varchar, born varchar,
    email varchar, phone varchar, "group" varchar, erp_id varchar
);
create macro folded(x) as
    trim(regexp_replace({_letters("strip_accents(lower(x))")}, '[^\\p{{L}}\\p{{N}}]+', ' ', 'g'));
create macro skeleton(x) as {_sounds("x")};
create macro address(x) as
    regexp_replace(strip_accents(lower(x)), '^.*(mailto:|<)|>.*$|[\\s\\p{{Z}}]+', '', 'g');
create macro digits(x) as
    regexp_replace(regexp_replace(x, '[^0-9]', '', 'g'), '^(00)?33(0?)([1-9][0-9]{{8}})$', '0\\3');
create macro one_edit(a, b) as abs(length(a) - length(b)) <= 1 and damerau_levenshtein(a, b) <= 1;
create macro two_edits(a, b) as abs(length(a) - length(b)) <= 2 and damerau_levenshtein(a, b) <= 2;
"""
"""`person` holds people as they were given, the rest is made of them."""

NORMAL = f"""
with folded_ as (
    select n, id, side, kind, folded(first_name) as f, folded(last_name) as l,
        try_cast(nullif(trim(born), '') as date) as d, address(email) as m, digits(phone) as p,
        nullif(folded("group"), '') as g, nullif(trim(erp_id), '') as x
    from person where n > $after
), parted as (
    select *, replace(f, ' ', '') as fg, replace(l, ' ', '') as lg,
        list_filter(string_split(f, ' '), lambda t: t <> '') as ft,
        list_filter(string_split(l, ' '), lambda t: t <> '') as lt,
        regexp_replace(split_part(m, '@', 1), '[+].*$', '') as box
    from folded_
)
select n, id, side, kind, fg as f, lg as l, ft, lt,
    list_filter(lt, lambda t: length(t) > 1 and not list_contains({list(_PARTICLES)}, t)) as lw,
    array_to_string(list_sort(list_distinct(list_concat(ft, lt))), ' ') as words,
    skeleton(fg) as fs, skeleton(lg) as ls,
    d, strftime(d, '%Y%m%d') as dt,
    case when contains(m, '@') then m end as m, case when contains(m, '@') then box end as box,
    case when length(p) >= 6 then p end as p, g, x
from parted
"""
"""People after number $after in the forms they are compared in: names folded and glued (f, l), their words
(ft, lt, lw without particles), their sounds (fs, ls), day, address and mailbox, digits, group, ERP id."""

NAMES = """
create or replace table first_name as select f, count(*) as many from normal where f <> '' group by f;
create or replace table last_name as select l, count(*) as many from normal where l <> '' group by l;
create or replace table mailbox as
    select m, count(distinct l) as bearers from normal where m is not null group by m having count(*) > 2;
"""

_KEYS: tuple[tuple[str, ...], ...] = (
    ("m",), ("case when length(box) >= 4 then box end",), ("p",), ("x",), ("words",),
    ("l", "f[:2]"), ("ls", "f[:3]"), ("f", "l[:4]"), ("dt", "f[:2]"), ("dt", "l[:3]"), ("fs", "ls[:2]", "g"),
    ("ft[1]", "lt[-1]"),
)  # fmt: skip
_CROSSED: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...] = (
    (("f[:3]", "l[:3]"), ("l[:3]", "f[:3]")),
    (("dt", "f[:2]"), ("dt", "l[:2]")),
)
"""First and last name typed in each other's place."""


def _key(rule: int, parts: tuple[str, ...], turned: bool) -> str:
    there = " and ".join(f"coalesce({part}, '') <> ''" for part in parts)
    return (
        f"select {rule} as rule, {' || chr(31) || '.join(parts)} as k, {turned} as turned, n, kind "
        f"from normal where n > $after and {there}"
    )


KEYS = " union all ".join(
    [_key(rule, parts, False) for rule, parts in enumerate(_KEYS)]
    + [
        _key(len(_KEYS) + rule, parts, turned)
        for rule, both in enumerate(_CROSSED)
        for parts, turned in zip(both, (False, True), strict=True)
    ]
)
"""What each person is looked up by: two of a kind that share a key are worth comparing. A part that is empty
keeps a person out. `turned` keys meet only keys that are not."""

CANDIDATES = f"""
create or replace temp table candidate as
select distinct least(a.n, b.n) as na, greatest(a.n, b.n) as nb
from key a join key b on a.rule = b.rule and a.k = b.k and a.kind = b.kind
where a.n > $after and (b.n <= $after or a.n < b.n or a.rule >= {len(_KEYS)}) and a.n <> b.n
    and (a.rule < {len(_KEYS)} or a.turned <> b.turned)
"""
"""Pairs of which at least one is after number $after."""

LEVELS = """
create or replace temp table levels as
with named as (
    select normal.*, coalesce(first_name.many, 0) as fk, coalesce(turned.many, 0) as lk,
        coalesce(first_name.many, 0) * coalesce(last_name.many, 0) / $people as expected,
        coalesce(bearers, 1) as bearers
    from normal left join first_name using (f) left join last_name using (l)
    left join first_name turned on turned.f = normal.l
    left join mailbox using (m)
    where n in (select na from candidate union select nb from candidate)
), both_ as (
    select jaro_winkler_similarity(a.f, b.l) as jfl, jaro_winkler_similarity(a.l, b.f) as jlf,
        jaro_winkler_similarity(a.f, b.f) as jff, jaro_winkler_similarity(a.l, b.l) as jll, a, b
    from candidate c join named a on a.n = c.na join named b on b.n = c.nb
), turned as (
    select *, swapped and a.lk > a.fk as left_turned, swapped and a.lk <= a.fk as right_turned from (
        select *, jfl + jlf - jff - jll > 0.15 and jfl > 0.8 and jlf > 0.8 as swapped from both_
    )
), faced as (
    select *,
        case when left_turned then jlf when right_turned then jfl else jff end as jf,
        case when left_turned then jfl when right_turned then jlf else jll end as jl,
        case when left_turned then a.l else a.f end as af, case when left_turned then a.f else a.l end as al,
        case when left_turned then a.lt else a.ft end as aft,
        case when left_turned then a.ft else a.lw end as alw,
        case when left_turned then a.ls else a.fs end as afs,
        case when left_turned then a.fs else a.ls end as als,
        case when left_turned then a.lk else a.fk end as afk,
        case when right_turned then b.l else b.f end as bf, case when right_turned then b.f else b.l end as bl,
        case when right_turned then b.lt else b.ft end as bft,
        case when right_turned then b.ft else b.lw end as blw,
        case when right_turned then b.ls else b.fs end as bfs,
        case when right_turned then b.fs else b.ls end as bls,
        case when right_turned then b.lk else b.fk end as bfk
    from turned
), judged as (
    select *,
        case when af = '' or bf = '' then 0
            when af = bf then 5
            when list_has_all(aft, bft) or list_has_all(bft, aft) then 4
            when jf >= 0.8 and least(afk, bfk) >= $common then 6
            when least(length(af), length(bf)) >= 3 and (starts_with(af, bf) or starts_with(bf, af)) then 4
            when jf >= 0.9 or (afs = bfs and length(bfs) >= 2) or one_edit(af, bf) then 3
            when jf >= 0.8 or list_has_any(aft, bft)
                or (least(length(af), length(bf)) = 1 and af[1] = bf[1]) then 2
            else 1 end as first,
        case when al = '' or bl = '' then 0
            when al = bl then 5
            when list_has_any(alw, blw)
                or (least(length(al), length(bl)) >= 5 and (ends_with(al, bl) or ends_with(bl, al))) then 4
            when jl >= 0.92 or (als = bls and length(bls) >= 3) then 3
            when jl >= 0.84 or (least(length(al), length(bl)) >= 6 and two_edits(al, bl)) then 2
            else 1 end as last,
        case when a.d is null or b.d is null then 0
            when a.d = b.d then 4
            when year(a.d) = year(b.d) and month(a.d) = day(b.d) and day(a.d) = month(b.d) then 3
            when hamming(a.dt, b.dt) = 1 then 3
            when a.dt[:6] = b.dt[:6] then 2
            when a.dt[:4] = b.dt[:4] and (a.dt[5:] = '0101' or b.dt[5:] = '0101') then 2
            when a.dt[7:] = b.dt[7:] and hamming(a.dt, b.dt) = 2 then 2
            else 1 end as day_,
        case when a.m is null or b.m is null then 0
            when a.m = b.m and a.bearers >= 3 then 8
            when a.m = b.m then 4
            when a.box = b.box and length(a.box) >= 6 then
                case when regexp_replace(a.box, '[^a-z]+', '', 'g') in (a.f || a.l, a.l || a.f) then 7
                else 6 end
            when two_edits(a.m, b.m) then 3
            when jaro_winkler_similarity(a.box, b.box) >= 0.92 then 2
            else 1 end as mail_,
        case when a.p is null or b.p is null then 0
            when a.p = b.p then 3
            when one_edit(a.p, b.p) then 2
            else 1 end as phone_,
        case when a.g is null or b.g is null then 0 when a.g = b.g then 2 else 1 end as "group",
        case when a.x = b.x then 2 else 0 end as erp_id,
        greatest(a.expected, b.expected) as chance
    from faced
)
select a.id as left_id, b.id as right_id, a.side as left_side, b.side as right_side, swapped, first, last,
    case when day_ = 4 and first in (1, 6) then 5 else day_ end as born,
    case when mail_ in (3, 4, 6, 7) and first in (1, 6) then 5 else mail_ end as email,
    case when phone_ >= 2 and first in (1, 6) then 4 else phone_ end as phone,
    "group", erp_id,
    case when first = 0 and last = 0 then 0 when chance < 0.03 then 1 when chance < 0.15 then 2
        when chance < 0.6 then 3 when chance < 2 then 4 else 5 end as rarity
from judged
"""
"""The levels of each candidate. $common: how many must bear a first name here for it to be a common one."""
