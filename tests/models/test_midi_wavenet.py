"""The MIDI-conditioned WaveNet, and the sampler with its decoder."""

import jax
import jax.numpy as jnp
import librosa
import numpy as np
import pytest
from stepwise import assert_steps_are_the_whole

from wavenet_ae.models.distributions import LogisticMixture, MuLawClasses
from wavenet_ae.models.midi_wavenet import ContextStack, MidiWaveNet
from wavenet_ae.synthesis import sampler

SMALL = MidiWaveNet(
    decoder_channels=6,
    skip_channels=5,
    decoder_layers=4,
    dilation_cycle=3,
    context_channels=4,
    context_layers=4,
    context_dilation_cycle=2,
    num_keys=7,
    hop_length=8,
    num_logistics=3,
)
STACK = ContextStack(num_keys=7, channels=4, num_layers=4, dilation_cycle=2)
MARGIN = 1 + 2 + 1 + 2
OUTPUTS = ["mu_law", "logistics"]


@pytest.fixture(scope="module", params=OUTPUTS)
def model(request):
    return SMALL.clone(output=request.param)


@pytest.fixture(scope="module")
def roll():
    return jax.random.uniform(jax.random.key(1), (2, 4 + 2 * MARGIN, 7))


@pytest.fixture(scope="module")
def signal():
    return jax.random.uniform(jax.random.key(2), (2, 32), minval=-1.0)


@pytest.fixture(scope="module")
def params(model, roll, signal):
    # Larger than new ones are, so that past and notes matter.
    params = model.init(jax.random.key(0), signal, roll)["params"]
    return jax.tree.map(lambda x: 2 * x, params)


def test_margins_follow_from_the_layers():
    assert SMALL.roll_margin == STACK.margin == MARGIN
    assert MidiWaveNet().roll_margin == 126  # 2 x (1 + 2 + 4 + 8 + 16 + 32)
    assert MidiWaveNet(context_width=5).roll_margin == 252
    assert MidiWaveNet(context_width=1).roll_margin == 0


def test_the_context_stack_sees_its_margin_to_both_sides():
    roll = jax.random.uniform(jax.random.key(1), (1, 9 + 2 * MARGIN, 7))
    params = STACK.init(jax.random.key(0), roll)

    def output(roll):
        return STACK.apply(params, roll)[0, 4].sum()

    seen = np.abs(np.asarray(jax.grad(output)(roll)))[0].max(axis=-1) > 0
    np.testing.assert_array_equal(np.flatnonzero(seen), np.arange(4, 4 + 2 * MARGIN + 1))


def test_a_part_of_a_roll_gives_its_part_of_the_embedding(model, params):
    roll = jax.random.uniform(jax.random.key(3), (1, 30 + 2 * MARGIN, 7))
    whole = model.apply({"params": params}, roll, method="embed")
    assert (whole.shape, whole.dtype) == ((1, 30, 4), jnp.float32)
    part = model.apply({"params": params}, roll[:, 10 : 12 + 2 * MARGIN], method="embed")
    np.testing.assert_allclose(part, whole[:, 10:12], atol=1e-6)
    with pytest.raises(ValueError, match="is no longer than two margins of 6"):
        model.apply({"params": params}, roll[:, : 2 * MARGIN], method="embed")


def test_a_single_key_conditions_as_loudly_as_a_number_of_an_embedding():
    stack = ContextStack(channels=64)
    roll = jnp.zeros((1, 2 * 126 + 1, 88)).at[:, :, 40].set(1.0)
    params = stack.init(jax.random.key(0), roll)
    only_start = jax.tree.map_with_path(
        lambda path, x: x if path[1].key == "start" else jnp.zeros_like(x), params
    )
    assert 0.3 < np.std(stack.apply(only_start, roll)) < 0.7  # 1 / 4 keys


def test_predictions_depend_on_the_past_and_on_notes_to_both_sides(model, params, signal, roll):
    at = 20

    def output(signal, roll):
        return model.apply({"params": params}, signal, roll)[0, at].sum()

    of_signal, of_roll = jax.grad(output, (0, 1))(signal, roll)
    past = np.abs(np.asarray(of_signal))[0] > 0
    assert not past[at:].any()
    assert past[at - min(at, model.context_samples) : at].all()
    frame = at // model.hop_length
    seen = np.abs(np.asarray(of_roll))[0].max(axis=-1) > 0
    # Earlier frames condition the past.
    np.testing.assert_array_equal(np.flatnonzero(seen), np.arange(frame + 2 * MARGIN + 1))
    assert not np.any(of_roll[1])


def test_steps_are_the_whole_signal(model, params, signal, roll):
    def whole(params, signal):
        outputs = model.apply({"params": params}, signal[0], roll)
        return jnp.moveaxis(outputs, -1, 0)

    def stepwise(params, signal):
        weights = sampler.prepare(model, params)
        embedding = model.apply({"params": params}, roll, method="embed")
        conditioning = model.apply({"params": params}, embedding, method="condition")

        def one(decoder, xs):
            time, previous = xs
            frame = jax.tree.map(lambda x: x[..., time // 8, None], conditioning)
            state = sampler.SamplerState(decoder, previous)
            return sampler.next_logits(model, weights, state, frame)

        start = sampler.initial_state(model, params, 2).decoder
        past = jnp.pad(signal[0, :, :-1], ((0, 0), (1, 0))).T
        _, outputs = jax.lax.scan(one, start, (jnp.arange(32), past))
        return jnp.moveaxis(outputs, (0, 1, 2), (2, 1, 0))

    assert_steps_are_the_whole(whole, stepwise, params, signal[None], atol=1e-5, gradient_rtol=1e-4)


def test_a_sampled_sound_is_what_the_decoder_finds_most_probable(model, params, roll):
    embedding = np.asarray(model.apply({"params": params}, roll, method="embed"))
    keys = sampler.note_keys(0, np.arange(2))
    chunks = sampler.generate(model, params, embedding, keys, temperature=0.0, chunk_frames=1)
    samples = model.distribution.quantize(np.concatenate(list(chunks), axis=1))
    assert samples.shape == (2, 32)
    outputs = np.asarray(model.apply({"params": params}, model.to_signal(samples), roll))
    if model.output == "mu_law":
        best = outputs.argmax(axis=-1) - 128
    else:
        likeliest = outputs[..., :3].argmax(axis=-1, keepdims=True)
        means = outputs[..., 3:6] + np.array([-2 / 3, 0, 2 / 3])
        best = np.take_along_axis(means, likeliest, axis=-1)[..., 0]
        best = np.clip(np.round(32_768 * best), -32_768, 32_767)
    assert np.mean(np.abs(np.asarray(samples) - best) <= 1) > 0.98  # ties can round either way
    assert len(np.unique(samples)) > 4


def test_each_output_has_its_samples_and_signal():
    classes, mixture = (SMALL.clone(output=output) for output in OUTPUTS)
    assert classes.distribution == MuLawClasses()
    assert mixture.distribution == LogisticMixture(3)
    codes = jnp.array([-128, 0, 64])
    np.testing.assert_array_equal(classes.to_signal(codes), [-1, 0, 0.5])
    samples = np.array([-32_768, -50, 0, 1, 20_000])
    expected = librosa.mu_compress(samples / 32_768, quantize=False)
    np.testing.assert_allclose(mixture.to_signal(jnp.asarray(samples)), expected, atol=1e-6)


def test_bfloat16_computes_the_same_model_coarsely(model, params, signal, roll):
    exact = model.apply({"params": params}, signal, roll)
    coarse = model.clone(dtype=jnp.bfloat16).apply({"params": params}, signal, roll)
    assert coarse.dtype == jnp.float32
    assert 0 < np.linalg.norm(coarse - exact) / np.linalg.norm(exact) < 0.1
