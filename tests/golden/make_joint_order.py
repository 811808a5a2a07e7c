"""Runs mmaction2's joint training with stubs and writes down what it does, in order.

    python tests/golden/make_joint_order.py --mmaction2 DIR

DIR is a clone or a git directory of mmaction2 with its 0.x line. Of that line the
runner, the base of the data sets and the samplers are executed as they are; mmcv and
the parts of mmaction2 that they import are stubs made here. Needs PyTorch.

The file holds, for several train ratios, every event as a line: the epoch hooks, the
hooks around an update with the iteration counter they see (the learning rate is set in
the first of them, the optimiser steps in the second), and the update with its loader
and the place of the batch in a pass over that loader. And, for several lists of labels
and powers, the probability with which the balanced sampler draws each video.
"""

import argparse
import json
import pathlib
import subprocess
import sys
import types
from unittest import mock

import numpy as np
import torch

COMMIT = "71a938ab54c0ce54c43b6c21b9658408a2bb3c0f"  # 0.x
RUNNER = "mmaction/core/runner/omnisource_runner.py"
BASE = "mmaction/datasets/base.py"
SAMPLERS = "mmaction/datasets/samplers/distributed_sampler.py"

# train_ratio, batches in a pass over each loader, epochs
RUNS = [
    ([1, 1], [3, 5], 3),
    ([1, 2], [4, 3], 2),
    ([2, 1, 1, 1], [5, 4, 2, 9], 3),
    ([3, 2, 1], [4, 3, 5], 4),
    ([7, 1, 3], [5, 2, 2], 3),
]
COUNTS = [[1, 2, 5, 8], [30, 1, 9], [4, 4]]
POWERS = [0.0, 0.3, 0.5, 1.0]


class Runner:
    """What the runner uses of mmcv's EpochBasedRunner."""

    def __init__(self, events, max_epochs):
        self._epoch = self._iter = 0
        self._max_epochs = max_epochs
        self.work_dir, self.optimizer, self.batch_processor = None, None, None
        self.logger = types.SimpleNamespace(info=lambda *arguments: None)
        self.log_buffer = types.SimpleNamespace(update=lambda *arguments: None)
        self._events = events
        self.model = types.SimpleNamespace(train=lambda: None, train_step=self._update)

    @property
    def epoch(self):
        return self._epoch

    def call_hook(self, name):
        if name.endswith(("_iter", "_epoch")):
            self._events.append(f"{name} {self._iter}")

    def _update(self, batch, optimizer):
        self._events.append(f"update {batch}")
        return {"loss": 0.0, "log_vars": {"loss": 0.0}, "num_samples": 1}


class Loader:
    """A loader whose batches are called by their place in a pass."""

    def __init__(self, name, length):
        self._name, self._length = name, length

    def __len__(self):
        return self._length

    def __iter__(self):
        return (f"{self._name}/{place}" for place in range(self._length))


def module(name, **contents):
    made = types.ModuleType(name)
    made.__path__ = []
    vars(made).update(contents)
    return made


def execute(source, name, stubs):
    """The module made by running `source` while `stubs` can be imported."""
    made = module(name, __package__=name.rpartition(".")[0])
    with mock.patch.dict(sys.modules, {stub.__name__: stub for stub in stubs}):
        exec(compile(source, name, "exec"), vars(made))
    return made


def joint_runs(source):
    runner = execute(
        source,
        "mmaction.core.runner.omnisource_runner",
        [
            module("mmcv", is_list_of=lambda given, kind: True),
            module("mmcv.runner", EpochBasedRunner=Runner, Hook=object),
            module("mmcv.runner.utils", get_host_info=lambda: ""),
        ],
    )
    runner.time = types.SimpleNamespace(sleep=lambda seconds: None)
    for ratio, lengths, epochs in RUNS:
        events = []
        names = ["main", *(f"aux{k}" for k in range(len(lengths) - 1))]
        loaders = [Loader(*pair) for pair in zip(names, lengths, strict=True)]
        runner.OmniSourceRunner(events, epochs).run(
            loaders, [("train", 1)], train_ratio=list(ratio)
        )
        yield {
            "train_ratio": ratio,
            "lengths": lengths,
            "epochs": epochs,
            "events": events,
        }


def balanced(base_source, sampler_source):
    metrics = [
        "mean_average_precision",
        "mean_class_accuracy",
        "mmit_mean_average_precision",
        "top_k_accuracy",
    ]
    base = execute(
        base_source,
        "mmaction.datasets.base",
        [
            module("mmcv"),
            module("mmcv.utils", print_log=None),
            module("mmaction"),
            module("mmaction.core", **dict.fromkeys(metrics)),
            module("mmaction.datasets"),
            module("mmaction.datasets.pipelines", Compose=lambda steps: steps),
        ],
    )
    samplers = execute(
        sampler_source,
        "mmaction.datasets.samplers.distributed_sampler",
        [
            module("mmaction"),
            module("mmaction.core", sync_random_seed=lambda seed: seed),
        ],
    )

    class Dataset(base.BaseDataset):
        def load_annotations(self):
            return [{"label": label} for label in self.ann_file]

        def __len__(self):
            return len(self.video_infos)

    for counts in COUNTS:
        labels = np.repeat(np.arange(len(counts)), counts)
        labels = np.random.default_rng(0).permutation(labels).tolist()
        for power in POWERS:
            dataset = Dataset(labels, [], sample_by_class=True, power=power)
            sampler = samplers.ClassSpecificDistributedSampler(
                dataset, 1, 0, dynamic_length=dataset.dynamic_length
            )
            drawn = torch.zeros(len(labels), dtype=torch.int64)
            with mock.patch.object(torch, "multinomial", return_value=drawn) as draw:
                length = len(list(sampler))
            assert draw.call_args.kwargs["replacement"]
            yield {
                "labels": labels,
                "power": power,
                "probabilities": draw.call_args.args[0].tolist(),
                "drawn": length,
            }


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--mmaction2", type=pathlib.Path, required=True)
    folder = parser.parse_args().mmaction2

    def read(path):
        command = ["git", "-C", str(folder), "show", f"{COMMIT}:{path}"]
        return subprocess.run(command, capture_output=True, check=True).stdout

    golden = {
        "source": {
            "repository": "open-mmlab/mmaction2",
            "commit": COMMIT,
            "files": [RUNNER, BASE, SAMPLERS],
            "made_by": "tests/golden/make_joint_order.py",
        },
        "runs": list(joint_runs(read(RUNNER))),
        "balanced": list(balanced(read(BASE), read(SAMPLERS))),
    }
    path = pathlib.Path(__file__).with_name("joint_order.json")
    path.write_text(json.dumps(golden, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
