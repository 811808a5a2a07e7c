import cv2
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from smad_jax import errors
from smad_jax.data import video
from smad_jax.models import labellers, recognizer
from smad_jax.torch_weights import convert, files, networks
from tests.helpers import efficientnet_file


def test_unknown_labellers_are_errors_that_name_the_known():
    with pytest.raises(errors.ConfigError, match=r"'vgg16'; known: densenet161, eff"):
        labellers.build_labeller("vgg16", 5, rngs=nnx.Rngs(0))


def test_an_image_model_is_a_labeller():
    model = labellers.build_labeller("resnet18", 3, rngs=nnx.Rngs(0))
    images = labellers.normalise("resnet18", jnp.zeros((2, 1, 33, 41, 3), jnp.uint8))
    assert model(images, train=False).logits.shape == (2, 3)


def test_each_labeller_normalises_as_it_was_trained():
    images = jnp.full((1, 1, 1, 1, 3), 255, jnp.uint8)
    found = labellers.normalise("efficientnet_lite0", images)
    np.testing.assert_allclose(found[0, 0, 0, 0], [1.0, 1.0, 1.0])
    found = labellers.normalise("densenet161", images)
    expected = (255 - np.array(recognizer.PIXEL_MEAN)) / recognizer.PIXEL_STD
    np.testing.assert_allclose(found[0, 0, 0, 0], expected, rtol=1e-6)


@pytest.fixture(scope="module")
def object_labeller():
    tensors = files.read(efficientnet_file.path()).tensors
    imported = convert.to_network(tensors, "efficientnet_lite0")
    model = networks.assemble(imported.network, imported.arrays)
    return nnx.jit(model, static_argnames="train")


# ImageNet's numbers: bow tie, suit, Windsor tie; minibus, moving van, tram; computer
# keyboard, space bar, typewriter keyboard; horizontal bar, parallel bars, volleyball.
@pytest.mark.parametrize(
    ("name", "frame", "labels"),
    [
        ("carphone_pristine.mp4", 60, {457, 834, 906}),
        ("bikes.mp4", 80, {654, 675, 829}),
        ("video_90.mov", 0, {508, 810, 878}),
        ("test_video_structuralize.mp4", 80, {602, 702, 890}),
    ],
)
def test_objects_of_real_frames_are_recognised(
    object_labeller, real_data, name, frame, labels
):
    content = (real_data / "videos" / name).read_bytes()
    image = video.decode(content, np.array([frame]))[0]
    height, width = image.shape[:2]
    factor = 256 / min(height, width)
    size = int(width * factor + 0.5), int(height * factor + 0.5)
    image = cv2.resize(image, size, interpolation=cv2.INTER_LINEAR)
    top, left = (image.shape[0] - 224) // 2, (image.shape[1] - 224) // 2
    image = image[top : top + 224, left : left + 224]
    images = labellers.normalise("efficientnet_lite0", jnp.asarray(image)[None, None])
    logits = object_labeller(images, train=False).logits[0]
    assert set(np.argsort(logits)[-3:].tolist()) == labels
