r"""Music translation: does the melody stay, does the timbre change, is the latent free of it?

    python experiments/evaluate.py --config=experiments/configs/translation_scores.py \
        --workdir=DIR --config.translation=RUN --config.without_confusion=RUN

Every domain plays excerpts of all domains (Mor et al. 2019). Pitch is compared frame by frame with
the source's; classifiers learn anew from the training split to name the domain of sounds and of
latents. The second run is one with `--config.domain_weight=0`; without it, its rows are missing.
The same command resumes after an interruption.
"""

from configs import common
from ml_collections import ConfigDict, config_dict


def get_config(variant: str = "") -> ConfigDict:
    """Returns the configuration; it has no variants."""
    if variant:
        raise common.unknown_variant(variant)
    config = ConfigDict()
    config.experiment = "translation"
    config.translation = config_dict.placeholder(str)  # a run or an export
    config.without_confusion = config_dict.placeholder(str)  # another of the same domains

    config.dataset = ConfigDict()  # none: that of the first run
    config.dataset.name = config_dict.placeholder(str)
    config.dataset.data_dir = config_dict.placeholder(str)
    config.train_split = "train"
    config.test_split = "test"
    config.crop_samples = 128_000  # of an excerpt: 8 s
    config.num_excerpts = 8  # of each domain, evenly spread over its time
    config.num_train_windows = 200  # of each domain, 2 s each, for the classifiers

    config.temperature = 1.0
    config.seed = 0
    config.batch_size = 32  # excerpts generated together
    config.num_shown = 1  # of each domain, with players on the page
    return config.lock()
