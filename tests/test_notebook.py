"""The Python API in a notebook, whose kernel is a process of its own."""

import nbformat
import pytest
from nbclient import NotebookClient
from support import write_runs


def run_cells(folder, *cells):
    """Execute cells in a new kernel, and return the data of the last output by its type."""
    notebook = nbformat.v4.new_notebook()
    notebook.cells = [nbformat.v4.new_code_cell(cell) for cell in cells]
    resources = {"metadata": {"path": str(folder)}}
    client = NotebookClient(notebook, timeout=120, kernel_name="python3", resources=resources)
    client.execute()
    return notebook.cells[-1].outputs[-1]["data"]


@pytest.mark.slow
def test_comparison_is_shown_as_a_table(tmp_path):
    write_runs(tmp_path / "runs", {"mlp": 0.6, "cnn": 0.9}, names=("a", "<b>", "c"))
    data = run_cells(
        tmp_path,
        "import textclf",
        "comparison = textclf.compare(quiet=True)\nassert len(comparison.rows) == 2",
        "comparison",
    )
    shown = data["text/html"]
    assert shown.startswith("<p>bbc: 300 test examples, 3 seeds</p>\n<table>")
    assert shown.index(">cnn</td>") < shown.index(">mlp</td>")
    assert ">accuracy</th>" in shown
    assert " ± " in shown
    assert "<li>always predicting the most frequent label of bbc" in shown
    # A front end without HTML, such as a terminal, shows the text.
    assert data["text/plain"].startswith("bbc: 300 test examples, 3 seeds\nmodel  accuracy")
