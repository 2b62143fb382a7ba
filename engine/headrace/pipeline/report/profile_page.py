"""The page of a profile: what is in a table, pictures first, then every figure, then the schema that it suggests."""

from __future__ import annotations

from collections.abc import Iterator

from headrace.data.profiling import ColumnProfile, Profile, SchemaProposal, python_source
from headrace.pipeline.report import numbers
from headrace.pipeline.report.frame import Section, document, header
from headrace.pipeline.report.markup import Markup, element
from headrace.pipeline.report.pictures import columns
from headrace.pipeline.report.tables import Cell, code, number, table, words
from headrace.pipeline.report.tiles import tile

_PAIRS = 30
_VALUES = 5


def render_profile(name: str, profile: Profile, proposal: SchemaProposal, command: str) -> str:
    """Give the whole page. Equal profiles give equal text.

    Args:
        name: of the table, or of the file without its ending.
        profile: what was found.
        proposal: the schema it suggests.
        command: what writes this page again.
    """
    pictures = (
        Section("columns", "Columns", _some(columns.gallery(name, profile))),
        Section("time", "Rows over time", tuple(_timelines(profile))),
        Section(
            "together",
            "Missing values and correlations",
            _some(columns.missing(profile), columns.correlations(profile.correlations)),
        ),
        Section("tables", "Tables", tuple(_tables(profile))),
        Section("reproduce", "Proposed schema", tuple(_ending(name, proposal, command))),
    )
    facts = [element("span", "profile"), element("span", profile.source or name)]
    tiles = element("dl", _tiles(profile, proposal), class_="tiles")
    top = header(facts, None, _sentence(name, profile), tiles)
    return document(f"{name} \u00b7 profile \u00b7 headrace", top, [part for part in pictures if part.body])


def _sentence(name: str, profile: Profile) -> str:
    shape = f"{name} has {numbers.plural(profile.rows, 'row')} and {numbers.plural(len(profile.columns), 'column')}"
    findings = []
    lacking = max(profile.columns, key=lambda column: column.nulls + column.nan)
    absent = lacking.nulls + lacking.nan
    if profile.rows and absent:
        findings.append(f"{lacking.name} misses most values ({numbers.percent(absent / profile.rows)})")
    constant = [column.name for column in profile.columns if column.distinct == 1 and column.nulls < profile.rows]
    if constant:
        findings.append(f"{constant[0]} never changes" if len(constant) == 1 else f"{len(constant)} never change")
    strongest = profile.correlations.strongest(1)
    if strongest and abs(strongest[0][2]) >= columns.WRITTEN:
        left, right, value = strongest[0]
        findings.append(f"{left} and {right} move together ({numbers.metric(value, 2)})")
    return f"{shape}: {', '.join(findings)}." if findings else f"{shape}, and every row has every value."


def _tiles(profile: Profile, proposal: SchemaProposal) -> Iterator[Markup]:
    kinds = [column.kind for column in profile.columns]
    spoken = ", ".join(f"{kinds.count(kind)} {kind}" for kind in dict.fromkeys(kinds))
    yield tile("Rows", numbers.count(profile.rows), profile.source)
    yield tile("Columns", numbers.count(len(profile.columns)), spoken)
    cells = profile.rows * len(profile.columns)
    absent = sum(column.nulls + column.nan for column in profile.columns)
    mark = "warn" if absent else ""
    yield tile("Missing", numbers.percent(absent / cells if cells else None), f"of {numbers.count(cells)} values", mark)
    keys = ", ".join(proposal.keys) or "no column without repeats"
    yield tile("Key candidates", numbers.count(len(proposal.keys)), keys)


def _timelines(profile: Profile) -> Iterator[Markup]:
    for position, column in enumerate(profile.columns):
        if column.kind == "time" and column.histogram is not None:
            yield columns.timeline(position, column)


def _tables(profile: Profile) -> Iterator[Markup]:
    headings = ("column", "type", "nulls", "null share", "NaN or infinite", "distinct", "unique", "most frequent")
    yield table("t-columns", "Columns", headings, [_overview(column, profile.rows) for column in profile.columns])
    numeric = [column for column in profile.columns if column.kind in ("int", "float") and column.quantiles]
    if numeric:
        names: tuple[str, ...] = (
            "column", "least", "p01", "p05", "p25", "p50", "p75", "p95", "p99", "most", "mean", "std", "skewness",
            "kurtosis", "zeros", "negative",
        )  # fmt: skip
        yield table("t-numbers", "Numbers", names, [_numbers(column) for column in numeric])
    texts = [column for column in profile.columns if column.lengths]
    if texts:
        names = ("min", "p50", "mean", "p95", "p99", "max", "empty")
        rows = [[code(column.name), *(_quantity(column.lengths[name]) for name in names)] for column in texts]
        yield table("t-lengths", "Lengths of strings, in characters", ("column", *names), rows)
    gaps = [(column, gap) for column in profile.columns for gap in column.gaps]
    if gaps:
        rows = [
            [code(column.name), words(gap.start), words(gap.end), number(numbers.count(gap.seconds), gap.seconds)]
            for column, gap in gaps
        ]
        yield table("t-gaps", "Longest stretches without a row", ("column", "from", "to", "seconds"), rows)
    pairs = profile.correlations.strongest(_PAIRS)
    if pairs:
        rows = [[code(left), code(right), number(numbers.metric(value), value)] for left, right, value in pairs]
        yield table("t-correlations", "Strongest correlations", ("column", "and", "Pearson"), rows)


def _ending(name: str, proposal: SchemaProposal, command: str) -> Iterator[Markup]:
    yield element("p", "Ranges say what came, not what may come: review every line, then keep it in the project file.")
    yield element("pre", element("code", python_source(proposal, name)), class_="source", tabindex="0")
    yield element("ol", element("li", element("code", command), element("span", "this page again")), class_="commands")


def _overview(column: ColumnProfile, rows: int) -> list[Cell]:
    about = "" if column.distinct_exact else "about\u00a0"
    least = "at least\u00a0" if column.top_error else ""
    top = ", ".join(f"{top.value} ({least}{numbers.count(top.count)})" for top in column.top[:_VALUES])
    unique = {True: "yes", False: "no", None: "not known" if column.distinct else ""}[column.unique]
    share = column.nulls / rows if rows else None
    odd = column.nan + column.infinite
    return [
        code(column.name),
        words(column.dtype or column.arrow),
        number(numbers.count(column.nulls), column.nulls),
        number(numbers.percent(share), share),
        number(numbers.count(odd), odd),
        number(f"{about}{numbers.count(column.distinct)}", column.distinct),
        words(unique),
        words(top),
    ]


def _numbers(column: ColumnProfile) -> list[Cell]:
    figures = (
        column.min, *column.quantiles.values(), column.max, column.mean, column.std, column.skewness, column.kurtosis,
    )  # fmt: skip
    counts = (column.zeros, column.negatives)
    return [
        code(column.name),
        *(_quantity(figure) for figure in figures),
        *(number(numbers.count(figure), figure) for figure in counts),
    ]


def _quantity(value: float | None) -> Cell:
    return number("0" if value == 0 else numbers.compact(value), value)


def _some(*parts: Markup | None) -> tuple[Markup, ...]:
    return tuple(part for part in parts if part is not None)
