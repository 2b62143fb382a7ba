"""README's examples work as they stand."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from headrace.cli.main import app
from headrace.pipeline.project import load_project

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()


def blocks(language: str) -> list[str]:
    fenced = re.findall(r"```(\w*)\n(.*?)```", README, flags=re.DOTALL)
    return [text for found, text in fenced if found == language]


def test_the_project_file_loads(tmp_path):
    (tmp_path / "project.py").write_text(blocks("python")[0])
    project, _ = load_project(tmp_path)
    assert list(project.sources) == ["flights"]


def test_every_command_in_it_exists_with_its_options():
    lines = [line.split("#")[0].split() for block in blocks("") for line in block.splitlines()]
    commands = [words[1:] for words in lines if words[:1] == ["headrace"] and words[1:2] not in ([], ["run"])]
    assert len(commands) >= 4
    for words in commands:
        path = words[:2] if words[0] in {"release", "features", "data", "runs", "package", "models"} else words[:1]
        shown = CliRunner().invoke(app, [*path, "--help"], env={"COLUMNS": "200"})
        assert shown.exit_code == 0
        for option in (word for word in words if word.startswith("--")):
            assert option in shown.output, f"{' '.join(path)} has no {option}"


def test_its_links_lead_somewhere():
    for target in re.findall(r"\]\(([^)#:]+)\)", README):
        assert (ROOT / target).exists(), target


@pytest.mark.slow
def test_its_make_targets_exist():
    shown = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for target in re.findall(r"make ([a-z-]+)", README):
        if target not in ("and", "it"):
            assert target in shown, target
    assert sys.version_info >= (3, 11)
