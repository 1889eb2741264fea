import re
import runpy
from pathlib import Path

import jax
import pytest
from absl import flags
from entry_points import CONFIGS, load_config
from ml_collections import config_flags

from wavenet_ae import tasks
from wavenet_ae.system.errors import UserError
from wavenet_ae.training.state import learning_rate_schedule

DOCS = Path(__file__).parents[2] / "docs"


def translation_parameters(domains, width, encoder_layers, skips, layers):
    """Counts by hand: kernels and biases, latents of 64."""
    encoder = 4 * width + encoder_layers * width * (4 * width + 2) + 64 * (width + 1)
    layer = 2 * width * (2 * width + 1) + 2 * width * 65 + (width + skips) * (width + 1)
    head = skips * (skips + 1) + skips * 65 + 256 * (skips + 1)
    decoder = 3 * width + skips * (width + 1) + layers * layer + head
    return encoder + domains * decoder + 100 * 65 + 200 * 101 + 101 * domains


def midi_parameters(width, skips, layers, context, outputs):
    """Counts by hand: kernels of 3 taps and biases, 12 layers of context."""
    stack = context * (88 + 1) + 12 * (2 * context * (3 * context + 1) + context * (context + 1))
    layer = 2 * width * (3 * width + 1) + 2 * width * (context + 1) + skips * (width + 1)
    residuals = (layers - 1) * width * (width + 1)
    head = skips * (skips + 1) + skips * (context + 1) + outputs * (skips + 1)
    return stack + 4 * width + skips * (width + 1) + layers * layer + residuals + head


PARAMETERS = {
    # The authors' graph counts 262,656 more: a projection that reaches no output.
    "wavenet_ae.py": 61_541_392,
    "wavenet_ae.py:small": 4_626_960,
    "wavenet_ae.py:demo": 274_608,
    # Each of 20 layers and the head has a projection of the pitch to 64 channels.
    "wavenet_ae.py:pretrained": 274_608 + 21 * 128 * 64,
    "wavenet_ae.py:pretrained_noisy": 274_608 + 21 * 128 * 64,
    # Three lags, read with three taps by the 32 channels of the first layer.
    "wavenet_ae.py:pretrained_lags": 274_608 + 21 * 128 * 64 + 32 * (3 * 3 + 1),
    "wavenet_ae.py:fine_tune": 274_608 + 21 * 128 * 64 + 32 * (3 * 3 + 1),
    "spectral_ae.py": 36_761_665,
    "spectral_ae.py:pretrained": 519_433,
    "spectral_ae.py:small": 2_348_065,
    "spectral_ae.py:demo": 519_433,
    # A number of the embedding more has 1024 weights and a shift in the encoder, 1024 weights in
    # the decoder.
    "spectral_ae.py:z64": 36_761_665 - 1920 * 2049,
    "spectral_ae.py:z128": 36_761_665 - 1856 * 2049,
    "spectral_ae.py:z256": 36_761_665 - 1728 * 2049,
    "spectral_ae.py:z512": 36_761_665 - 1472 * 2049,
    "spectral_ae.py:z1024": 36_761_665 - 960 * 2049,
    "spectral_ae.py:z1984": 36_761_665,
    "spectral_ae.py:demo,z64": 519_433 - 64 * 257,
    "spectral_ae.py:z64,demo": 519_433 - 64 * 257,
    # The baseline's encoder with 152 numbers in place of 1984.
    "classifier.py": 16_196_288 - 1832 * 1025,
    "classifier.py:small": 925_528,
    "classifier.py:pretrained": 241_656,
    "classifier.py:demo": 241_656,
    # The released code's six domains: an encoder, decoders, a classifier.
    "translation.py": 1_982_528 + 6 * 6_540_288 + 27_306,
    "translation.py:small": translation_parameters(4, 64, 30, 64, 40),
    "translation.py:demo": translation_parameters(3, 32, 10, 64, 20),
    "translation.py:pretrained": translation_parameters(3, 32, 10, 64, 20),
    "midi_wavenet.py": midi_parameters(256, 256, 60, 128, 3 * 10),
    "midi_wavenet.py:small": midi_parameters(128, 128, 30, 64, 256),
    "midi_wavenet.py:demo": midi_parameters(32, 64, 20, 32, 256),
    "midi_wavenet.py:pretrained": midi_parameters(32, 64, 20, 32, 256),
}


def is_training(path):
    get_config = runpy.run_path(str(path)).get("get_config")
    return get_config is not None and "task" in get_config()


def test_every_training_is_counted():
    trainings = {path.name for path in CONFIGS.glob("*.py") if is_training(path)}
    assert {name.split(":")[0] for name in PARAMETERS} == trainings


@pytest.mark.parametrize("name", PARAMETERS)
def test_configs_build_with_their_exact_parameter_count(name):
    config = load_config(name)
    params, _ = jax.eval_shape(tasks.create(config).init, jax.random.key(0))
    assert sum(leaf.size for leaf in jax.tree.leaves(params)) == PARAMETERS[name]
    learning_rate_schedule(config["optimizer"])
    assert max(config["optimizer"]["boundaries"], default=0) < config["num_steps"]


@pytest.mark.parametrize("name", PARAMETERS)
def test_configs_have_the_common_names(name):
    config = load_config(name)
    for key in (
        "seed",
        "num_steps",
        "batch_size",
        "log_every_steps",
        "eval_every_steps",
        "checkpoint_every_steps",
    ):
        assert isinstance(config[key], int)
    assert {"name", "data_dir"} <= config["dataset"].keys()


def test_the_wavenets_default_is_the_paper():
    config = load_config("wavenet_ae.py")
    assert (config["num_steps"], config["batch_size"], config["crop_samples"]) == (
        250_000,
        32,
        6144,
    )
    rate = learning_rate_schedule(config["optimizer"])
    steps = (0, 90_000, 120_000, 150_000, 180_000, 210_000, 240_000)
    expected = (2e-4, 4e-4 / 3, 6e-5, 4e-5, 2e-5, 6e-6, 2e-6)
    for step, value in zip(steps, expected, strict=True):
        assert float(rate(step)) == pytest.approx(value)
        if step:
            assert float(rate(step - 1)) > value


def test_the_baselines_default_is_the_paper():
    config = load_config("spectral_ae.py")
    assert (config["num_steps"], config["batch_size"]) == (200_000, 8)
    assert config["optimizer"]["learning_rates"] == [1e-4]
    assert (config["optimizer"]["b1"], config["optimizer"]["clip_norm"]) == (0.5, None)
    assert config["model"]["batch_norm_decay"] == 0.999
    assert config["model"]["representation"] == "log_magnitude"
    assert config["ema_decay"] == 0


def test_the_classifiers_default_is_the_paper():
    config = load_config("classifier.py")
    assert config["batch_size"] == 32
    assert config["optimizer"]["learning_rates"] == [1e-4]
    assert (config["optimizer"]["b1"], config["optimizer"]["clip_norm"]) == (0.5, None)
    assert config["model"]["batch_norm_decay"] == 0.999


@pytest.mark.parametrize(
    ("name", "known"),
    [
        (
            "wavenet_ae.py:large",
            "small, pretrained, pretrained_noisy, pretrained_lags, demo or fine_tune",
        ),
        ("spectral_ae.py:large", "small, pretrained, demo, z64, z128, z256, z512, z1024 or z1984"),
        ("spectral_ae.py:demo,large", "small, pretrained, demo, z64"),
        ("spectral_ae.py:z100", "small, pretrained, demo, z64"),
        ("classifier.py:large", "small, pretrained or demo"),
        ("translation.py:large", "small, demo or pretrained"),
        ("midi_wavenet.py:large", "small, demo or pretrained"),
    ],
)
def test_unknown_variants_are_refused(name, known):
    variant = name.partition(":")[2].split(",")[-1]
    with pytest.raises(UserError, match=f"no variant '{variant}': use {known}"):
        load_config(name)


def test_settings_can_be_overridden(monkeypatch):
    flag_values = flags.FlagValues()
    config_flags.DEFINE_config_file("overridden", flag_values=flag_values)
    arguments = [
        "test",
        f"--overridden={CONFIGS / 'wavenet_ae.py'}:demo",
        "--overridden.optimizer.clip_norm=2.5",
        "--overridden.optimizer.learning_rates=(1e-3,)",
        "--overridden.eval_batches=3",
    ]
    monkeypatch.setattr("sys.argv", arguments)  # ml_collections looks there for its settings
    flag_values(arguments)
    config = flag_values.overridden
    assert config.optimizer.clip_norm == 2.5
    assert config.optimizer.learning_rates == (1e-3,)
    assert config.eval_batches == 3


def test_translations_default_is_the_released_code():
    config = load_config("translation.py")
    assert (config["batch_size"], config["crop_samples"], config["domain_weight"]) == (
        6 * 32,
        12_000,
        0.01,
    )
    assert (config["optimizer"]["clip_norm"], config["optimizer"]["clip_value"]) == (None, 1.0)
    rate = learning_rate_schedule(config["optimizer"])
    for step in (0, 10_000, 190_000):  # half a percent less every thousand
        assert float(rate(step)) == pytest.approx(1e-3 * 0.995 ** (step / 1000))
    assert config["domain_learning_rate"] == 1e-3


def test_the_midi_wavenets_default_is_the_papers_form():
    config = load_config("midi_wavenet.py")
    assert config["model"]["output"] == "logistics"
    model = tasks.create(config).model
    assert (model.decoder_layers, model.dilation_cycle) == (6 * 10, 10)
    assert (model.context_layers, model.context_dilation_cycle) == (2 * 6, 6)
    assert config["crop_samples"] > model.context_samples


def test_the_documentation_tells_sizes_and_steps():
    rows = re.findall(
        r"^\| `(\S+\.py\S*)` \| ([\d,]+) \| .*? \| ([\d,]+) x (\d+)(?: x (\d+))?",
        (DOCS / "training.md").read_text(),
        re.MULTILINE,
    )
    assert len(rows) == 15
    for name, parameters, *numbers in rows:
        config = load_config(name)
        settings = ["num_steps", "batch_size", "crop_samples"]
        told = [int(number.replace(",", "")) for number in numbers if number]
        assert told == [config[s] for s in settings if config.get(s)], name
        assert int(parameters.replace(",", "")) == PARAMETERS[name]
