import subprocess
import sys

REFUSE = """
import importlib, pathlib, pkgutil, sys

HEAVY = {"jax", "jaxlib", "flax", "optax", "orbax"}

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in HEAVY:
            raise ImportError(f"{name} is imported")

sys.meta_path.insert(0, Refuse())
"""
PACKAGES = """
from smad_jax import data, evaluation
from smad_jax.reporting import audit

for package in (audit, data, evaluation):
    for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        if module.name.rpartition(".")[2] not in ("predict", "watch", "__main__"):
            importlib.import_module(module.name)
"""
AUDIT = """
HEAVY.add("grain")
from smad_jax.reporting.audit import analysis, inputs, joining, page, thumbnails

folder = pathlib.Path(sys.argv[1])
answers = inputs.read(folder / "p.csv", "prediction")
material = joining.join(
    {"one": answers, "two": answers},
    inputs.read(folder / "l.csv", "label"),
    {"scene": inputs.read(folder / "s.csv", "scene")},
)
found = analysis.analyse(material, num_bootstrap=3, seed=0, report=print)
pictures = thumbnails.thumbnails(folder, page.examples(found))
(folder / "audit.html").write_text(page.render(found, pictures, 0))
"""


def test_data_and_evaluation_are_imported_where_jax_cannot_be():
    command = [sys.executable, "-c", REFUSE + PACKAGES]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr


def test_audit_runs_where_jax_cannot_be_imported(tmp_path):
    for name, column, period in [("p", "prediction", 3), ("l", "label", 2)]:
        rows = [f"v{n},c{n % period}" for n in range(60)]
        (tmp_path / f"{name}.csv").write_text("\n".join([f"id,{column}", *rows]))
    rows = [f"v{n},s{n // 2 % 4}" for n in range(60)]
    (tmp_path / "s.csv").write_text("\n".join(["id,scene", *rows]))
    command = [sys.executable, "-c", REFUSE + AUDIT, str(tmp_path)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    assert "one" in (tmp_path / "audit.html").read_text()
