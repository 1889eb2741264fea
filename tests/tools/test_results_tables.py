import json
import runpy
from pathlib import Path

import pytest

TOOL = runpy.run_path(str(Path(__file__).parents[2] / "tools/results_tables.py"))


@pytest.mark.parametrize("page", TOOL["PAGES"], ids=lambda path: path.parent.name)
def test_the_tables_are_those_of_the_results(page):
    text = page.read_text()
    assert "<!-- table1 " in text
    assert TOOL["with_tables"](text) == text


def test_a_table_holds_the_scores():
    results = json.loads((TOOL["RESULTS"] / "soundfont.json").read_text())
    page = "a\n<!-- table1 soundfont short -->\nold\n<!-- end -->\nb\n"
    written = TOOL["with_tables"](page)
    assert written.startswith("a\n<!-- table1 soundfont short -->\n| ")
    assert written.endswith("|\n<!-- end -->\nb\n")
    assert "old" not in written
    score = results["rows"]["wavenet"]["pitch_accuracy"]
    mean, low, high = (f"{100 * score[key]:.1f}" for key in ("mean", "low", "high"))
    assert f"| WaveNet | {mean} ({low} to {high}) | " in written
