from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS.glob("*.ipynb"), ids=lambda path: path.stem)
def test_a_notebook_runs_from_top_to_bottom(path, tmp_path):
    notebook = nbformat.read(path, as_version=4)
    assert all(not cell.get("outputs") for cell in notebook.cells)  # results are not committed
    shorter = 0  # sounds, to be quick
    for cell in notebook.cells:
        shorter += "SECONDS = 2.0" in cell.source
        cell.source = cell.source.replace("SECONDS = 2.0", "SECONDS = 0.25")
    assert shorter == 1
    client = NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(tmp_path)}})
    client.execute()
    shown = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    players = [o for o in shown if "<audio" in o.get("data", {}).get("text/html", "")]
    pictures = [o for o in shown if "<svg" in o.get("data", {}).get("text/html", "")]
    assert (len(players), len(pictures)) == (8, 9)
