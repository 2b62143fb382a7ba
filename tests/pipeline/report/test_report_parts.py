"""Parts may be absent, empty or undefined: their pictures are left out, the rest of the page stands."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest

from headrace.core.errors import InvalidInputError
from headrace.pipeline.report import RunReport
from headrace.pipeline.report import model as m
from headrace.pipeline.report.gallery import sections
from headrace.pipeline.report.listing import tables
from headrace.pipeline.report.page import render
from headrace.pipeline.report.tiles import tiles

NAN = float("nan")
EMPTY = RunReport(project="examples/flights", model="late 1", question="Late?", digest="4f1c9a2e" * 8)
PARTS = [
    field.name
    for field in fields(RunReport)
    if field.name not in {"project", "model", "question", "digest", "positives"}
]


def test_an_empty_report_is_a_page_with_a_verdict() -> None:
    page = render(EMPTY)
    assert "The run of examples/flights finished." in page
    assert sections(EMPTY) == []
    assert tables(EMPTY) == []
    assert tiles(EMPTY) is None
    assert "<svg" not in page


@pytest.mark.parametrize("part", PARTS)
def test_each_part_alone_makes_a_page(report: RunReport, part: str) -> None:
    alone = replace(EMPTY, **{part: getattr(report, part)})
    assert render(alone).endswith("</html>\n")


@pytest.mark.slow
@pytest.mark.parametrize("part", ["evaluation", "stages"])
def test_a_part_others_refer_to_can_be_missing(report: RunReport, part: str) -> None:
    absent = {"finished_at": ""}.get(part, () if isinstance(getattr(report, part), tuple) else None)
    assert render(replace(report, **{part: absent})).endswith("</html>\n")


def test_evaluation_without_a_baseline_and_without_curves(report: RunReport) -> None:
    bare = m.ScorerQuality("late 1", m.Estimate(0.7))
    page = render(replace(EMPTY, evaluation=m.Evaluation("test", 10, 3, bare)))
    assert 'id="t-scorers"' in page
    assert 'id="p-roc"' not in page
    assert report.evaluation is not None
    alone = replace(report.evaluation, naive=None)
    assert "ranks late flights with AUC 0.774" in render(replace(EMPTY, positives="late flights", evaluation=alone))


def test_undefined_figures_show_as_a_dash() -> None:
    undefined = m.Estimate(NAN)
    report = replace(
        EMPTY,
        evaluation=m.Evaluation(
            "test",
            0,
            0,
            m.ScorerQuality("late 1", undefined, calibration=(m.CalibrationBin(NAN, undefined, 0),)),
            slices=(m.SliceQuality("carrier", "UA", 0, undefined),),
        ),
        gates=(m.GateResult("auc", False, undefined, "at least 0.7", "no positive row", 0.7),),
        retraining=m.Retraining("skipped", "schedule", "the inputs did not change", 0),
        performance=(m.PerformancePeriod("4 Nov", 10, 0, None),),
    )
    page = render(report)
    assert ">nan<" not in page
    assert "nan" not in page.replace("finance", "").split("<main", 1)[1].split("<script", 1)[0]
    assert "Retraining was skipped: the inputs did not change" in page
    assert "Not enough labels arrived" in page


def test_degenerate_histograms_and_constant_columns() -> None:
    one = m.Histogram((3.0, 3.0), (7,))
    none = m.Histogram((0.0, 1.0), (0,))
    columns = (
        m.ColumnProfile("t", "constant", "int64", 7, 0, histogram=one, minimum=3, mean=3, maximum=3),
        m.ColumnProfile("t", "empty", "float64", 7, 7, histogram=none),
        m.ColumnProfile("t", "nothing", "string", 0, 0),
        m.ColumnProfile("t", "flag", "bool", 7, 0, top=(m.CategoryCount("true", 7),), distinct=1),
    )
    service = m.Service(1, 1, 0.4, 0.4, m.Histogram((0.4, 0.4), (1,)))
    page = render(replace(EMPTY, data=m.DataProfile((), columns), service=service))
    assert page.count('class="picture small"') == 3
    assert "empty misses most values: 100" in page


def test_failed_and_skipped_stages_are_said(report: RunReport) -> None:
    skipped = tuple(replace(run, status="skipped", seconds=0.05) for run in report.stages)
    assert "Nothing had changed: all 9 stages were skipped" in render(replace(EMPTY, stages=skipped))
    failed = (*report.stages[:2], m.StageRun("features", "failed", 0.2, "column 'arr_dealy' does not exist"))
    page = render(replace(EMPTY, stages=failed))
    assert "The run stopped in features" in page
    assert "stage features failed" in page


def test_json_round_trip(report: RunReport) -> None:
    assert RunReport.from_json(report.to_json()) == report
    assert RunReport.from_json(EMPTY.to_json()) == EMPTY


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"project": 3}'])
def test_what_is_no_report_is_refused(text: str) -> None:
    with pytest.raises(InvalidInputError, match="not a run report"):
        RunReport.from_json(text)
