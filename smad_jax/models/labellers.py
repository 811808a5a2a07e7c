"""Networks that label frames, for the pseudo-labels of aspects (Sec. 6.1).

Any image model can be a labeller; those of `LABELLERS` recognise no actions. What a
labeller knows is in its weights: Places365 for scenes, ImageNet for objects.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from flax import nnx

from smad_jax import errors, models
from smad_jax.models import densenet, efficientnet, layers, recognizer

LABELLERS: dict[str, Callable[[layers.Factory], recognizer.Backbone]] = {
    "densenet161": densenet.DenseNet,
    "efficientnet_lite0": efficientnet.EfficientNetLite0,
}
IMAGE_MODELS = ("resnet18", "resnet50")
NAMES = (*sorted(LABELLERS), *IMAGE_MODELS)
# Of EfficientNet-Lite; all other labellers normalise as the action models do.
_EFFICIENTNET_MEAN, _EFFICIENTNET_STD = 127.0, 128.0


def build_labeller(
    name: str, num_labels: int, *, rngs: nnx.Rngs
) -> recognizer.Recognizer:
    """Builds the labeller of Z labels called `name`, with fresh parameters.

    Raises:
        ConfigError: if `name` is neither a key of `LABELLERS` nor an image model.
    """
    if name in IMAGE_MODELS:
        return models.build_model(name, num_labels, rngs=rngs)
    if name not in LABELLERS:
        known = ", ".join(sorted((*LABELLERS, *IMAGE_MODELS)))
        raise errors.ConfigError(f"unknown labeller {name!r}; known: {known}")
    make = layers.Factory(rngs)
    return recognizer.Recognizer(LABELLERS[name](make), num_labels, make)


def normalise(name: str, images: jax.Array) -> jax.Array:
    """Returns images as the labeller called `name` was trained on them, in float32.

    `images` are [B, T, H, W, 3] RGB, uint8 or float, in 0..255.
    """
    if name == "efficientnet_lite0":
        return (images.astype(jnp.float32) - _EFFICIENTNET_MEAN) / _EFFICIENTNET_STD
    return recognizer.normalise(images)
