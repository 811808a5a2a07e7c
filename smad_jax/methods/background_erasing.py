"""Background erasing (BE): a frame of a clip is added to all its frames.

Wang et al., "Removing the Background by Adding the Background", CVPR 2021. How things
move stays as it was; the still layer makes less of what can be seen in a single frame.
"""

from collections.abc import Callable, Mapping

import jax
from flax import nnx

from smad_jax import errors
from smad_jax.aspect_table import Aspect
from smad_jax.methods import mixing


class BackgroundErasing(mixing.Mixing):
    """(1 - lambda) x + lambda x_t: t a random frame of x, lambda uniform from 0.

    One lambda a batch. Departure: the publication pre-trains without labels and pulls
    the features of the clip and the changed clip together. Here, as in the comparison
    of StillMix's authors, it is an augmentation of supervised training: both are to
    have the same label.
    """

    def __init__(
        self,
        num_features: int,
        aspects: Mapping[str, Aspect],
        *,
        ramp: Callable[[jax.Array], jax.Array],
        rngs: nnx.Rngs,
        probability: float = 0.0,
        strength: float = 0.0,
    ) -> None:
        """Takes how often and how strongly to mix.

        Args:
            num_features: D.
            aspects: None of use.
            ramp: Not used.
            rngs: Not used.
            probability: Of a clip being mixed.
            strength: The largest lambda, the share of the still frame.

        Raises:
            ConfigError: if a setting has no such value.
        """
        super().__init__(
            num_features, aspects, ramp=ramp, rngs=rngs, probability=probability
        )
        if not 0 <= strength <= 1:
            raise errors.ConfigError(
                f"method.settings.strength must be from 0 to 1, but it is {strength}"
            )
        self.strength = strength

    def mix(self, video: jax.Array, key: jax.Array) -> jax.Array:
        """Lays a frame of its own over each clip."""
        frame_key, share_key = jax.random.split(key)
        frames = mixing.draw_frames(video, frame_key)
        erased = self.strength * jax.random.uniform(share_key)
        return mixing.blend(video, frames, 1 - erased)
