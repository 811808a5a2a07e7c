"""Finished runs without any training."""

import json

import numpy as np
import pytest

from smad_jax.reporting import dependence, runs


@pytest.fixture
def fake_runs(monkeypatch):
    """Lets a job's folder hold a run at once; returns the jobs that were started.

    Accuracies are drawn from the job's flags, so that they differ and repeat.
    """
    started = []

    def launch(job: runs.Job, cores: set[int], family: object) -> int:
        started.append(job)
        config: dict = {}
        for key, value in runs.settings(job).items():
            *sections, last = key.split(".")
            place = config
            for section in sections:
                place = place.setdefault(section, {})
            place[last] = value
        rng = np.random.default_rng(list(f"{job.config} {job.overrides}".encode()))
        record = {
            "results": {
                f"{name}/top1": rng.random() for name in ("iid", "rare", "tail")
            },
            "n_seen": {"iid": 20, "rare": 30, "tail": 40},
            "seconds": 60.0,
            "processor_seconds": 60.0,
            "commit": f"c{len(started) % 2}",
            "sees_target_data": "dann" in job.config,
        }
        job.folder.mkdir(parents=True, exist_ok=True)
        (job.folder / "config.json").write_text(json.dumps(config))
        (job.folder / "results.json").write_text(json.dumps(record))
        return 0

    monkeypatch.setattr(runs, "_launch", launch)
    monkeypatch.setattr(dependence, "measure", lambda folder, name: None)
    return started
