import json
from pathlib import Path

import jax
import numpy as np
import pytest

from wavenet_ae import tasks
from wavenet_ae.audio import mu_law, representations
from wavenet_ae.synthesis import codec, sampler, wavenet_codec
from wavenet_ae.system.errors import UserError
from wavenet_ae.training.trained import TrainedModel

WAVENET = {
    "task": "wavenet",
    "crop_samples": 8,
    "model": {
        "encoder_channels": 4,
        "encoder_layers": 4,
        "decoder_channels": 4,
        "skip_channels": 4,
        "decoder_layers": 2,
        "dilation_cycle": 3,
        "embedding_size": 3,
        "hop_length": 8,
    },
}
SPECTRAL = {
    "task": "spectral",
    "model": {
        "narrow_channels": 2,
        "middle_channels": 4,
        "wide_channels": 4,
        "bottleneck_channels": 8,
        "embedding_size": 5,
        "pitch_embedding_size": 3,
    },
}


def untrained(config):
    task = tasks.create(config)
    weights = jax.jit(task.init)(jax.random.key(0))
    return TrainedModel(Path("run"), "run", config, task, *weights, step=0, fingerprint="f")


def noise(*shape):
    return np.random.default_rng(0).uniform(-1, 1, shape).astype(np.float32)


@pytest.fixture(scope="module")
def wavenet():
    return codec.create(untrained(WAVENET))


@pytest.fixture(scope="module")
def baseline():
    return codec.create(untrained(SPECTRAL), griffin_lim_iterations=3)


def encoded_whole(model, audio):
    signal = mu_law.to_unit_range(mu_law.encode(audio))
    trained = model.trained
    return trained.task.model.apply({"params": trained.params}, signal, method="encode")


@pytest.mark.parametrize("num_samples", [1, 7, 8, 9, 24, 40, 64, 100])
def test_wavenet_pads_any_length_to_whole_frames(wavenet, num_samples):
    audio = noise(2, num_samples)
    expected = encoded_whole(wavenet, np.pad(audio, ((0, 0), (0, -num_samples % 8))))
    np.testing.assert_allclose(wavenet.encode(audio), expected, atol=1e-6)


@pytest.mark.parametrize("num_frames", [256, 257, 300, 509, 1000])
def test_wavenet_windows_give_what_one_piece_gives(wavenet, num_frames):
    audio = noise(2, 8 * num_frames)
    np.testing.assert_allclose(wavenet.encode(audio), encoded_whole(wavenet, audio), atol=1e-6)


def test_a_few_programs_encode_sounds_of_all_lengths(wavenet, monkeypatch):
    windows = []
    encode = wavenet_codec._encode

    def spy(model, params, audio, num_samples):
        windows.append(audio.shape[1] // 8)
        return encode(model, params, audio, num_samples)

    monkeypatch.setattr(wavenet_codec, "_encode", spy)
    frames = [1, 2, 3, 5, 6, 7, 8, 100, 128, 130, 255, 256, 257, 600]
    shapes = [wavenet.encode(noise(1, 8 * n)).shape for n in frames]
    assert shapes == [(1, n, 3) for n in frames]
    assert set(windows) == {1, 2, 4, 8, 128, 256}


def test_wavenet_generates_by_its_temperature(wavenet):
    embedding, keys = noise(2, 3, 3), sampler.note_keys(0, np.arange(2))
    cold = codec.create(wavenet.trained, temperature=0)
    other_keys = sampler.note_keys(1, np.arange(2))
    sounds = [np.concatenate(list(cold.generate(embedding, k)), 1) for k in (keys, other_keys)]
    assert sounds[0].shape == (2, 24)
    np.testing.assert_array_equal(*sounds)
    assert np.any(np.concatenate(list(wavenet.generate(embedding, keys)), 1) != sounds[0])


def test_baseline_sees_whole_notes(baseline):
    # A note and a half; two sounds; more notes than are encoded at a time.
    audio = noise(9, 96_000)
    notes = np.pad(audio, ((0, 0), (0, 32_000))).reshape(18, 64_000)
    trained = baseline.trained
    variables = {"params": trained.params, **trained.model_state}
    seen = representations.from_audio(notes, "log_magnitude")
    encode = jax.jit(lambda x: trained.task.model.apply(variables, x, method="encode"))
    embedding = baseline.encode(audio)
    assert embedding.shape == (9, 2, 5)
    np.testing.assert_allclose(embedding, encode(seen).reshape(9, 2, 5), atol=1e-6)
    np.testing.assert_allclose(baseline.encode(audio[:1, :64_000]), embedding[:1, :1], atol=1e-6)


def test_baseline_decodes_note_by_note(baseline):
    embedding, keys = noise(2, 2, 5), sampler.note_keys(0, np.arange(2))
    pitch = np.array([60, 72])
    notes = list(baseline.generate(embedding, keys, pitch))
    assert [note.shape for note in notes] == [(2, 64_000)] * 2
    trained = baseline.trained
    variables = {"params": trained.params, **trained.model_state}
    decode = jax.jit(lambda z, p: trained.task.model.apply(variables, z, p, method="decode"))
    for i, note in enumerate(notes):
        spectrogram = decode(embedding[:, i], pitch)
        note_keys = jax.vmap(jax.random.fold_in, (0, None))(keys, i)
        expected = representations.to_audio(
            spectrogram, "log_magnitude", 64_000, note_keys, num_iterations=3
        )
        np.testing.assert_allclose(np.abs(note).max(axis=1), 1, rtol=1e-6)
        np.testing.assert_allclose(note, expected, atol=1e-4)
    again = list(baseline.generate(embedding[::-1], keys[::-1], pitch[::-1]))
    np.testing.assert_allclose(again[1][1], notes[1][0], atol=1e-4)
    other_pitch = next(iter(baseline.generate(embedding, keys, pitch + 1)))
    assert np.abs(other_pitch - notes[0]).max() > 1e-4


def test_embeddings_serve_as_codecs_say(wavenet, baseline):
    assert (wavenet.hop_length, wavenet.embedding_size, wavenet.num_pitches) == (8, 3, 0)
    assert (baseline.hop_length, baseline.embedding_size, baseline.num_pitches) == (64_000, 5, 128)
    assert dict(wavenet.settings) == {"temperature": 1.0}
    assert baseline.settings["griffin_lim_iterations"] == 3


@pytest.mark.parametrize(
    ("config", "settings", "message"),
    [
        (WAVENET, {"griffin_lim_iterations": 3}, "griffin_lim_iterations is not a setting of run"),
        (SPECTRAL, {"temperature": 1.0}, "temperature is not a setting of run, .* a spectral"),
        (WAVENET, {"temperature": float("nan")}, "temperature=nan must be"),
        (SPECTRAL, {"griffin_lim_iterations": -1}, "griffin_lim_iterations=-1 must be"),
        (SPECTRAL, {"griffin_lim_momentum": 2.0}, "griffin_lim_momentum=2.0 must be"),
        ({"task": "classifier"}, {}, "run is a classifier, which has no embeddings"),
    ],
)
def test_wrong_settings_are_named(config, settings, message):
    trained = TrainedModel(Path("run"), "run", json.loads(json.dumps(config)), *[None] * 5)
    with pytest.raises(UserError, match=message):
        codec.create(trained, **settings)
