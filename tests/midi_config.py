"""The configuration of a small MIDI-conditioned WaveNet."""

CONFIG = {
    "task": "midi",
    "model": {
        "decoder_channels": 8,
        "skip_channels": 12,
        "decoder_layers": 4,
        "dilation_cycle": 4,
        "context_channels": 6,
        "context_layers": 4,
        "context_dilation_cycle": 2,
        "output": "logistics",
    },
    "crop_samples": 256,
    "batch_size": 4,
    "dataset": {"name": "performances/five", "data_dir": "datasets", "roll": "held"},
    "optimizer": {},
}
