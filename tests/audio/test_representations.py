import jax
import numpy as np
import pytest

from wavenet_ae.audio import representations, spectral


def test_the_network_sees_the_spectrum_without_its_top_bin():
    audio = np.random.default_rng(0).normal(size=(2, 64_000)).astype(np.float32)
    seen = representations.from_audio(audio, "real_and_imaginary")
    assert seen.shape == (2, 512, 256, 2)
    spectrum = np.asarray(spectral.stft(audio))
    np.testing.assert_array_equal(seen[:, :, :251, 0], spectrum[:, :-1].real)
    np.testing.assert_array_equal(seen[:, :, :251, 1], spectrum[:, :-1].imag)
    assert not np.any(seen[:, :, 251:])


@pytest.mark.parametrize("representation", representations.REPRESENTATIONS)
def test_a_note_comes_back(representation):
    time_s = np.arange(64_000) / 16_000
    audio = np.sin(2 * np.pi * 440 * time_s) * np.exp(-time_s)
    audio = (0.5 * audio[None]).astype(np.float32)
    features = representations.from_audio(audio, representation)
    assert features.shape[3] == representations.NUM_CHANNELS[representation]
    back = representations.to_audio(
        features, representation, 64_000, jax.random.split(jax.random.key(0), 1), num_iterations=60
    )
    assert back.shape == audio.shape
    level = np.abs(audio).max() if representation == "real_and_imaginary" else 1.0
    assert np.abs(back).max() == pytest.approx(level, rel=1e-3)
    # The log magnitude leaves the phase open: compare log magnitudes.
    ours, theirs = (spectral.log_magnitude(spectral.stft(x))[0] for x in (back, audio))
    loud = np.asarray(theirs) > 0.75  # 30 dB below the peak
    assert np.abs(ours - theirs)[loud].mean() * spectral.DYNAMIC_RANGE_DB < 1.0


def test_shorter_notes_are_followed_by_zeros():
    audio = np.random.default_rng(0).normal(size=(1, 5_000)).astype(np.float32)
    seen = np.asarray(representations.from_audio(audio, "log_magnitude"))
    frames = spectral.num_frames(5_000)
    assert seen[:, :, :frames].min() > 0
    assert not seen[:, :, frames:].any()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: representations.from_audio(np.zeros((1, 512)), "mel"), "'mel' is unknown"),
        (
            lambda: representations.from_audio(np.zeros((1, 65_536)), "log_magnitude"),
            "reads 256 frames, the notes have 257",
        ),
        (
            lambda: representations.to_audio(
                np.zeros((1, 512, 256, 1)), "real_and_imaginary", 64_000, None
            ),
            "1 channels are not real_and_imaginary",
        ),
        (
            lambda: representations.to_audio(
                np.zeros((1, 513, 251, 2)), "real_and_imaginary", 64_000, None
            ),
            r"expected \(512, 256\) bins and frames, got \(513, 251\)",
        ),
    ],
)
def test_wrong_arguments_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
