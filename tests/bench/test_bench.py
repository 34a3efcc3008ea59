"""That the measurements work; never how fast anything is."""

import json
import shutil
from pathlib import Path

import pytest

from tests.bench import __main__, results
from tests.bench.results import Row

_MACHINE = {
    "date": "today",
    "commit": "abc",
    "cpu": "a CPU",
    "cores": 2,
    "system": "Linux",
    "python": "3.11",
    "load_average": "0",
}


def test_measures_every_row_and_writes_table_data_and_picture(tmp_path: Path) -> None:
    assert __main__.main(["--quick", "--no-fleet", "--out", str(tmp_path)]) == 0
    data = json.loads((tmp_path / "bench.json").read_text())
    assert len([row for row in data["rows"] if row["target"] is not None]) == 10
    assert all(row["measured"] > 0 for row in data["rows"])
    assert data["machine"]["cores"] >= 1
    page = (tmp_path / "performance.md").read_text()
    assert all(f"| {row['what']} |" in page for row in data["rows"])
    assert {part["process"] for part in data["curves"]["profile"]["parts"]} == {"front", "NPU"}
    assert "| front | Sanic: HTTP, routing, sending |" in page
    assert "<svg" in (tmp_path / "performance-load.svg").read_text()


def test_a_figure_at_its_limit_is_met() -> None:
    assert Row("a", "b", 1.03, "", 1.03).met is True
    assert Row("a", "b", 1.031, "", 1.03).met is False
    assert Row("a", "b", 0.99, "", 0.99, at_least=True).met is True
    assert Row("a", "b", 0.989, "", 0.99, at_least=True).met is False
    assert Row("a", "b", 7, "").met is None


def test_the_page_keeps_what_stands_around_its_table(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- bench: begin -->\nold\n<!-- bench: end -->\nafter\n")
    results.rewrite(page, "bench", results.markdown([Row("a", "b", 1.5, "3 / 2", 2)], _MACHINE))
    text = page.read_text()
    assert text.startswith("before\n")
    assert text.endswith("\nafter\n")
    assert "| a | b | 1.5 | 2 or less | yes | 3 / 2 |" in text
    assert "old" not in text
    page.write_text("no markers")
    with pytest.raises(ValueError, match="has no"):
        results.rewrite(page, "bench", "table")


@pytest.mark.parametrize("name", ["bench", "profile"])
def test_the_documentation_has_the_markers(name: str, tmp_path: Path) -> None:
    copy = Path(shutil.copy(__main__._PAGE, tmp_path))
    results.rewrite(copy, name, "table")
    assert "\ntable\n" in copy.read_text()
