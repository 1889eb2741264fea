import authors
import jax
import jax.numpy as jnp
import librosa
import numpy as np
import pytest

from wavenet_ae.audio import first_call, spectral
from wavenet_ae.benchmarks.griffin_lim import LIBROSAS_SEED

# What numba compiles goes into one cache of all tests.
istft, griffinlim = first_call.exclusive(librosa.istft), first_call.exclusive(librosa.griffinlim)
LIBROSA = {"n_fft": 1024, "hop_length": 256, "pad_mode": "constant"}


@pytest.fixture(scope="module")
def oracle():
    return authors.load("spectrograms.npz")


@pytest.fixture(scope="module")
def note(oracle):
    """The authors' note, 4 s."""
    return oracle["audio"][0]


@pytest.fixture(scope="module")
def sounds(note):
    """Three different sounds of one second, [3, 16000]."""
    time_s = np.arange(16_000) / 16_000
    sweep = np.sin(2 * np.pi * (200 + 1500 * time_s) * time_s) * np.exp(-2 * time_s)
    noise = np.random.default_rng(0).normal(size=16_000) * 0.1
    return np.stack([note[:16_000], sweep, noise]).astype(np.float32)


def librosa_magnitude(audio):
    return np.abs(librosa.stft(audio, **LIBROSA))


def convergence(audio, magnitude):
    """Returns the spectral convergence: the magnitudes' distance relative to the target."""
    got = librosa_magnitude(np.asarray(audio))
    return np.linalg.norm(got - magnitude) / np.linalg.norm(magnitude)


def assert_float32(*arrays):
    for array in arrays:
        assert array.dtype in (jnp.float32, jnp.complex64)


# -- The authors' numbers


def relative_rounding(level):
    """Returns the relative error that a float32 transform makes in bins of these levels.

    Its error is up to 6e-8 of the largest bin in every bin, however quiet: 6 % at -120 dB.
    """
    return 1e-7 / 10 ** (6 * (level - 1))


def test_real_and_imaginary_are_the_authors(oracle):
    features = spectral.real_and_imaginary(spectral.stft(oracle["audio"]))
    reference = oracle["real_imag"]
    # The authors' transform is of double precision: two units in the last place of the largest.
    atol = 2e-7 * np.abs(reference).max()
    np.testing.assert_allclose(features[:, :, oracle["frames"]], reference, rtol=0, atol=atol)


def test_log_magnitude_is_the_authors(oracle):
    level = np.asarray(spectral.log_magnitude(spectral.stft(oracle["audio"])))
    reference = oracle["log_magnitude_and_dphase"][..., 0]
    assert reference.min() == 0  # the range's lower end is among them
    # 20 / 120 log10 of the relative error, and the rounding of numbers near 1.
    atol = 20 / 120 / np.log(10) * relative_rounding(reference) + 2e-7
    assert (np.abs(level[:, :, oracle["frames"]] - reference) <= atol).all()
    assert level.max() == 1
    assert level.min() == 0


def test_instantaneous_frequency_is_the_authors(oracle):
    features = np.asarray(spectral.log_magnitude_and_frequency(spectral.stft(oracle["audio"])))
    frames = oracle["frames"]
    reference = oracle["log_magnitude_and_dphase"]
    level = reference[..., 0]
    # Angles of both frames are as uncertain as their bins; the authors' unwrapped phase grows to
    # some hundred turns before they take its difference, which costs them 2e-5.
    before = features[:, :, np.maximum(frames - 1, 0), 0]
    atol = level * (relative_rounding(level) + relative_rounding(before)) + 3e-5
    error = np.abs(features[:, :, frames, 1] - reference[..., 1])
    assert (error > atol).mean() < 1e-3
    # A change of half a turn may fall to either side.
    assert (np.minimum(error, np.abs(2 * level - error)) <= atol).all()
    assert np.abs(reference[..., 1]).max() > 0.5


# -- librosa's


@pytest.mark.parametrize("num_samples", [16_000, 15_999, 15_872, 100])
def test_stft_is_librosas(sounds, num_samples):
    audio = sounds[:, :num_samples]
    ours = spectral.stft(audio)
    theirs = librosa.stft(np.pad(audio, ((0, 0), (0, 1024))), **LIBROSA)
    theirs = theirs[..., : spectral.num_frames(num_samples)]
    assert ours.shape == (3, 513, 1 + num_samples // 256)
    assert_float32(ours)
    np.testing.assert_allclose(ours, theirs, atol=3e-7 * np.abs(theirs).max(), rtol=0)


@pytest.mark.parametrize("loudness", [1, 1e-4, 1e-6, 1e-9])
def test_floor_of_the_log_magnitude_is_librosas(sounds, loudness):
    audio = sounds[2] * np.float32(loudness)
    power = librosa_magnitude(audio) ** 2
    theirs = librosa.power_to_db(power, amin=1e-13, top_db=120, ref=np.max) / 120 + 1
    ours = spectral.log_magnitude(spectral.stft(audio[np.newaxis]))[0]
    # Single bins of the noise are near zero, and no more precise than the transform.
    np.testing.assert_allclose(ours, theirs, atol=1e-4)


@pytest.mark.parametrize("num_samples", [None, 16_000, 15_900])
def test_istft_is_librosas(sounds, num_samples):
    # Not the spectrum of any sound, so that the frames' weights show.
    spectrum = librosa.stft(sounds, **LIBROSA)
    spectrum = spectrum * np.exp(1j * np.random.default_rng(1).normal(size=spectrum.shape))
    spectrum[:, [0, -1]] = spectrum[:, [0, -1]].real
    spectrum = spectrum.astype(np.complex64)
    theirs = istft(spectrum, hop_length=256, length=num_samples)
    ours = spectral.istft(spectrum, num_samples)
    assert ours.shape == theirs.shape
    assert_float32(ours)
    np.testing.assert_allclose(ours, theirs, atol=1e-6)


@pytest.mark.parametrize("momentum", [0.0, 0.99])
def test_griffin_lim_is_librosas_from_the_same_phase(sounds, momentum):
    magnitude = librosa_magnitude(sounds)
    theirs = [
        griffinlim(one, n_iter=4, momentum=momentum, init=None, **LIBROSA) for one in magnitude
    ]
    ours = spectral.griffin_lim_from_phase(magnitude, np.zeros_like(magnitude), 4, momentum)
    # Bins near zero have no phase in float32, and each iteration spreads their errors.
    np.testing.assert_allclose(ours, np.stack(theirs), atol=2e-3)


@pytest.mark.parametrize("momentum", [0.0, 0.99])
def test_griffin_lim_converges_as_librosas(sounds, momentum):
    magnitude = librosa_magnitude(sounds)
    keys = jax.random.split(jax.random.key(0), 3)
    ours = np.asarray(spectral.griffin_lim(magnitude, keys, 40, momentum))
    for audio, one in zip(ours, magnitude, strict=True):
        theirs = [
            convergence(
                griffinlim(one, n_iter=40, momentum=momentum, **{LIBROSAS_SEED: seed}, **LIBROSA),
                one,
            )
            for seed in range(3)
        ]
        # Where it ends depends on the random phases.
        assert 0.6 * min(theirs) < convergence(audio, one) < 1.6 * max(theirs)


# -- There and back


@pytest.mark.parametrize("num_samples", [64_000, 63_999, 1000, 300, 1])
def test_stft_is_undone(note, num_samples):
    audio = note[np.newaxis, -num_samples:]
    back = spectral.istft(spectral.stft(audio), num_samples)
    np.testing.assert_allclose(back, audio, atol=1e-6)


def test_real_and_imaginary_are_undone(sounds):
    features = spectral.real_and_imaginary(spectral.stft(sounds))
    back = spectral.audio_from_real_and_imaginary(features, 16_000)
    np.testing.assert_allclose(back, sounds, atol=1e-6)


def test_log_magnitude_is_undone_but_for_the_level(sounds):
    spectrum = spectral.stft(sounds)
    magnitude = np.abs(spectrum)
    magnitude /= magnitude.max(axis=(1, 2), keepdims=True)
    back = spectral.from_log_magnitude(spectral.log_magnitude(spectrum))
    # exp(13.8 x) of a float32 x; and what is quieter than the floor comes back as the floor.
    np.testing.assert_allclose(back, np.maximum(magnitude, 1e-6), rtol=4e-6)


def test_instantaneous_frequency_is_undone(sounds):
    features = spectral.log_magnitude_and_frequency(spectral.stft(sounds))
    back = np.asarray(spectral.audio_from_log_magnitude_and_frequency(features, 16_000))
    correlation = [np.corrcoef(*pair)[0, 1] for pair in zip(back, sounds, strict=True)]
    assert min(correlation[0], correlation[2]) > 0.9999
    # The sweep's bins wait below the floor for their moment, and the mask forgets their phase.
    assert 0.5 < correlation[1] < 0.99
    # Level 1 is magnitude 1.
    assert np.abs(spectral.stft(back)).max() == pytest.approx(1, rel=1e-2)


def test_instantaneous_frequency_of_a_steady_tone():
    turns = (64 + 0.25) / 1024 * np.arange(16_000)
    change = spectral.instantaneous_frequency(spectral.stft(np.sin(2 * np.pi * turns)[np.newaxis]))
    assert_float32(change)
    # A hop is 16 turns of bin 64, and 0.25 bins add 1/8 of half a turn; the ends see the cut.
    np.testing.assert_allclose(change[0, 63:66, 4:-4], 0.125, atol=1e-4)
    assert np.abs(change).max() <= 1


def test_wild_features_give_finite_sound():
    features = np.random.default_rng(0).normal(size=(2, 513, 9, 2)).astype(np.float32)
    features[0, ..., 0] = 0
    features[1, :100, :, 0] = 1e-30
    assert np.isfinite(spectral.audio_from_log_magnitude_and_frequency(features)).all()


# -- Griffin-Lim


@pytest.mark.parametrize("momentum", [0.0, 0.99])
def test_griffin_lim_improves_with_iterations(sounds, momentum):
    magnitude = librosa_magnitude(sounds)
    keys = jax.random.split(jax.random.key(1), 3)
    errors = [
        [
            convergence(audio, one)
            for audio, one in zip(
                spectral.griffin_lim(magnitude, keys, n, momentum), magnitude, strict=True
            )
        ]
        for n in (0, 3, 12, 50)
    ]
    assert (np.diff(errors, axis=0) < 0).all()


def test_accelerated_griffin_lim_beats_the_plain(note):
    magnitude = librosa_magnitude(note)[np.newaxis]
    keys = jax.random.split(jax.random.key(0), 1)
    plain, fast = (
        convergence(spectral.griffin_lim(magnitude, keys, 60, momentum)[0], magnitude[0])
        for momentum in (0.0, 0.99)
    )
    assert fast < 0.7 * plain


def test_griffin_lim_keeps_to_the_length(sounds):
    audio = sounds[:, :10_100]
    magnitude = np.abs(spectral.stft(audio))
    keys = jax.random.split(jax.random.key(0), 3)
    ours = np.asarray(spectral.griffin_lim(magnitude, keys, 100, 0.99, num_samples=10_100))
    assert ours.shape == audio.shape
    for one, target in zip(ours, audio, strict=True):
        assert convergence(one, librosa_magnitude(target)) < 0.2


def test_griffin_lim_treats_notes_alone(sounds):
    magnitude = librosa_magnitude(sounds)
    keys = jax.random.split(jax.random.key(2), 3)
    together = spectral.griffin_lim(magnitude, keys, 8, 0.99)
    alone = spectral.griffin_lim(magnitude[1:2], keys[1:2], 8, 0.99)
    np.testing.assert_array_equal(together[1:2], alone)
    other = spectral.griffin_lim(magnitude[1:2], keys[:1], 8, 0.99)
    assert np.abs(other - alone).max() > 0.01
    raw = spectral.griffin_lim(magnitude, jax.random.key_data(keys), 8, 0.99)
    np.testing.assert_array_equal(raw, together)


@pytest.mark.parametrize("momentum", [0.0, 0.99])
def test_griffin_lim_of_a_whole_batch_is_that_of_each_note(sounds, momentum):
    """Accelerators iterate on the whole batch; processors on note after note."""
    magnitude = librosa_magnitude(sounds).swapaxes(1, 2)
    estimate = magnitude.astype(np.complex64)
    gain, _ = spectral._overlap_gain(magnitude.shape[1], None)
    refine = jax.jit(spectral._refine, static_argnums=(3, 4))
    whole = refine(magnitude, estimate, gain, 3, momentum)
    for i in range(3):
        alone = refine(magnitude[i : i + 1], estimate[i : i + 1], gain, 3, momentum)
        np.testing.assert_allclose(whole[i : i + 1], alone, atol=1e-4)
    ours = spectral.griffin_lim_from_phase(
        magnitude.swapaxes(1, 2), np.zeros((3, 513, magnitude.shape[1])), 3, momentum
    )
    np.testing.assert_allclose(spectral._crop(whole, ours.shape[1]), ours, atol=1e-4)


def test_random_phase_is_uniform_and_its_keys_own():
    keys = jax.random.split(jax.random.key(0), 2)
    phase = np.asarray(spectral.random_phase(keys, 60))
    assert phase.shape == (2, 513, 60)
    assert_float32(phase)
    np.testing.assert_array_equal(spectral.random_phase(keys[1:], 60), phase[1:])
    shares = np.histogram(phase, bins=8, range=(-np.pi, np.pi))[0] / phase.size
    # 61,560 draws: 0.125 with a standard deviation of 0.0013.
    np.testing.assert_allclose(shares, 1 / 8, atol=0.006)


def test_peaks_become_1(sounds):
    loud = spectral.normalize_peak(np.stack([sounds[0] * 1e-3, -sounds[1] * 7, sounds[2] * 0]))
    np.testing.assert_allclose(np.abs(loud).max(axis=1), [1, 1, 0], rtol=1e-6)
    np.testing.assert_allclose(loud[0], sounds[0] / np.abs(sounds[0]).max(), atol=1e-6)
    assert_float32(loud)


# -- All of it


FEATURES = [
    spectral.log_magnitude,
    spectral.instantaneous_frequency,
    spectral.log_magnitude_and_frequency,
    spectral.real_and_imaginary,
]


@pytest.mark.parametrize("features", FEATURES)
def test_features_treat_notes_alone(sounds, features):
    loudness = np.float32([[1], [1e-2], [3]])
    spectrum = spectral.stft(sounds * loudness)
    together = features(spectrum)
    assert_float32(together)
    for i in range(3):
        np.testing.assert_allclose(
            together[i : i + 1], features(spectrum[i : i + 1]), rtol=1e-6, atol=1e-6
        )


@pytest.mark.parametrize("num_samples", [0, 1, 3000])
def test_silence_and_short_sounds_are_finite(note, num_samples):
    audio = np.stack([np.zeros(num_samples, np.float32), note[:num_samples]])
    spectrum = spectral.stft(audio)
    arrays = [spectrum, *(features(spectrum) for features in FEATURES)]
    arrays += [
        spectral.istft(spectrum, num_samples),
        spectral.audio_from_log_magnitude_and_frequency(arrays[3], num_samples),
        spectral.audio_from_real_and_imaginary(arrays[4], num_samples),
    ]
    keys = jax.random.split(jax.random.key(0), 2)
    for momentum in (0.0, 0.99):
        found = spectral.griffin_lim(np.abs(spectrum), keys, 5, momentum, num_samples)
        assert not np.any(found[0])
        arrays += [found, spectral.normalize_peak(found)]
    for array in arrays:
        assert np.isfinite(array).all()
        assert_float32(array)


def test_silence_is_as_loud_as_its_maximum():
    spectrum = spectral.stft(np.zeros((1, 1000), np.float32))
    np.testing.assert_array_equal(spectral.log_magnitude(spectrum), 1)
    np.testing.assert_array_equal(spectral.instantaneous_frequency(-spectrum), 0)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: spectral.stft(np.zeros(9)), r"audio \[batch, samples\], got \[9\]"),
        (lambda: spectral.istft(np.zeros((1, 512, 9), complex)), r"513, frames\], got \[1, 512, 9"),
        (
            lambda: spectral.istft(np.zeros((1, 513, 9), complex), 9 * 256),
            "10 frames, the spec.* 9",
        ),
        (
            lambda: spectral.audio_from_real_and_imaginary(np.zeros((1, 513, 9, 3))),
            r"513, frames, 2\], got \[1, 513, 9, 3\]",
        ),
        (
            lambda: spectral.audio_from_log_magnitude_and_frequency(np.zeros((1, 513, 9))),
            r"513, frames, 2\], got \[1, 513, 9\]",
        ),
    ],
)
def test_wrong_shapes_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"keys": jax.random.split(jax.random.key(0), 3)}, r"2 notes need as many keys, got \[3\]"),
        ({"magnitude": np.ones((2, 500, 9))}, r"513, frames\], got \[2, 500, 9\]"),
        ({"num_iterations": -1}, "num_iterations is -1"),
        ({"momentum": -0.1}, "momentum is -0.1"),
        ({"momentum": 1.5}, "momentum is 1.5"),
    ],
)
def test_wrong_arguments_of_griffin_lim_are_named(change, message):
    right = {"magnitude": np.ones((2, 513, 9)), "keys": jax.random.split(jax.random.key(0), 2)}
    with pytest.raises(ValueError, match=message):
        spectral.griffin_lim(**right | change)


def test_phases_must_fit_the_magnitude():
    with pytest.raises(ValueError, match=r"phase is \[2, 513, 8\], magnitude \[2, 513, 9\]"):
        spectral.griffin_lim_from_phase(np.ones((2, 513, 9)), np.ones((2, 513, 8)))
