"""Sound files through a small translation network of random weights."""

from pathlib import Path

import jax
import numpy as np
import pytest
import soundfile
from translation_batches import CONFIG

from wavenet_ae import tasks
from wavenet_ae.audio import files, mu_law
from wavenet_ae.models import translation
from wavenet_ae.synthesis import codec, sampler, wavenet_codec
from wavenet_ae.synthesis.translate_files import create_codecs, translate_files
from wavenet_ae.system.errors import UserError
from wavenet_ae.training.trained import TrainedModel

HOP = 8
MODEL = {**CONFIG["model"], "hop_length": HOP, "output_init": "authors"}
FRAMES = 300  # of more than one window, and of many chunks


@pytest.fixture(scope="module")
def trained():
    config = CONFIG | {"model": MODEL}
    task = tasks.create(config)
    params, state = task.init(jax.random.key(0))
    params = jax.tree.map(lambda x: 3 * x, params)  # so that the past and the latent matter
    return TrainedModel(Path("run"), "run", config, task, params, state, 0, "f")


@pytest.fixture(scope="module")
def song(tmp_path_factory):
    """A folder with a sound whose last frame is not full."""
    folder = tmp_path_factory.mktemp("song")
    (folder / "sub").mkdir()
    audio = np.random.default_rng(0).uniform(-0.5, 0.5, HOP * FRAMES - 3)
    soundfile.write(folder / "sub/song.wav", audio, 16_000)
    return folder


def latent_in_one_piece(trained, audio):
    padded = np.pad(audio, ((0, 0), (0, -audio.shape[1] % HOP)))
    signal = trained.task.model.to_signal(mu_law.encode(padded))
    return trained.task.model.apply({"params": trained.params}, signal, method="encode")


@pytest.mark.parametrize("num_samples", [3, 1000, HOP * 256, HOP * 600 + 1])
def test_windows_give_the_latents_of_one_piece(trained, num_samples):
    audio = np.random.default_rng(1).uniform(-1, 1, (1, num_samples)).astype(np.float32)
    (model,) = create_codecs(trained, ["saw"])
    assert num_samples <= HOP * 256 or num_samples > HOP * wavenet_codec._WINDOW_FRAMES
    np.testing.assert_allclose(
        model.encode(audio), latent_in_one_piece(trained, audio), atol=1e-5, rtol=1e-5
    )


@pytest.mark.parametrize("domain", ["sine", "saw"])
def test_a_file_is_what_the_domains_decoder_finds_most_probable(trained, song, tmp_path, domain):
    sources = files.find([song])
    assert translate_files(create_codecs(trained, [domain], 0.0), sources, tmp_path) == 0
    written = files.load(tmp_path / f"sub/song_to_{domain}.wav")
    assert len(written) == HOP * FRAMES - 3

    latent = latent_in_one_piece(trained, files.load(song / "sub/song.wav")[None])
    own = translation.with_decoder(trained.params, CONFIG["domains"].index(domain))
    model = trained.task.model
    codes = mu_law.encode(np.pad(written, (0, 3))[None])
    logits = model.apply({"params": own}, model.to_signal(codes), latent, method="decode")
    best = mu_law.from_labels(logits.argmax(axis=-1))
    assert np.mean(np.asarray(codes == best)[:, :-3]) > 0.98  # near ties can round either way
    assert len(np.unique(codes)) > 4


def test_translating_in_chunks_is_translating_the_whole(trained, song):
    (model,) = create_codecs(trained, ["saw"])
    audio = files.load(song / "sub/song.wav")[None]
    keys = sampler.note_keys(0, np.arange(1))
    chunks = list(model.generate(model.encode(audio), keys))
    assert len(chunks) > 10
    own = translation.with_decoder(trained.params, 1)
    latent = np.asarray(latent_in_one_piece(trained, audio))
    (whole,) = sampler.generate(trained.task.model, own, latent, keys, chunk_frames=FRAMES)
    found = np.concatenate(chunks, axis=1)
    # The latents differ by rounding, and a draw can fall on the other side of a class's edge:
    # then all that follows differs.
    np.testing.assert_array_equal(found[:, : HOP * 60], whole[:, : HOP * 60])
    same = model.generate(latent, keys)
    np.testing.assert_array_equal(np.concatenate(list(same), axis=1), whole)


def test_all_domains_are_named_once_and_in_the_networks_order(trained):
    for asked in (["all"], ["saw", "all"]):
        assert [c.domain for c in create_codecs(trained, asked)] == ["sine", "saw"]
    assert [c.domain for c in create_codecs(trained, ["saw", "saw"])] == ["saw"]
    (model,) = create_codecs(trained, ["saw"], 0.5)
    assert model.settings == {"temperature": 0.5, "domain": "saw"}
    assert (model.hop_length, model.embedding_size, model.num_pitches) == (HOP, 4, 0)


@pytest.mark.parametrize("asked", [["harp"], ["saw", "harp"], []])
def test_an_unknown_domain_is_refused_with_those_there_are(trained, asked):
    with pytest.raises(UserError, match=r"run has the domains sine, saw: name some of these"):
        create_codecs(trained, asked)


def test_a_translation_network_is_no_codec_of_embeddings(trained):
    with pytest.raises(
        UserError, match="which wavenet-ae translate takes: name a run of a WaveNet"
    ):
        codec.create(trained)


def test_an_interrupted_call_goes_on_and_other_settings_are_refused_first(
    trained, song, tmp_path, monkeypatch, capsys
):
    codecs, sources = create_codecs(trained, ["all"]), files.find([song])
    first, second = (tmp_path / f"sub/song_to_{name}.wav" for name in ("sine", "saw"))
    generate = sampler.generate

    def stops_at_the_second(*args, **settings):
        if first.exists():
            raise KeyboardInterrupt
        return generate(*args, **settings)

    monkeypatch.setattr(sampler, "generate", stops_at_the_second)
    with pytest.raises(KeyboardInterrupt):
        translate_files(codecs, sources, tmp_path)
    assert [path.name for path in tmp_path.rglob("*.wav")] == ["song_to_sine.wav"]
    monkeypatch.undo()
    before = first.stat().st_mtime_ns
    translate_files(codecs, sources, tmp_path)
    assert "1 of 2 sounds are in" in capsys.readouterr().out
    assert first.stat().st_mtime_ns == before
    assert second.exists()

    first.unlink()
    with pytest.raises(UserError, match=r"song_to_saw\.wav, made from something else or with oth"):
        translate_files(codecs, sources, tmp_path, seed=1)
    assert not first.exists()
