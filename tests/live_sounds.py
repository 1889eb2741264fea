"""A tiny model that is conditioned on pitch, and sounds to play with it."""

import functools
from pathlib import Path

import jax
import numpy as np

from wavenet_ae import tasks
from wavenet_ae.instrument.performance import Sound
from wavenet_ae.synthesis import codec
from wavenet_ae.training.trained import TrainedModel

HOP = 128
SIZE = 3
CONFIG = {
    "task": "wavenet",
    "crop_samples": HOP,
    "model": {
        "encoder_channels": 4,
        "encoder_layers": 2,
        "decoder_channels": 6,
        "skip_channels": 5,
        "decoder_layers": 4,
        "dilation_cycle": 3,
        "embedding_size": SIZE,
        "hop_length": HOP,
        "num_pitches": 128,
    },
}


@functools.cache
def tiny_codec(*, has_weights=True, **model):
    """An untrained model's codec."""
    sizes = CONFIG["model"] | model
    config = {**CONFIG, "crop_samples": sizes["hop_length"], "model": sizes}
    task = tasks.create(config)
    weights = jax.jit(task.init)(jax.random.key(0)) if has_weights else (None, None)
    return codec.create(
        TrainedModel(Path("run"), "run", config, task, *weights, step=0, fingerprint="f")
    )


def sounds(count, frames=40, release=30):
    """Sounds whose frames say which they are: number, frame, 1; each with one take at 60."""
    index = np.arange(frames)
    return [
        Sound(
            f"sound {number}",
            {60: np.stack([np.full(frames, number), index, np.ones(frames)], 1).astype("f4")},
            release,
        )
        for number in range(count)
    ]
