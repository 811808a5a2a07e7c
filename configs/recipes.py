"""The paper's recipes (App. C): a network, how its clips are drawn, its optimiser.

Each takes the choices of the config's argument, the data and the size of the recipe.
What App. C leaves open is the reference's: MMAction2 0.x, which the authors used.
"""

from collections.abc import Mapping

from ml_collections import ConfigDict

from configs import base, data

GPUS = 8  # each with batch statistics of its own: the ghost groups


def slowonly(choice: ConfigDict) -> ConfigDict:
    """SlowOnly-8x8-R18 from scratch, 196 epochs."""
    config = _kinetics(choice, videos_per_gpu=16)
    config.model.name = "slowonly_r18"
    config.model.dropout = 0.5  # reference
    config.data.sampling.kind = "clip"
    config.data.sampling.num_frames = 8
    config.data.sampling.stride = 8
    config.data.sampling.test_views = 10
    config.optimizer.learning_rate = 0.2
    config.optimizer.schedule = "cosine"
    config.optimizer.warmup_epochs = 34
    config.training.epochs = 196
    return config


def tsn(choice: ConfigDict) -> ConfigDict:
    """TSN-3seg-R50 from ImageNet weights, 100 epochs."""
    config = _kinetics(choice, videos_per_gpu=32)
    config.model.name = "resnet50"
    config.model.dropout = 0.4  # reference
    config.init.folder = "weights/resnet50_imagenet"
    config.init.allow = ("head/*", "saar/*")
    config.data.sampling.kind = "segments"
    config.data.sampling.num_frames = 3
    config.data.sampling.stride = 1
    config.data.sampling.test_views = 25
    config.evaluation.view_chunk = 8  # of 25 frames each
    config.optimizer.learning_rate = 0.01
    config.optimizer.schedule = "steps"
    config.optimizer.milestones = (40, 80)
    config.training.epochs = 100
    return config


def resnet3d(choice: ConfigDict) -> ConfigDict:
    """ResNet3D-18 on 16 frames of 112 pixels, as in SDN (Table 6).

    The paper does not say how it pre-trains this network; the rest is SlowOnly's.
    """
    config = slowonly(choice)
    config.model.name = "resnet3d_18"
    config.data.sampling.num_frames = 16
    config.data.sampling.stride = 1
    config.data.sampling.test_views = 0  # all windows that do not overlap, as in SDN
    config.data.transform.resize = 112
    config.data.transform.size = 112
    return config


def adapting(choice: ConfigDict) -> ConfigDict:
    """SlowOnly that also sees the unlabelled videos of a test set (Table 3).

    Raises:
        ValueError: if the data set has no test set called `choice.target`.
    """
    config = slowonly(choice)
    target = choice.target or data.find(choice.train).target
    if target not in config.evaluation.sets:
        raise ValueError(
            f"unknown target={target!r} in the config's argument; known: "
            f"{', '.join(config.evaluation.sets)}"
        )
    config.data.target = config.evaluation.sets[target]
    # A GPU has 16 videos of each set; its statistics are over both.
    config.model.ghost_size *= 2
    return config


def set_data(config: ConfigDict, train: str, tests: Mapping[str, str]) -> None:
    """Trains on the split `train` and tests on the splits `tests`."""
    config.data.train = train
    config.evaluation.sets = ConfigDict(dict(tests))


def _kinetics(choice: ConfigDict, *, videos_per_gpu: int) -> ConfigDict:
    """What both networks share: the data, crops and SGD."""
    config = base.base()
    chosen = data.find(choice.train)
    config.recipe = choice.size
    set_data(config, chosen.train, chosen.tests)
    config.data.batch_size = GPUS * videos_per_gpu
    config.data.num_threads = 16
    config.data.transform.kind = "random_resized_crop"
    config.data.transform.resize = 256  # short side, in pixels
    config.data.transform.size = 224
    config.model.ghost_size = videos_per_gpu
    config.model.dtype = "auto"  # bfloat16 on accelerators, as their memory is slow
    config.optimizer.name = "sgd"
    config.optimizer.base_batch_size = GPUS * videos_per_gpu
    config.optimizer.weight_decay = 1e-4  # this and the next two: reference
    config.optimizer.momentum = 0.9
    config.optimizer.clip_norm = 40.0
    return config
