r"""The WaveNet autoencoder of Engel et al. 2017.

| variant | what | command |
| --- | --- | --- |
| (default) | the paper: section 3 and Table 1's WaveNet | see below |
| `:small` | a quarter of the width, for one GPU | `--config=FILE:small` |
| `:demo` | minutes on 2 CPU cores | `--config=FILE:demo` |

    python experiments/train.py --config=experiments/configs/wavenet_ae.py \
        --config.dataset.data_dir=DIR --workdir=WORKDIR

The paper trained on 32 K40 GPUs for 10 days and reports no loss; Table 1 gives 79.6 % pitch and
88.9 % quality accuracy for reconstructions.

Any setting can be overridden: `--config.batch_size=64`, `--config.model.dtype=bfloat16`.
"""

from ml_collections import ConfigDict, config_dict

from wavenet_ae.errors import UserError


def get_config(variant: str = "") -> ConfigDict:
    """Returns the configuration of a variant."""
    config = ConfigDict()
    config.task = "wavenet"
    config.seed = 0

    config.model = ConfigDict()
    config.model.encoder_channels = 128
    config.model.encoder_layers = 30
    config.model.decoder_channels = 512
    config.model.skip_channels = 256
    config.model.decoder_layers = 30
    config.model.dilation_cycle = 10  # layer i has dilation 2 ** (i mod 10)
    config.model.embedding_size = 16
    config.model.hop_length = 512
    config.model.num_pitches = 0  # 128: the decoder sees the pitch, too
    # Begins at 8 bits a sample; with the authors' the loss hardly moves at first (README).
    config.model.output_init = "zeros"
    config.model.rematerialize = False  # True: a smaller memory, a slower step
    config.model.dtype = "bfloat16"

    config.dataset = ConfigDict()
    config.dataset.name = "nsynth/full"
    config.dataset.data_dir = "~/tensorflow_datasets"
    config.dataset.num_workers = 4

    config.num_steps = 250_000
    config.batch_size = 32
    config.crop_samples = 6144
    config.accumulation_steps = 1

    config.optimizer = ConfigDict()
    config.optimizer.learning_rates = (2e-4, 4e-4 / 3, 6e-5, 4e-5, 2e-5, 6e-6, 2e-6)
    config.optimizer.boundaries = (90_000, 120_000, 150_000, 180_000, 210_000, 240_000)
    config.optimizer.b1 = 0.9
    config.optimizer.b2 = 0.999
    config.optimizer.eps = 1e-8
    config.optimizer.clip_norm = config_dict.placeholder(float)
    config.averaging_decay = 0.9999

    config.log_every_steps = 100
    config.eval_every_steps = 5_000
    config.eval_batches = config_dict.placeholder(int)  # none: all
    config.checkpoint_every_steps = 5_000
    config.checkpoint_every_minutes = 30.0
    config.init_from = config_dict.placeholder(str)  # a run or export to start from
    config.summarize_every_steps = 50_000  # sounds for TensorBoard; 0: none

    match variant:
        case "":
            pass
        case "small":
            _make_small(config)
        case "demo":
            _make_demo(config)
        case _:
            raise UserError(f"the configuration has no variant {variant!r}: use small or demo.")
    return config.lock()


def _make_small(config: ConfigDict) -> None:
    config.model.encoder_channels = 64
    config.model.decoder_channels = 128
    config.model.skip_channels = 128
    config.dataset.name = "nsynth_json/by_instrument"
    config.num_steps = 50_000
    config.optimizer.learning_rates = (1e-3, 5e-4, 2e-4, 5e-5)
    config.optimizer.boundaries = (20_000, 35_000, 45_000)
    config.eval_every_steps = 2_500
    config.checkpoint_every_steps = 2_500
    config.summarize_every_steps = 25_000


def _make_demo(config: ConfigDict) -> None:
    config.model.encoder_channels = 32
    config.model.encoder_layers = 10
    config.model.decoder_channels = 32
    config.model.skip_channels = 64
    config.model.decoder_layers = 20
    config.model.dtype = "float32"
    config.dataset.name = "nsynth_json/by_note"
    config.dataset.num_workers = 0
    config.num_steps = 1_000
    config.batch_size = 4
    config.crop_samples = 3072
    config.optimizer.learning_rates = (4e-3, 1e-3)
    config.optimizer.boundaries = (800,)
    config.optimizer.clip_norm = 1.0
    config.averaging_decay = 0.99
    config.log_every_steps = 10
    config.eval_every_steps = 100
    config.eval_batches = 8
    config.checkpoint_every_steps = 100
    config.checkpoint_every_minutes = 2.0
    config.summarize_every_steps = 0
