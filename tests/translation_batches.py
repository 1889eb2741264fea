"""Batches for music translation: tones of random pitch, in a timbre for each domain."""

import numpy as np

CONFIG = {
    "task": "translation",
    "seed": 0,
    "model": {
        "encoder_channels": 8,
        "encoder_layers": 4,
        "encoder_dilation_cycle": 4,
        "decoder_channels": 8,
        "skip_channels": 12,
        "decoder_layers": 4,
        "dilation_cycle": 4,
        "embedding_size": 4,
        "hop_length": 64,
        "classifier_channels": 10,
        "output_init": "zeros",
    },
    "domains": ["sine", "saw"],
    "crop_samples": 256,
    "domain_weight": 0.01,
    "domain_learning_rate": 1e-2,
    "train": "all",
    "num_steps": 4,
    "batch_size": 4,
    "accumulation_steps": 1,
    "max_skipped_steps": 0,
    "optimizer": {
        "name": "adam",
        "learning_rates": [4e-3],
        "boundaries": [],
        "b1": 0.9,
        "b2": 0.999,
        "eps": 1e-8,
        "clip_norm": None,
        "clip_value": 1.0,
        "skip_above_grad_norm": None,
    },
    "ema_decay": 0.9,
}


def tones(step, rows=4, samples=256, domains=2):
    """The batch of a step: sines, soft sawtooths and pulses by domain."""
    rng = np.random.default_rng(step)
    cycles = rng.uniform(0.01, 0.03, (rows, 1)) * np.arange(samples) + rng.uniform(0, 1, (rows, 1))
    kinds = [0.5 * np.sin(2 * np.pi * cycles), 0.05 * (2 * (cycles % 1) - 1)]
    kinds.append(np.where(cycles % 1 < 0.2, 0.5, -0.1))
    domain = np.arange(rows, dtype=np.int32) // (rows // domains)
    audio = np.stack([kinds[d][row] for row, d in enumerate(domain)]).astype(np.float32)
    augmented = audio.copy()
    augmented[:, :32] = 0.0
    return {"audio": audio, "augmented": augmented, "domain": domain}
