import jax
import pytest
from absl import flags
from entry_points import CONFIGS, load_config
from ml_collections import config_flags

from wavenet_ae import tasks
from wavenet_ae.errors import UserError
from wavenet_ae.training.state import learning_rate_schedule

PARAMETERS = {
    # The authors' graph counts 262,656 more: a projection that reaches no output.
    "wavenet_ae.py": 61_541_392,
    "wavenet_ae.py:small": 4_626_960,
    "wavenet_ae.py:demo": 274_608,
}


def test_every_config_is_counted():
    assert {name.split(":")[0] for name in PARAMETERS} == {p.name for p in CONFIGS.glob("*.py")}


@pytest.mark.parametrize("name", PARAMETERS)
def test_configs_build_with_their_exact_parameter_count(name):
    config = load_config(name)
    params, _ = jax.eval_shape(tasks.create(config).init, jax.random.key(0))
    assert sum(leaf.size for leaf in jax.tree.leaves(params)) == PARAMETERS[name]
    learning_rate_schedule(config["optimizer"])
    assert config["optimizer"]["boundaries"][-1] < config["num_steps"]


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


def test_the_default_is_the_paper():
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


def test_unknown_variants_are_refused():
    with pytest.raises(UserError, match="no variant 'large': use small or demo"):
        load_config("wavenet_ae.py:large")


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
