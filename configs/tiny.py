"""The recipe of `size=tiny`: own videos on a laptop, with the benchmark's weights."""

from collections.abc import Mapping

from ml_collections import ConfigDict

from configs import embedded

# Own videos on a laptop: minutes on two cores, however many videos there are.
RECIPE = embedded.RECIPE | {
    "data.cache_mib": 2048,  # frames of 64 pixels are cached: 2,000 clips of 100 frames
    "data.transform.resize": 64,
    "data.transform.size": 56,
    "data.transform.shift": 4,
    "optimizer.warmup_epochs": 0,
    "optimizer.warmup_share": 0.1,
    "training.num_clips": 20_000,  # 33 epochs of 600 videos
    "method.ramp": "dann",  # an adversary at full strength from the start can win
    "evaluation.batch_size": 8,
    "evaluation.view_chunk": 24,
}
# For each network of the paper its small sibling, with frames, stride and test views.
NETWORKS = {
    "slowonly_r18": ("slowonly_tiny", 8, 8, 3),
    "resnet50": ("tsn_tiny", 3, 1, 8),
    "resnet3d_18": ("resnet3d_tiny", 8, 4, 3),
}


def apply(config: ConfigDict, tuned: Mapping[str, object]) -> ConfigDict:
    """Replaces a recipe by the tiny one, with the weights that tuning chose."""
    name, num_frames, stride, test_views = NETWORKS[config.model.name]
    init = {key: config.init[key] for key in ("folder", "allow")}
    config.update_from_flattened_dict(RECIPE)
    if init["folder"] != "weights/resnet50_imagenet":  # of a network of another size
        config.init.update(init)
    config.model.name = name
    config.data.sampling.num_frames = num_frames
    config.data.sampling.stride = stride
    config.data.sampling.test_views = test_views
    for stream in config.data.web.values():
        stream.batch_size = config.data.batch_size
    rate_and_weights = ("optimizer.learning_rate", "method.settings.")
    of_clips = "method.settings.num_clips"  # fixed by the sampling
    chosen = {k: v for k, v in tuned.items() if k.startswith(rate_and_weights)}
    embedded.set_tuned(config, {k: v for k, v in chosen.items() if k != of_clips})
    return config
