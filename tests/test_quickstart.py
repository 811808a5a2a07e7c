"""docs/quickstart.ipynb, run from its first cell to its last as a reader would."""

import pathlib
import re
import shutil

import nbclient
import nbformat
import pytest

ROOT = pathlib.Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "quickstart.ipynb"


@pytest.mark.slow
@pytest.mark.filterwarnings("default")  # those of Jupyter's packages are not ours
def test_notebook_runs_and_shows_what_its_text_claims(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.delenv("DATA_ROOT", raising=False)
    shutil.copytree(ROOT / "configs", tmp_path / "configs")
    (tmp_path / "docs").mkdir()
    notebook = nbformat.read(PAGE, as_version=4)
    place = {"metadata": {"path": str(tmp_path / "docs")}}  # where Jupyter starts
    nbclient.NotebookClient(notebook, timeout=600, resources=place).execute()
    outputs = [o for cell in notebook.cells for o in cell.get("outputs", [])]
    text = "".join(output.get("text", "") for output in outputs)
    accuracy = {
        name: float(share)
        for name, share in re.findall(r"^(iid|rare|tail) +([\d.]+)%$", text, re.M)
    }
    assert max(accuracy["tail"], accuracy["rare"]) < accuracy["iid"]
    assert "biased towards the scene" in text and "all videos: " in text
    assert [
        o for o in outputs if "audit.html" in o.get("data", {}).get("text/html", "")
    ]
    assert [o for o in outputs if "image/png" in o.get("data", {})]
    folder = tmp_path / "runs" / "quickstart"
    assert (folder / "audit.html").stat().st_size > 0
    assert (folder / "network.stablehlo").stat().st_size > 0
