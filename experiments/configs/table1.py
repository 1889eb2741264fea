r"""Table 1 of Engel et al. 2017: how well reconstructed notes keep their pitch and qualities.

    python experiments/evaluate.py --config=experiments/configs/table1.py --workdir=DIR \
        --config.wavenet=WORKDIR --config.spectral=WORKDIR --config.classifier=WORKDIR

Both models reconstruct the test split; the classifier scores originals and reconstructions. The
paper (4,096 notes) has, for pitch and qualities: originals 91.6 % and 90.1 %, WaveNet 79.6 % and
88.9 %, baseline 46.9 % and 85.2 %.

Without `--config.wavenet` or without `--config.spectral` the table lacks that row.
"""

from configs import common
from ml_collections import ConfigDict, config_dict


def get_config(variant: str = "") -> ConfigDict:
    """Returns the configuration; it has no variants."""
    if variant:
        raise common.unknown_variant(variant)
    config = ConfigDict()
    config.experiment = "table1"
    config.wavenet = config_dict.placeholder(str)  # a run, an import or an export
    config.spectral = config_dict.placeholder(str)
    config.classifier = config_dict.placeholder(str)

    config.dataset = ConfigDict()  # none: what the classifier was trained on
    config.dataset.name = config_dict.placeholder(str)
    config.dataset.data_dir = config_dict.placeholder(str)
    config.split = "test"
    config.num_notes = config_dict.placeholder(int)  # evenly spaced; none: all

    config.temperature = 1.0
    config.griffin_lim_iterations = 1000
    config.griffin_lim_momentum = 0.0
    config.seed = 0
    config.batch_size = 64  # notes generated together, in each process
    config.num_shown = 8  # notes with players on the page
    return config.lock()
