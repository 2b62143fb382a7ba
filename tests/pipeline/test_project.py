"""Project files: what loads, and what a broken one says."""

import pytest

from headrace.core.errors import DefinitionError, NotFoundError
from headrace.pipeline.fingerprint import describe
from headrace.pipeline.project import Release, load_project

GOOD = """
import headrace as hr

source = hr.CsvSource("rows.csv", columns={"key": "string", "at": "timestamp", "value": "float64"})
rows = hr.EventTable("rows", source=source, keys=["key"], event_time="at")
again = hr.EventTable("again", source=hr.table("rows"), keys=["key"], event_time="at")
features = hr.FeatureSet(
    "set", spine=rows, at="at", row_id="key",
    features=[hr.windows(again, by="key", over=["1h"], values={"value": [hr.Mean()]}), hr.request("value")],
)
model = hr.Model(
    "m", features=features, target=hr.column("value") > 1, split=hr.TimeSplit(train="2020-01-01", valid="2020-02-01")
)
project = hr.Project("p", model=model)
"""


def write(folder, text):
    (folder / "project.py").write_text(text)
    return folder


def test_a_project_loads_from_its_folder_or_its_file(tmp_path):
    folder = write(tmp_path, GOOD)
    project, place = load_project(folder)
    assert project.name == "p"
    assert place == folder.resolve()
    assert load_project(folder / "project.py")[1] == folder.resolve()


def test_sources_are_found_once_through_every_definition(tmp_path):
    project, _ = load_project(write(tmp_path, GOOD))
    assert list(project.sources) == ["rows"]


def test_a_project_has_one_description_in_every_load(tmp_path):
    folder = write(tmp_path, GOOD)
    first = describe(load_project(folder)[0])
    assert describe(load_project(folder)[0]) == first
    assert describe(load_project(write(folder, GOOD.replace("> 1", "> 2")))[0]) != first


def test_a_missing_project_says_where_it_looked(tmp_path):
    with pytest.raises(NotFoundError, match="there is no project at"):
        load_project(tmp_path / "nowhere")


def test_a_broken_file_names_its_line(tmp_path):
    with pytest.raises(DefinitionError, match=r"project.py:5") as caught:
        load_project(write(tmp_path, GOOD.replace('keys=["key"]', 'keys=["key"], evnt=1', 1)))
    assert "evnt" in caught.value.message


def test_a_syntax_error_names_its_line(tmp_path):
    with pytest.raises(DefinitionError, match=r"project.py:2"):
        load_project(write(tmp_path, "a = 1\nb = (\n"))


def test_a_definition_error_keeps_its_text_and_gains_the_place(tmp_path):
    with pytest.raises(DefinitionError, match=r"(?s)1 parsec.*project.py") as caught:
        load_project(write(tmp_path, GOOD.replace('"1h"', '"1 parsec"')))
    assert caught.value.exit_code == 2


def test_a_file_without_a_project_says_how_to_end_it(tmp_path):
    with pytest.raises(DefinitionError, match="defines 0 projects") as caught:
        load_project(write(tmp_path, "import headrace\n"))
    assert "hr.Project(" in caught.value.hint


def test_a_schema_for_an_unknown_table_is_refused(tmp_path):
    text = GOOD.replace('hr.Project("p", model=model)', 'hr.Project("p", model=model, schemas={"rosw": hr.Schema([])})')
    with pytest.raises(DefinitionError, match="rosw"):
        load_project(write(tmp_path, text))


@pytest.mark.parametrize(("share", "requests"), [(0.0, 4000), (1.0, 4000), (0.1, 10)])
def test_a_release_that_shows_nothing_is_refused(share, requests):
    with pytest.raises(DefinitionError):
        Release(share=share, requests=requests)
