"""StillMix: a still frame of another clip laid over all frames of a clip.

Li et al., "Mitigating and Evaluating Static Bias of Action Representations in the
Background and the Foreground", ICCV 2023. Only what is static in the clip changes, and
the label stays, so what is static says less about it.
"""

from collections.abc import Callable, Mapping

import jax
from flax import nnx

from smad_jax import errors
from smad_jax.aspect_table import Aspect
from smad_jax.methods import mixing


class StillMix(mixing.Mixing):
    """lambda x + (1 - lambda) g: g a frame of another clip, the same for all frames.

    One lambda a batch, from a beta distribution. Departure: the publication draws g
    from a bank of frames that a two-dimensional network, trained before on single
    frames, is surest of. That needs a second training; here g comes from the batch, the
    publication's own comparison without a bank.
    """

    def __init__(
        self,
        num_features: int,
        aspects: Mapping[str, Aspect],
        *,
        ramp: Callable[[jax.Array], jax.Array],
        rngs: nnx.Rngs,
        probability: float = 0.0,
        clip_shape: float = 1.0,
        frame_shape: float = 1.0,
    ) -> None:
        """Takes how often and how strongly to mix.

        Args:
            num_features: D.
            aspects: None of use.
            ramp: Not used.
            rngs: Not used.
            probability: Of a clip being mixed.
            clip_shape: The first shape of the beta distribution of lambda, whose mean
                is `clip_shape` / (`clip_shape` + `frame_shape`).
            frame_shape: The second.

        Raises:
            ConfigError: if a setting has no such value.
        """
        super().__init__(
            num_features, aspects, ramp=ramp, rngs=rngs, probability=probability
        )
        if min(clip_shape, frame_shape) <= 0:
            raise errors.ConfigError(
                "method.settings.clip_shape and frame_shape must be above 0, but they "
                f"are {clip_shape} and {frame_shape}"
            )
        self.clip_shape = clip_shape
        self.frame_shape = frame_shape

    def mix(self, video: jax.Array, key: jax.Array) -> jax.Array:
        """Lays a frame of another clip over each clip."""
        partner_key, frame_key, share_key = jax.random.split(key, 3)
        partners = mixing.draw_partners(len(video), partner_key)
        frames = mixing.draw_frames(video, frame_key)[partners]
        share = jax.random.beta(share_key, self.clip_shape, self.frame_shape)
        return mixing.blend(video, frames, share)
