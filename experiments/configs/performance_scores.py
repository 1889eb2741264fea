r"""The MIDI-conditioned WaveNet, playing freely: are the notes in what it plays?

    python experiments/evaluate.py --config=experiments/configs/performance_scores.py \
        --workdir=DIR --config.midi=RUN

The network plays excerpts of performances from their notes alone; a transcriber (basic-pitch) looks
for the notes there and in the original sound. The loss with the true past, which hardly tells
whether a network hears the notes, stands beside it, and how much it grows with wrong notes.
"""

from configs import common
from ml_collections import ConfigDict, config_dict


def get_config(variant: str = "") -> ConfigDict:
    """Returns the configuration; it has no variants."""
    if variant:
        raise common.unknown_variant(variant)
    config = ConfigDict()
    config.experiment = "performance"
    config.midi = config_dict.placeholder(str)  # a run or an export

    config.dataset = ConfigDict()  # none: that of the run
    config.dataset.name = config_dict.placeholder(str)
    config.dataset.data_dir = config_dict.placeholder(str)
    config.split = "test"
    config.num_excerpts = 16  # evenly spread over the split's time
    config.seconds = 10  # of each
    config.num_crops = 128  # of training's length, for the loss; rounded up to eights

    config.temperature = 1.0
    config.seed = 0
    config.batch_size = 16  # excerpts generated together
    config.num_shown = 4  # with players on the page
    return config.lock()
