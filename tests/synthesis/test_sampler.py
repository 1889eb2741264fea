import os
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import authors
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from wavenet_ae.audio import mu_law
from wavenet_ae.models import arithmetic
from wavenet_ae.models.autoencoder import WaveNetAutoencoder
from wavenet_ae.synthesis import sampler

MODEL = WaveNetAutoencoder(
    encoder_channels=4,
    encoder_layers=2,
    decoder_channels=24,
    skip_channels=16,
    decoder_layers=6,
    dilation_cycle=4,
    embedding_size=3,
    hop_length=32,
)


LAGGED = MODEL.clone(num_pitches=128, pitch_lags=2)
PITCHES = np.array([21, 40, 64, 90, 108])


def params_with_lags(model):
    """Parameters whose lags, which begin at zero, have an influence."""
    params = model.init(jax.random.key(0), jnp.zeros((1, 32)), jnp.zeros(1, int))["params"]
    kernel = params["decoder"]["lagged"]["kernel"]
    params["decoder"]["lagged"]["kernel"] = jax.random.normal(jax.random.key(2), kernel.shape)
    return params


@pytest.fixture(scope="module")
def params():
    return MODEL.init(jax.random.key(0), jnp.zeros((1, 32)))["params"]


@pytest.fixture(scope="module")
def embedding():
    return np.random.default_rng(0).normal(size=(5, 6, 3)).astype(np.float32)


def generated(params, embedding, numbers, model=MODEL, **settings):
    keys = sampler.note_keys(3, np.asarray(numbers))
    return np.concatenate(list(sampler.generate(model, params, embedding, keys, **settings)), 1)


def stepwise_probabilities(model, params, signal, embedding, pitch=None):
    """Feeds the sampler's step with a known signal [batch, time]."""
    batch, time = signal.shape
    conditioning = model.apply({"params": params}, embedding, pitch, method="condition")

    weights = sampler.prepare(model, params)

    @jax.jit
    def run(signal):
        def step(decoder, xs):
            t, previous = xs
            frame = jax.tree.map(lambda x: x[..., t // model.hop_length, None], conditioning)
            state = sampler.SamplerState(decoder, previous)
            decoder, logits = sampler.next_logits(model, weights, state, frame)
            return decoder, jax.nn.softmax(logits)

        start = sampler.initial_state(model, params, batch).decoder
        past = jnp.pad(signal[:, :-1], ((0, 0), (1, 0))).T
        return jax.lax.scan(step, start, (jnp.arange(time), past))[1].swapaxes(0, 1)

    return np.asarray(run(signal))


def test_steps_give_the_probabilities_of_the_authors_generator():
    oracle = authors.load("wavenet_after_3_steps.npz")
    # Their generator read the decoded codes of the same sounds.
    signal = mu_law.to_unit_range(authors.load("wavenet_initial.npz")["quantized"])[:, :1200]
    ours = stepwise_probabilities(
        authors.MODEL, authors.params(oracle), signal, jnp.asarray(oracle["encoding"])
    )
    # Logits of up to 60 in float32, after 30 layers: 5e-6 of them each way.
    np.testing.assert_allclose(ours[:, ::8], oracle["stepwise_probabilities"], atol=2e-5)


def test_steps_agree_with_the_teacher_forced_pass(params, embedding):
    signal = jax.random.uniform(jax.random.key(1), (5, 192), minval=-1.0)
    ours = stepwise_probabilities(MODEL, params, signal, embedding)
    logits = MODEL.apply(
        {"params": params}, signal, embedding, method=lambda m, s, e: m.decoder(s, e)
    )
    np.testing.assert_allclose(ours, jax.nn.softmax(logits), atol=1e-6)


def test_steps_of_a_decoder_with_lags_agree_with_the_teacher_forced_pass(embedding):
    signal = jax.random.uniform(jax.random.key(1), (5, 1_536), minval=-1.0)
    embedding = jnp.asarray(np.tile(embedding, (1, 8, 1)))
    params, pitch = params_with_lags(LAGGED), jnp.asarray(PITCHES)
    ours = stepwise_probabilities(LAGGED, params, signal, embedding, pitch)

    def whole(m, signal, embedding):
        return m.decoder(signal, m.with_pitch(embedding, pitch), pitch)

    logits = LAGGED.apply({"params": params}, signal, embedding, method=whole)
    np.testing.assert_allclose(ours, jax.nn.softmax(logits), atol=1e-5)
    # Chunks, each from the state that the one before left, generate the same sound.
    settings = {"pitch": PITCHES[:2], "temperature": 0.0}
    several, one = (
        generated(params, embedding[:2], range(2), LAGGED, chunk_frames=n, **settings)
        for n in (5, 48)
    )
    np.testing.assert_allclose(several, one, atol=1e-6)


def test_what_is_generated_is_what_the_teacher_forced_pass_finds_most_probable(params, embedding):
    audio = generated(params, embedding, range(5), temperature=0.0)
    codes = mu_law.encode(audio)
    logits = MODEL.apply(
        {"params": params},
        mu_law.to_unit_range(codes),
        embedding,
        method=lambda m, s, e: m.decoder(s, e),
    )
    best = mu_law.from_labels(logits.argmax(axis=-1))
    assert np.mean(np.asarray(codes == best)) > 0.999  # near ties can round either way


@pytest.mark.parametrize("channels", [24, 160])
@pytest.mark.parametrize("batch", [1, 2, 3])
def test_a_sound_does_not_depend_on_its_neighbours(embedding, monkeypatch, batch, channels):
    monkeypatch.setattr(sampler, "CACHED_BYTES", 0)  # all are generated together
    model = MODEL.clone(decoder_channels=channels)
    params = model.init(jax.random.key(0), jnp.zeros((1, 32)))["params"]
    together = generated(params, embedding, range(5), model)
    for first in range(0, 5 - batch + 1, batch):
        chosen = range(first, first + batch)
        alone = generated(params, embedding[list(chosen)], chosen, model)
        np.testing.assert_array_equal(alone, together[list(chosen)])


@pytest.mark.parametrize("batch", [2, 8, 32])
def test_probabilities_do_not_depend_on_the_batch_at_larger_sizes(batch):
    model = MODEL.clone(decoder_channels=320, skip_channels=256)
    params = model.init(jax.random.key(0), jnp.zeros((1, 32)))["params"]
    rng = np.random.default_rng(0)
    signal = jnp.asarray(rng.uniform(-1, 1, (batch, 64)), jnp.float32)
    embedding = jnp.asarray(rng.normal(size=(batch, 2, 3)), jnp.float32)
    together = stepwise_probabilities(model, params, signal, embedding)
    alone = stepwise_probabilities(model, params, signal[:1], embedding[:1])
    np.testing.assert_allclose(together[:1], alone, atol=1e-6)


def test_eight_devices_generate_what_one_does(embedding, tmp_path):
    script = f"""
        import sys
        import jax
        jax.config.update("jax_num_cpu_devices", 8)
        import numpy as np
        sys.path.insert(0, {str(Path(__file__).parent)!r})
        from test_sampler import LAGGED, PITCHES, generated, params_with_lags
        assert jax.device_count() == 8
        params = params_with_lags(LAGGED)
        sounds = generated(params, np.load(sys.argv[1]), range(5), LAGGED, pitch=PITCHES)
        np.save(sys.argv[2], sounds)
    """
    np.save(tmp_path / "embedding.npy", embedding)
    subprocess.run(
        [
            sys.executable,
            "-c",
            textwrap.dedent(script),
            tmp_path / "embedding.npy",
            tmp_path / "eight.npy",
        ],
        check=True,
        env=os.environ | {"PYTHONPATH": str(authors.FOLDER.parent)},
    )
    np.testing.assert_array_equal(
        np.load(tmp_path / "eight.npy"),
        generated(params_with_lags(LAGGED), embedding, range(5), LAGGED, pitch=PITCHES),
    )


@pytest.fixture
def rows_together(monkeypatch):
    """The number of sounds of every program that `generate` has run."""
    rows = []
    together = sampler._generate_batch

    def spy(model, params, embedding, *args, **settings):
        rows.append(len(embedding))
        return together(model, params, embedding, *args, **settings)

    monkeypatch.setattr(sampler, "_generate_batch", spy)
    return rows


@pytest.mark.parametrize(
    ("num_cores", "few", "rows"), [(2, 2, [3, 2]), (3, 0, [2, 2, 1]), (2, 3, [1, 1, 1, 1, 1])]
)
def test_cores_that_share_the_sounds_generate_what_one_does(
    embedding, monkeypatch, rows_together, num_cores, few, rows
):
    model = MODEL.clone(num_pitches=128)
    params = model.init(jax.random.key(0), jnp.zeros((1, 32)), jnp.zeros(1, int))["params"]
    settings = {"pitch": [60, 61, 62, 63, 64], "chunk_frames": 4}
    monkeypatch.setattr(sampler, "FEW_SOUNDS", few)
    monkeypatch.setattr(sampler, "num_cores", lambda: 1)
    alone = generated(params, embedding, range(5), model, **settings)
    monkeypatch.setattr(sampler, "num_cores", lambda: num_cores)
    np.testing.assert_array_equal(generated(params, embedding, range(5), model, **settings), alone)
    assert rows_together == [5, *rows]


def test_cores_share_no_sounds_of_a_model_that_no_cache_holds(
    params, embedding, monkeypatch, rows_together
):
    monkeypatch.setattr(sampler, "num_cores", lambda: 2)
    monkeypatch.setattr(sampler, "FEW_SOUNDS", 2)
    size = sum(leaf.nbytes for leaf in jax.tree.leaves(params["decoder"]))
    for largest in (size - 1, size):
        monkeypatch.setattr(sampler, "CACHED_BYTES", largest)
        generated(params, embedding, range(5))
    assert rows_together == [5, 3, 2]


def test_what_fails_on_one_core_fails_all(params, embedding, monkeypatch):
    def failing(model, params, embedding, *args, **settings):
        yield np.zeros((1, 32), np.float32)
        if embedding[0, 0, 0] == -1:
            raise MemoryError("of this core")
        yield np.zeros((1, 32), np.float32)

    monkeypatch.setattr(sampler, "num_cores", lambda: 2)
    monkeypatch.setattr(sampler, "_generate_batch", failing)
    assert generated(params, embedding[:2], range(2)).shape == (2, 64)
    embedding = embedding.copy()
    embedding[1, 0, 0] = -1
    with pytest.raises(MemoryError, match="of this core"):
        generated(params, embedding[:2], range(2))


def test_a_sound_that_nobody_hears_to_its_end_leaves_no_thread(params, embedding, monkeypatch):
    monkeypatch.setattr(sampler, "num_cores", lambda: 3)
    keys = sampler.note_keys(0, np.arange(3))
    before = threading.active_count()
    sound = sampler.generate(MODEL, params, embedding[:3], keys, chunk_frames=1)
    assert next(sound).shape == (3, 32)
    assert threading.active_count() == before + 3
    sound.close()
    assert threading.active_count() == before


def test_as_one_kernel_a_sound_is_the_same(params, embedding, tmp_path):
    script = """
        import sys
        import jax
        import numpy as np
        from test_sampler import MODEL, generated
        import jax.numpy as jnp
        from wavenet_ae.synthesis import sampler
        params = MODEL.init(jax.random.key(0), jnp.zeros((1, 32)))["params"]
        state = sampler.initial_state(MODEL, params, 1)
        frames, keys = jnp.zeros((1, 1, 3)), sampler.note_keys(0, np.arange(1))
        program = sampler.generate_samples.lower(
            MODEL, params, state, frames, None, keys, jnp.float32(1)
        )
        lines = program.compile().as_text().splitlines()
        buffer = f"f32[{','.join(map(str, state.decoder.buffers[4].shape))}]"
        print(any(buffer in line and "small_call" in line for line in lines))
        np.save(sys.argv[2], generated(params, np.load(sys.argv[1])[:1], range(1)))
    """
    np.save(tmp_path / "embedding.npy", embedding)
    is_one_kernel = {}
    for threshold in (1024, 2**25):
        options = f"xla_cpu_small_while_loop_byte_threshold={threshold}"
        output = tmp_path / f"{threshold}.npy"
        result = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(script), tmp_path / "embedding.npy", output],
            check=True,
            capture_output=True,
            text=True,
            env=os.environ
            | {
                "PYTHONPATH": f"{Path(__file__).parent}:{authors.FOLDER.parent}",
                "XLA_FLAGS": f"{os.environ['XLA_FLAGS']} --xla_backend_extra_options={options}",
            },
        )
        is_one_kernel[threshold] = result.stdout.strip()
    assert is_one_kernel == {1024: "False", 2**25: "True"}
    np.testing.assert_array_equal(
        np.load(tmp_path / f"{2**25}.npy"), np.load(tmp_path / "1024.npy")
    )


@pytest.mark.parametrize("platform", ["cpu", "tpu"])
def test_bfloat16_steps_agree_with_the_teacher_forced_pass(embedding, monkeypatch, platform):
    monkeypatch.setattr(arithmetic, "multiplies_bfloat16", lambda: True)
    model = MODEL.clone(dtype="bfloat16", platform=platform)
    params = model.init(jax.random.key(0), jnp.zeros((1, 32)))["params"]
    signal = jax.random.uniform(jax.random.key(1), (5, 192), minval=-1.0)
    ours = stepwise_probabilities(model, params, signal, embedding)
    logits = model.apply(
        {"params": params}, signal, embedding, method=lambda m, s, e: m.decoder(s, e)
    )
    assert logits.dtype == jnp.float32
    assert np.any(np.asarray(logits) != np.asarray(logits.astype(jnp.bfloat16), np.float32))
    # Of the distributions of each sample, half the sum of the differences. Where sums in another
    # order round to another bfloat16, it is a last bit.
    variation = np.abs(np.asarray(ours) - jax.nn.softmax(logits)).sum(axis=-1) / 2
    assert np.quantile(variation, 0.95) < 3e-6
    assert variation.max() < 5e-3


def test_chunks_do_not_change_the_sound(params, embedding):
    whole = generated(params, embedding, range(5), chunk_frames=6)
    assert whole.shape == (5, 6 * 32)
    for chunk_frames in (1, 4):
        pieces = generated(params, embedding, range(5), chunk_frames=chunk_frames)
        np.testing.assert_array_equal(pieces, whole)


def test_seeds_differ_and_repeat(params, embedding):
    first = generated(params, embedding, range(5))
    np.testing.assert_array_equal(generated(params, embedding, range(5)), first)
    assert np.mean(generated(params, embedding, range(5, 10)) == first) < 0.5
    # The same embedding under two keys makes two sounds.
    twice = generated(params, embedding[[0, 0]], [0, 1])
    assert np.mean(twice[0] == twice[1]) < 0.5


def test_every_frame_has_random_numbers_of_its_own(embedding):
    # All classes are equally probable here, so the sound shows the random numbers alone.
    model = MODEL.clone(output_init="zeros")
    params = model.init(jax.random.key(0), jnp.zeros((1, 32)))["params"]
    frames = generated(params, embedding[[0]], [0], model).reshape(6, 32)
    assert len(np.unique(frames, axis=0)) == 6
    assert len(np.unique(frames)) > 100


def test_pitch_conditions_the_sound(embedding):
    model = MODEL.clone(num_pitches=128)
    params = model.init(jax.random.key(0), jnp.zeros((1, 32)), jnp.zeros(1, int))["params"]
    sounds = [generated(params, embedding[:1], [0], model, pitch=[p]) for p in (60, 60, 61)]
    np.testing.assert_array_equal(sounds[0], sounds[1])
    assert np.any(sounds[0] != sounds[2])
