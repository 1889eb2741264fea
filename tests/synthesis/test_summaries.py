import json
import types

import jax
import numpy as np
import pytest

from wavenet_ae import tasks
from wavenet_ae.synthesis.summaries import reconstruct_notes

SIZES = {
    "narrow_channels": 2,
    "middle_channels": 2,
    "wide_channels": 2,
    "bottleneck_channels": 2,
}


@pytest.mark.parametrize(
    ("task", "model", "sounds"),
    [("spectral", {"embedding_size": 2}, 2), ("classifier", {}, 0)],
)
def test_whole_note_models_in_training(tiny_config, task, model, sounds):
    config = json.loads(tiny_config) | {"task": task, "model": SIZES | model}
    made = tasks.create(config)
    params, model_state = jax.jit(made.init)(jax.random.key(0))
    state = types.SimpleNamespace(ema_params=params, model_state=model_state, step=5)
    summaries = reconstruct_notes(config, made, state)
    assert len(summaries.audio) == len(summaries.images) == sounds
    for name, audio in summaries.audio.items():
        assert audio.shape == (64_000,)
        if name.endswith("reconstruction"):
            assert np.abs(audio).max() == pytest.approx(1)
