r"""Table 2 of Engel et al. 2017: linear probes of embeddings.

    python experiments/evaluate.py --config=experiments/configs/linear_probe.py --workdir=WORKDIR \
        --config.models.wavenet=RUN --config.models.wavenet_pitch=RUN \
        --config.models.spectral=RUN --config.models.spectral_pitch=RUN

Logistic regression predicts pitch, family, the ten qualities and the source from time-averaged and
from full embeddings, for models trained with and without pitch conditioning; one model is enough.
If the decoder is conditioned on pitch, less of it is expected in the embeddings. The notes are
encoded once: the same command resumes after an interruption.
"""

from configs import common
from ml_collections import ConfigDict, config_dict


def get_config(variant: str = "") -> ConfigDict:
    """Returns the configuration; it has no variants."""
    if variant:
        raise common.unknown_variant(variant)
    config = ConfigDict()
    config.experiment = "linear_probe"
    config.seed = 0

    config.models = ConfigDict()  # runs, checkpoints or exports; none: left out
    config.models.wavenet = config_dict.placeholder(str)
    config.models.wavenet_pitch = config_dict.placeholder(str)
    config.models.spectral = config_dict.placeholder(str)
    config.models.spectral_pitch = config_dict.placeholder(str)

    config.dataset = ConfigDict()  # none: that of the first model's run
    config.dataset.name = config_dict.placeholder(str)
    config.dataset.data_dir = config_dict.placeholder(str)
    config.train_split = "train"
    config.test_split = "test"
    # Evenly spaced over the split; all, if it has no more. The time grows with them.
    config.num_train_notes = 10_000
    config.num_test_notes = config_dict.placeholder(int)  # none: all
    config.batch_size = 16  # notes encoded at once

    config.labels = ("pitch", "family", "quality", "source")
    # To choose from, on training notes: of the mean cross-entropy plus penalty / 2 x |weights|^2.
    config.l2_penalties = (1.0, 0.1, 1e-2, 1e-3, 1e-4)
    return config.lock()
