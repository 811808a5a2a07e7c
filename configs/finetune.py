"""SlowOnly fine-tuned from a finished run: the lower half of Table 6.

    python main.py --config configs/finetune.py
    python main.py --config configs/finetune.py:ucf101,split=2
    python main.py --config configs/finetune.py:diving48,labels=v1
    python main.py --config configs/finetune.py:hmdb51,run=runs/other,saar=off

The first takes what `slowonly_smad.py` learned on one draw of the embedded benchmark to
another. The others start from SlowOnly-8x8-R18 on K200db: `run` is the run, by default
runs/slowonly_smad-k200db; `saar=off` is for runs without SAAR. Data sets are `ucf101`,
`hmdb51` (splits train1 and val1 to train3 and val3) and `diving48` (splits v2-train and
v2-val; with `labels=v1` train and val, the old labels, Diving48* in the paper), or one
of your own (data_prep/README.md).

Paper, mean of three splits for the first two: HMDB51 62.6, with SMAD 64.0; UCF101 89.6
and 90.4; Diving48* 25.5 and 26.7; Diving48 53.9 and 55.7.
"""

from ml_collections import ConfigDict

from configs import arguments, data, recipes, small

ARGUMENTS: dict[str, tuple[str, ...]] = {
    "run": (),
    "saar": ("on", "off"),
    "split": ("1", "2", "3"),
    "labels": ("v2", "v1"),
}


def get_config(arg: str = "") -> ConfigDict:
    """Returns the baseline's recipe, made short, from the weights of a run."""
    choice = arguments.parse(arg, **ARGUMENTS)
    config = start_from_run(recipes.slowonly(choice), choice)
    config.init.folder = "runs/slowonly_smad-k200db"
    config = small.adjust(config, tuned="finetune")
    config.init.folder = choice.run or config.init.folder
    return config


def start_from_run(config: ConfigDict, choice: ConfigDict) -> ConfigDict:
    """Shortens a recipe and starts it from a run, with a new classifier.

    The method is the plain baseline: the adversarial heads of the run are left behind,
    while SAAR is part of the network and stays.
    """
    lists = _lists(choice.train, split=choice.split, labels=choice.labels)
    recipes.set_data(config, lists.train, lists.tests)
    config.model.saar = choice.saar == "on"
    config.init.fresh = ("head/*",)  # even where the number of classes is the same
    # Our choice; the paper does not state its recipe.
    config.optimizer.learning_rate = 0.01  # for 128 videos
    config.optimizer.warmup_epochs = 0
    config.training.epochs = 50
    return config


def _lists(name: str, *, split: str, labels: str) -> data.Data:
    """Returns a data set to fine-tune on, with official lists where it has several.

    `split` chooses those of `ucf101` and `hmdb51`, `labels` those of `diving48`.
    """
    lists = {
        "ucf101": (f"train{split}", f"val{split}"),
        "hmdb51": (f"train{split}", f"val{split}"),
        "diving48": ("train", "val") if labels == "v1" else ("v2-train", "v2-val"),
    }
    if name not in lists:
        return data.find(name)
    train, test = lists[name]
    return data.Data(f"{name}/{train}", {f"{name}-{test}": f"{name}/{test}"}, {})
