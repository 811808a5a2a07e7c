"""FAME's background swap: what moves in a clip is put before another clip.

Ding et al., "Motion-aware Contrastive Video Representation Learning via
Foreground-background Merging", CVPR 2022. The label stays that of what moves.
"""

from collections.abc import Callable, Mapping

import jax
from flax import nnx

from smad_jax import errors
from smad_jax.aspect_table import Aspect
from smad_jax.methods import mixing, motion


class Fame(mixing.Mixing):
    """M x + (1 - M) x': M marks what moves in x, and x' is another clip, as it is.

    Departures: the publication makes pairs for contrastive pre-training of it. Here, as
    in the comparison of StillMix's authors, it is an augmentation of supervised
    training. A clip never gets its own background, as it does there once in a
    batch on average. For those of the mask see `motion.foreground`.
    """

    def __init__(
        self,
        num_features: int,
        aspects: Mapping[str, Aspect],
        *,
        ramp: Callable[[jax.Array], jax.Array],
        rngs: nnx.Rngs,
        probability: float = 0.0,
        foreground: float = 1.0,
    ) -> None:
        """Takes how often to swap, and how much to keep.

        Args:
            num_features: D.
            aspects: None of use.
            ramp: Not used.
            rngs: Not used.
            probability: Of a clip being mixed.
            foreground: Share of the pixels that stay, beta in the publication.

        Raises:
            ConfigError: if a setting has no such value.
        """
        super().__init__(
            num_features, aspects, ramp=ramp, rngs=rngs, probability=probability
        )
        if not 0 < foreground <= 1:
            raise errors.ConfigError(
                "method.settings.foreground must be above 0 and at most 1, but it is "
                f"{foreground}"
            )
        self.foreground = foreground

    def mix(self, video: jax.Array, key: jax.Array) -> jax.Array:
        """Puts what moves in each clip before another clip."""
        partners = mixing.draw_partners(len(video), key)
        mask = motion.foreground(video, self.foreground)[:, None, :, :, None]
        return mixing.blend(video, video[partners], mask)
