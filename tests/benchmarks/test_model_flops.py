import itertools
import json
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from entry_points import load_config

from wavenet_ae import tasks
from wavenet_ae.benchmarks import model_flops
from wavenet_ae.compilation.programs import batch_shapes
from wavenet_ae.models import strided


def wavenet_multiply_adds(model, samples):
    """Counts by hand what a sound of so many samples takes in the forward pass."""
    encoder, decoder, skip = model.encoder_channels, model.decoder_channels, model.skip_channels
    frames = samples // model.hop_length

    def wide(channels_in, channels_out):
        return channels_in * channels_out * 3 * samples

    total = wide(1, encoder) + samples * encoder * model.embedding_size
    total += model.encoder_layers * (wide(encoder, encoder) + samples * encoder * encoder)
    conditioning = model.embedding_size + model.num_pitches
    total += wide(1, decoder) + samples * decoder * skip
    for layer in range(model.decoder_layers):
        total += wide(decoder, 2 * decoder)
        total += frames * conditioning * 2 * decoder + samples * decoder * skip
        # Nothing reads the last layer's residual.
        total += samples * decoder * decoder * (layer < model.decoder_layers - 1)
    total += samples * skip * skip + frames * conditioning * skip
    return total + samples * skip * model.num_classes


def training_flops(config):
    task = tasks.create(config)
    shapes = batch_shapes(config, task)
    return task, model_flops.of_training_step(task, shapes)


@pytest.mark.parametrize(
    "changes", [{}, {"num_pitches": 128}, {"rematerialize": True}, {"dtype": "bfloat16"}]
)
def test_a_small_wavenet_by_hand(tiny_config, changes):
    config = json.loads(tiny_config)
    config["model"] |= changes
    task, flops = training_flops(config)
    assert flops == 3 * 2 * 4 * wavenet_multiply_adds(task.model, 256)


def test_the_papers_wavenet():
    config = load_config("wavenet_ae.py")
    task, flops = training_flops(config)
    assert flops == 3 * 2 * 32 * wavenet_multiply_adds(task.model, 6144)
    # With what meets the padding of the crop it would be 366.
    assert 358e6 < flops / (32 * 6144) < 366e6


def test_networks_of_spectrograms():
    config = load_config("classifier.py:demo")
    task, flops = training_flops(config)
    params, _ = jax.eval_shape(task.init, jax.random.key(0))
    kernels = [
        leaf.shape
        for path, leaf in jax.tree_util.tree_leaves_with_path(params)
        if path[-1].key == "kernel"
    ]
    multiply_adds = 0
    height, width = 512, 256
    strides = [(2, 2)] * 8 + [(2, 1), (1, 1), (1, 1)]
    # Flax lists the layers by name: those with a 1x1 kernel come last in the network.
    spatial = sorted((k for k in kernels if k[0] > 1), key=lambda k: (-k[0], k[2], k[3]))
    pointwise = sorted((k for k in kernels if k[0] == 1), key=lambda k: k[2])
    for kernel, stride in zip([*spatial, *pointwise], strides, strict=True):
        pairs = 1
        for size, taps, step in zip((height, width), kernel, stride, strict=False):
            outputs = -(-size // step)
            before = max((outputs - 1) * step + taps - size, 0) // 2
            pairs *= sum(
                0 <= output * step + tap - before < size
                for output, tap in itertools.product(range(outputs), range(taps))
            )
        multiply_adds += pairs * kernel[2] * kernel[3]
        height, width = -(-height // stride[0]), -(-width // stride[1])
    assert (height, width) == (1, 1)
    assert flops == 3 * 2 * config["batch_size"] * multiply_adds


def test_convolutions_count_what_meets_samples():
    image, kernel = np.ones((2, 9, 7, 3)), np.ones((4, 3, 3, 5))

    def convolve(image, kernel):
        return jax.lax.conv_general_dilated(
            image,
            kernel,
            window_strides=(2, 3),
            padding=((2, 1), (0, 4)),
            lhs_dilation=(1, 2),
            rhs_dilation=(2, 1),
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
        )

    # Every result of ones is the number of pairs that met a sample, for all channels.
    multiply_adds = convolve(image, kernel).sum()
    assert model_flops.of_function(convolve, image, kernel) == 2 * multiply_adds


def test_both_ways_of_a_transposed_convolution_are_the_same_work():
    image, kernel = np.ones((2, 6, 5, 3)), np.ones((4, 5, 3, 7))
    ways = (strided.polyphase, strided.direct)
    flops = {
        model_flops.of_function(lambda i, k, way=way: way(i, k, (2, 2)), image, kernel)
        for way in ways
    }
    assert flops == {2 * int(strided.direct(image, kernel, (2, 2)).sum())}
    layer = strided.TransposedConv(7, (4, 5), (2, 2))
    params = {"params": {"kernel": kernel}}
    assert {model_flops.of_function(layer.apply, params, image)} == flops


def test_batched_products():
    left, right = np.ones((6, 4, 5)), np.ones((6, 5, 3))
    assert model_flops.of_function(jnp.matmul, left, right) == 2 * 6 * 4 * 5 * 3


def test_scans_count_as_often_as_they_run():
    def repeat(x):
        return jax.lax.scan(lambda y, _: (jnp.sin(x @ y), None), x, length=7)

    assert model_flops.of_function(jax.jit(repeat), np.ones((3, 3))) == 7 * 2 * math.prod([3] * 3)


def test_loops_without_a_known_length_are_refused():
    def repeat(x, number):
        return jax.lax.fori_loop(0, number, lambda _, y: x @ y, x)

    with pytest.raises(ValueError, match="while loop"):
        model_flops.of_function(repeat, np.ones((3, 3)), 4)
