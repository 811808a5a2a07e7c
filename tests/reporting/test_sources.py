import argparse
import fnmatch
import importlib
import shlex

import pytest

from smad_jax.experiment import run_folder
from smad_jax.reporting import paper, sources

CELLS = [
    (number, row.name, column)
    for number, table in paper.TABLES.items()
    for row in table.rows
    for column, cell in zip(table.columns, row.cells, strict=True)
    if cell is not None
]


@pytest.mark.parametrize(
    ("cell", "config", "metric"),
    [
        (
            (2, "2D K400-train", "OmniDebias: K200/400-val"),
            "tsn_omnidebias:k400",
            "k400-val/top1",
        ),
        (
            (2, "3D K200db-train", "Combination: ARAS"),
            "slowonly_combined:k200db",
            "aras64/top1",
        ),
        (
            (8, "scene, object", "K200db-val"),
            "slowonly_smad:k200both,aspects=scene+object",
            "k200both-val/top1",
        ),
        (
            (8, "None", "K200db-val"),
            "slowonly_baseline:k200both",
            "k200both-val/top1",
        ),
        ((7, "ARAS-64", "SAAR"), "slowonly_smad:k200db,aspects=none", "aras64/top1"),
        (
            (9, "3D: IG-all", "K200-val"),
            "slowonly_omnidebias:k200db,web=all,media=videos",
            "k200-val/top1",
        ),
        ((13, "K200-unbias", "KL"), "slowonly_smad:k200db,loss=kl", "k200db-val/top1"),
        (
            (14, "[GG+IG]-rand", "ARAS-64"),
            "slowonly_omnidebias:k200db,web=rand",
            "aras64/top1",
        ),
    ],
)
def test_cells_come_from_the_experiment_of_their_row_and_column(cell, config, metric):
    found = sources.source(*cell)
    file, _, argument = config.partition(":")
    assert found.commands[-1].endswith(f"configs/{file}.py:{argument}")
    assert found.metric == metric


def test_folders_are_named_as_main_names_them_and_configs_take_the_arguments():
    seen = set()
    for cell in CELLS:
        found = sources.source(*cell)
        if not found.folders or found.folders[0] in seen:
            continue
        seen.add(found.folders[0])
        trained = [line for line in found.commands if "main.py" in line]
        file, _, argument = shlex.split(trained[-1])[-1].partition(":")
        names = [run_folder.run_name(file, argument)]
        first = shlex.split(trained[0])[-1].partition(":")
        if len(trained) > 1:  # the run that is fine-tuned
            made = run_folder.run_name(first[0], first[2])
            config = importlib.import_module(file.removesuffix(".py").replace("/", "."))
            assert config.get_config(argument).init.folder == f"runs/{made}"
        if found.note:
            names += [f"{names[0]}-split-2", f"{names[0]}-split-3"]
        assert list(found.folders) == names
        module = importlib.import_module(file.removesuffix(".py").replace("/", "."))
        sets = module.get_config(argument).evaluation.sets
        assert cell[0] in (4, 5) or fnmatch.filter(sets, found.metric.partition("/")[0])
    assert len(seen) > 25


def test_other_commands_parse(monkeypatch):
    parse = argparse.ArgumentParser.parse_args

    class Accepted(Exception):
        pass

    def stop(self, args=None, namespace=None):
        parse(self, args, namespace)
        raise Accepted

    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", stop)
    commands = {line for cell in CELLS for line in sources.source(*cell).commands}
    modules = [c for c in sorted(commands) if c.startswith("python -m")]
    assert len(modules) > 6
    for line in modules:
        _, _, name, *arguments = shlex.split(line)
        if name.startswith("smad_jax."):  # a package
            name += ".__main__"
        with pytest.raises(Accepted):
            importlib.import_module(name).main(arguments)
