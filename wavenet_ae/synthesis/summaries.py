"""Reconstructed notes as the sounds and pictures of a training run."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np

from wavenet_ae.audio.rainbowgram import rainbowgram
from wavenet_ae.data import input_pipeline, nsynth
from wavenet_ae.synthesis import codec, sampler
from wavenet_ae.tasks import Task
from wavenet_ae.training.metrics import MediaSummaries
from wavenet_ae.training.state import TrainState
from wavenet_ae.training.trained import TrainedModel

_NUM_NOTES = 4


def reconstruct_notes(config: Mapping[str, Any], task: Task, state: TrainState) -> MediaSummaries:
    """Encodes and generates a few validation notes with the averaged weights.

    Args:
        config: the run's; `dataset` names the notes.
        task: with the model.
        state: of training.

    Returns:
        Each note's original and reconstruction, as sounds and rainbowgrams; nothing for a model
        without embeddings.
    """
    if config["task"] not in codec.TASKS:
        return MediaSummaries({}, {}, nsynth.SAMPLE_RATE_HZ)
    notes = input_pipeline.open_split(
        config["dataset"]["name"], config["dataset"]["data_dir"], "valid"
    )
    chosen = [notes[int(i)] for i in np.linspace(0, len(notes) - 1, min(_NUM_NOTES, len(notes)))]
    originals = np.stack([note["audio"] for note in chosen])
    weights = jax.device_get((state.ema_params, state.model_state, state.step))
    trained = TrainedModel(Path(), "", dict(config), task, *weights, fingerprint="")
    model = codec.create(trained)
    chunks = model.generate(
        model.encode(originals),
        sampler.note_keys(config["seed"], np.arange(len(chosen))),
        pitch=np.array([note["pitch"] for note in chosen]),
    )
    generated = np.concatenate(list(chunks), axis=1)[:, : originals.shape[1]]
    audio = {}
    for note, original, reconstruction in zip(chosen, originals, generated, strict=True):
        audio[f"{note['id']}/original"] = original
        audio[f"{note['id']}/reconstruction"] = reconstruction
    # Pictures have the high notes on top.
    images = {name: rainbowgram(sound)[::-1] for name, sound in audio.items()}
    return MediaSummaries(audio, images, nsynth.SAMPLE_RATE_HZ)
