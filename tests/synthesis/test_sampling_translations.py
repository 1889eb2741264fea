"""The sampler with a decoder of the translation network."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from stepwise import assert_steps_are_the_whole

from wavenet_ae.audio import mu_law
from wavenet_ae.models import translation
from wavenet_ae.models.translation import TranslationNetwork
from wavenet_ae.synthesis import sampler

SMALL = TranslationNetwork(
    domains=("a", "b", "c"),
    encoder_channels=4,
    encoder_layers=2,
    decoder_channels=6,
    skip_channels=5,
    decoder_layers=5,
    dilation_cycle=3,
    embedding_size=3,
    hop_length=8,
)


@pytest.fixture(scope="module")
def params():
    # Larger than new ones are, so that the past matters.
    return jax.tree.map(lambda x: 3 * x, translation.init_params(SMALL, jax.random.key(0)))


@pytest.fixture(scope="module")
def signal():
    return jax.random.uniform(jax.random.key(1), (2, 32), minval=-0.5, maxval=0.5)


@pytest.fixture(scope="module")
def latent():
    return 3 * jax.random.normal(jax.random.key(2), (2, 4, 3))


@pytest.mark.parametrize("domain", [0, 2])
def test_steps_are_the_whole_signal(params, latent, signal, domain):
    own = translation.with_decoder(params, domain)

    def whole(params, signal):
        logits = SMALL.apply({"params": params}, signal[0], latent, method="decode")
        return jnp.moveaxis(logits, -1, 0)

    def stepwise(params, signal):
        weights = sampler.prepare(SMALL, params)
        conditioning = SMALL.apply({"params": params}, latent, method="condition")

        def one(decoder, xs):
            time, previous = xs
            frame = jax.tree.map(lambda x: x[..., time // 8, None], conditioning)
            state = sampler.SamplerState(decoder, previous)
            return sampler.next_logits(SMALL, weights, state, frame)

        start = sampler.initial_state(SMALL, params, 2).decoder
        past = jnp.pad(signal[0, :, :-1], ((0, 0), (1, 0))).T
        _, logits = jax.lax.scan(one, start, (jnp.arange(32), past))
        return jnp.moveaxis(logits, (0, 1, 2), (2, 1, 0))

    assert_steps_are_the_whole(
        whole, stepwise, {"decoder": own["decoder"]}, signal[None], atol=1e-5, gradient_rtol=1e-4
    )


def test_a_sampled_sound_is_what_the_decoder_finds_most_probable(params, latent):
    own = translation.with_decoder(params, 1)
    keys = sampler.note_keys(0, np.arange(2))
    chunks = sampler.generate(SMALL, own, np.asarray(latent), keys, temperature=0.0, chunk_frames=1)
    codes = mu_law.encode(np.concatenate(list(chunks), axis=1))
    assert codes.shape == (2, 32)
    logits = SMALL.apply({"params": own}, SMALL.to_signal(codes), latent, method="decode")
    best = mu_law.from_labels(logits.argmax(axis=-1))
    assert np.mean(np.asarray(codes == best)) > 0.98  # near ties can round either way
    assert len(np.unique(codes)) > 4


def generated(params, latent, domain, chunk_frames):
    keys = sampler.note_keys(0, np.arange(2))
    own = translation.with_decoder(params, domain)
    sounds = sampler.generate(SMALL, own, np.asarray(latent), keys, chunk_frames=chunk_frames)
    return np.concatenate(list(sounds), axis=1)


def test_a_sound_does_not_depend_on_where_its_chunks_end(params, latent):
    whole = generated(params, latent, 0, 4)
    np.testing.assert_array_equal(generated(params, latent, 0, 1), whole)
    assert np.mean(generated(params, latent, 1, 4) == whole) < 0.5
