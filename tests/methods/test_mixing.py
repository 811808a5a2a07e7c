import jax
import jax.numpy as jnp
import numpy as np
import pytest

from smad_jax import errors
from smad_jax.methods import base, mixing
from smad_jax.training import sharding, train_state
from tests.helpers import debiasing, networks

B, T, H, W, C, K, D = 6, 4, 8, 10, 3, 9, 7
MIXING = {
    "still_mix": {"clip_shape": 200.0, "frame_shape": 200.0},
    "background_erasing": {"strength": 0.3},
    "fame": {"foreground": 0.5},
}


def video(dtype=np.uint8, count=B):
    drawn = np.random.default_rng(0).integers(0, 256, (count, T, H, W, C))
    return jnp.asarray(drawn.astype(dtype))


def method_of(name, **settings):
    return debiasing.build(name, D, **settings)


def mix_of(name, **settings):
    return jax.jit(method_of(name, **settings).mix, compiler_options=networks.QUICKLY)


def step(method, clips):
    """Loss, gradient of the network, and what it was shown."""
    shown = []

    class Watched(networks.Little):
        def __call__(self, video, *, train, key=None):
            shown.append(video)
            return super().__call__(video, train=train, key=key)

    graph, params, stats = train_state.split(base.Trained(Watched(D, K, T), method))
    batch = {"train": {"video": clips, "label": np.arange(B) % K}}

    def objective(params):
        modules = train_state.merge(graph, params, stats)
        returned = base.loss(modules, batch, key=jax.random.key(6), step=jnp.asarray(0))
        return returned[0], shown.pop()

    gradient = jax.value_and_grad(objective, has_aux=True)
    (loss, seen), found = jax.jit(gradient, compiler_options=networks.QUICKLY)(params)
    return loss, found, np.asarray(seen)


def flat(tree):
    return np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(tree)])


@pytest.mark.parametrize("name", MIXING)
def test_the_step_is_the_baselines_but_for_the_clips_that_are_mixed(name):
    clips = video()
    plain, gradient, seen = step(method_of("baseline"), clips)
    off, gradient_off, seen_off = step(method_of(name, **MIXING[name]), clips)
    np.testing.assert_array_equal(seen_off, seen)
    assert float(off) == pytest.approx(float(plain), rel=1e-6)
    np.testing.assert_allclose(flat(gradient_off), flat(gradient), atol=1e-5)
    half = method_of(name, **MIXING[name], probability=0.5)
    _, _, some = step(half, clips)
    assert some.dtype == np.uint8
    changed = (some != np.asarray(clips)).any(axis=(1, 2, 3, 4))
    assert 0 < changed.sum() < B
    _, chosen_key, mix_key = jax.random.split(jax.random.key(6), 3)
    np.testing.assert_array_equal(changed, mixing.draw_clips(B, chosen_key, 0.5))
    whole = np.asarray(mix_of(name, **MIXING[name])(clips, mix_key))
    # masks of noise are full of ties, which two programs may round differently
    same = np.abs(some[changed].astype(float) - whole[changed]) <= 1
    assert same.mean() > (0.95 if name == "fame" else 0.9999)


@pytest.mark.parametrize("name", ["still_mix", "background_erasing"])
def test_mixing_uint8_is_mixing_floats_and_rounding(name):
    mix, key = mix_of(name, **MIXING[name]), jax.random.key(1)
    rounded = np.asarray(mix(video(), key)).astype(float)
    exact = np.asarray(mix(video(np.float32), key))
    assert np.abs(rounded - exact).max() <= 0.5 + 1e-4


def test_partners_are_a_single_cycle_through_all_clips():
    seen = set()
    for seed in range(40):
        partners = np.asarray(mixing.draw_partners(B, jax.random.key(seed)))
        place, path = 0, []
        for _ in range(B):
            path.append(place)
            place = partners[place]
        assert place == 0
        assert sorted(path) == list(range(B))
        seen.add(tuple(partners))
    assert len(seen) > 20, "of the 120 cycles"


@pytest.mark.parametrize("probability", [0.0, 0.25, 1.0])
def test_clips_are_drawn_with_their_probability(probability):
    drawn = mixing.draw_clips(20_000, jax.random.key(0), probability)
    assert float(drawn.mean()) == pytest.approx(probability, abs=0.01)


def test_blend_by_hand():
    first, second = (jnp.full((1, 2, 1, 1, 3), v, jnp.uint8) for v in (100, 201))
    assert set(np.ravel(mixing.blend(first, second, jnp.float32(0.25)))) == {176}
    assert set(np.ravel(mixing.blend(first, second, jnp.float32(1)))) == {100}
    floats = mixing.blend(first / 2, second / 2, jnp.float32(0.25))
    np.testing.assert_allclose(floats, (0.25 * 100 + 0.75 * 201) / 2, rtol=1e-6)


def test_still_mix_adds_one_frame_of_another_clip_to_all_frames():
    clips, mix = video(np.float32), mix_of("still_mix", **MIXING["still_mix"])
    for seed in range(5):
        mixed = np.asarray(mix(clips, jax.random.key(seed)))
        # frames differ as they did, times lambda, the same for the whole batch
        before, after = (np.diff(np.asarray(x), axis=1) for x in (clips, mixed))
        share = (before * after).sum() / (before**2).sum()
        np.testing.assert_allclose(after, share * before, atol=1e-3)
        assert abs(share - 0.5) < 0.12, "a beta of 200 and 200 has sd 0.025"
        still = (mixed - share * np.asarray(clips)) / (1 - share)  # [B, T, H, W, C]
        np.testing.assert_allclose(still, still[:, :1].repeat(T, 1), atol=1e-2)
        distance = np.abs(still[:, None, None, 0] - np.asarray(clips)[None]).max(
            axis=(3, 4, 5)
        )  # [B, B, T]
        of, other, _ = np.nonzero(distance < 0.1)
        assert of.tolist() == list(range(B))
        assert (of != other).all()
        assert sorted(other) == list(range(B))


@pytest.mark.parametrize("count", [B, 2])
def test_a_bank_gives_its_own_frames_to_all_clips(count):
    settings = {**MIXING["still_mix"], "probability": 1.0}
    method, clips = method_of("still_mix_bank", **settings), video(np.float32)
    bank = 1000 + np.arange(count * T, dtype=np.float32).reshape(count, T, 1, 1, 1)
    bank = np.broadcast_to(bank, (count, T, H, W, C))
    mixed = np.asarray(method.mix(clips, jax.random.key(3), bank))
    before, after = (np.diff(np.asarray(x), axis=1) for x in (clips, mixed))
    share = (before * after).sum() / (before**2).sum()
    still = (mixed - share * np.asarray(clips)) / (1 - share)
    places = np.round(still.mean(axis=(1, 2, 3, 4)) - 1000).astype(int)
    wanted = np.broadcast_to(1000 + places[:, None, None, None, None], still.shape)
    np.testing.assert_allclose(still, wanted, atol=0.1)
    used = np.bincount(places // T, minlength=count)
    assert used.tolist() == [B // count] * count

    # the loss takes them from the unlabelled stream: the batch alone is another loss
    model = networks.Little(D, K, T)
    batch = {"train": {"video": clips, "label": np.arange(B) % K}}
    values = [
        float(method.loss(model, given, key=jax.random.key(6), step=jnp.asarray(0))[0])
        for given in (batch, batch | {base.UNLABELLED: {"video": bank}})
    ]
    assert values[0] != values[1]


@pytest.mark.parametrize("name", ["still_mix", "fame"])
def test_clips_are_mixed_alike_on_one_device_and_on_four(name):
    mix, key = mix_of(name, **MIXING[name]), jax.random.key(2)
    clips = np.asarray(video(count=8))
    mesh = sharding.make_mesh(jax.devices()[:4])
    on_four = sharding.shard({"video": clips}, mesh)["video"]
    assert len(on_four.sharding.device_set) == 4
    same = np.asarray(mix(on_four, key)) == np.asarray(mix(jnp.asarray(clips), key))
    assert same.mean() > (0.95 if name == "fame" else 0.9999), "but for rounding"


def test_beta_decides_how_much_of_the_clip_is_left():
    mix = mix_of("still_mix", clip_shape=20.0, frame_shape=60.0)
    clips, shares = np.asarray(video(np.float32)), []
    for seed in range(60):
        mixed = np.asarray(mix(clips, jax.random.key(seed)))
        shares.append(np.diff(mixed, axis=1).std() / np.diff(clips, axis=1).std())
    assert np.mean(shares) == pytest.approx(0.25, abs=0.02)
    assert np.std(shares) == pytest.approx(np.sqrt(0.25 * 0.75 / 81), rel=0.3)


def test_background_erasing_leaves_a_still_clip_and_a_frame_of_every_clip():
    mix = mix_of("background_erasing", strength=0.3)
    still = jnp.broadcast_to(video()[:, :1], (B, T, H, W, C))
    np.testing.assert_array_equal(mix(still, jax.random.key(0)), still)
    clips, shares = video(np.float32), []
    for seed in range(200):
        mixed = np.asarray(mix(clips, jax.random.key(seed)))
        before, after = (np.diff(np.asarray(x), axis=1) for x in (clips, mixed))
        share = (before * after).sum() / (before**2).sum()
        if seed < 5:
            same = np.abs(mixed - np.asarray(clips)).max(axis=(2, 3, 4)) < 1e-3
            np.testing.assert_array_equal(same.sum(axis=1), 1)
            np.testing.assert_allclose(after, share * before, atol=1e-3)
        shares.append(1 - share)
    assert 0 < min(shares) and max(shares) < 0.3
    assert np.mean(shares) == pytest.approx(0.15, abs=0.02)


@pytest.mark.parametrize(
    ("name", "settings", "named"),
    [
        ("still_mix", {"probability": 1.5}, r"\.probability .* 1\.5"),
        ("still_mix", {"frame_shape": 0.0}, r"\.frame_shape .* above 0, .* 0\.0"),
        ("background_erasing", {"strength": 2.0}, r"\.strength .* 2\.0"),
        ("fame", {"foreground": 0.0}, r"\.foreground .* 0\.0"),
    ],
)
def test_setting_that_does_not_exist_is_refused(name, settings, named):
    with pytest.raises(errors.ConfigError, match=named):
        method_of(name, **settings)
