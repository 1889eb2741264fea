import dataclasses
import json

import pytest
from entry_points import load_config

from wavenet_ae import tasks
from wavenet_ae.system.errors import UserError
from wavenet_ae.training.settings import check_training, describe_short_crop
from wavenet_ae.training.workdir import flatten

NAN = float("nan")
CONFIGS = {
    "wavenet": "wavenet_ae.py:demo",
    "spectral": "spectral_ae.py:demo",
    "classifier": "classifier.py:demo",
    "translation": "translation.py:demo",
    "midi": "midi_wavenet.py:demo",
}


def changed(config, name, value):
    *groups, last = name.split(".")
    inner = config
    for group in groups:
        inner = inner[group]
    inner[last] = value
    return config


@pytest.mark.parametrize("name", CONFIGS.values())
def test_the_projects_own_configurations_pass_in_their_own_types(name):
    check_training(load_config(name))


@pytest.mark.parametrize("name", CONFIGS.values())
@pytest.mark.parametrize("value", [NAN, "no such value", [[]], {"a": 1}])
def test_no_setting_takes_everything(name, value):
    """Whatever the setting: no number is not-a-number, no text is a list."""
    config = json.loads(json.dumps(load_config(name)))
    texts = ("dataset.name", "dataset.data_dir", "init_from")
    for setting in flatten(config):
        if isinstance(value, str) and setting in texts:
            continue
        with pytest.raises(UserError, match=rf"config\.{setting.partition('.')[0]}"):
            check_training(changed(load_config(name), setting, value))


@pytest.mark.parametrize("task", CONFIGS)
def test_every_field_of_a_model_has_a_rule(task):
    rules = tasks.rules_of({"task": task})
    fields = {field.name for field in dataclasses.fields(tasks.TASKS[task].model_class)}
    # Or among the task's own settings, as domains.
    assert rules["model"].keys() == fields - {"name", "parent", "platform"} - rules.keys()


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("optimizer.clip_norm", 0.0, r"clip_norm=0\.0 must be a number above 0, or None\."),
        ("optimizer.clip_norm", -1.0, r"clip_norm=-1\.0 must be a number above 0"),
        ("optimizer.learning_rates", [-1e-3, -1e-3], r"learning_rates=\[-0\.001, .* 0 or larger"),
        ("optimizer.learning_rates", [NAN, NAN], r"learning_rates=\[nan, nan\] must be"),
        ("optimizer.learning_rates", ["a", "b"], r"learning_rates=\['a', 'b'\] must be"),
        ("optimizer.learning_rates", 1e-3, r"learning_rates=0\.001 must be a list"),
        ("optimizer.learning_rates", [1e-3], r"has 1 learning_rates and 1 boundaries"),
        ("optimizer.boundaries", ["abc"], r"boundaries=\['abc'\] must be a list"),
        ("optimizer.boundaries", [-3], r"boundaries=\[-3\] must be a list"),
        ("optimizer.b1", 1.0, r"optimizer\.b1=1\.0 must be 0 or more and below 1"),
        ("optimizer.b2", -0.1, r"optimizer\.b2=-0\.1 must be 0 or more and below 1"),
        ("optimizer.eps", 0.0, r"optimizer\.eps=0\.0 must be a number above 0"),
        ("optimizer.name", "sgd", r"optimizer\.name='sgd' must be adam or muon"),
        (
            "optimizer.skip_above_grad_norm",
            2.0,
            r"skip_above_grad_norm=2\.0 skips steps: .*max_skipped_steps=10",
        ),
        ("ema_decay", 1.5, r"ema_decay=1\.5 must be a number from 0 to 1"),
        ("checkpoint_every_minutes", "5", r"checkpoint_every_minutes='5' must be a number, 0"),
        ("checkpoint_every_minutes", NAN, r"checkpoint_every_minutes=nan must be"),
        ("crop_samples", -512, r"crop_samples=-512 must be a whole number from 1 to 64000"),
        ("crop_samples", 64_512, r"crop_samples=64512 must be a whole number from 1 to 64000"),
        ("dataset.name", "nsynth_json/**", r"name='nsynth_json/\*\*' must be a dataset's name"),
        ("num_steps", 0, r"num_steps=0 must be"),
        ("num_step", 4, r"config\.num_step is not a setting of .*: did you mean num_steps\?"),
        ("init_from", "", r"init_from='' must be a path or a URL"),
        ("dataset.data_dir", "", r"data_dir='' must be a path or a URL"),
        ("dataset.num_workers", 10**6, r"num_workers=1000000 must be a whole number from 0 to"),
        ("dataset.gain_db", NAN, r"gain_db=nan must be between 0 and 96 dB"),
        ("model.decoder_channels", -4, r"decoder_channels=-4 must be"),
        (
            "model.decoder_channels",
            10**9,
            r"decoder_channels=1000000000 must be a whole",
        ),
        ("model.decoder_layers", 10**6, r"decoder_layers=1000000 must be a whole number from 1 to"),
        ("model.dilation_cycle", 100, r"dilation_cycle=100 must be a whole number from 1 to 20"),
        ("model.num_classes", 128, r"num_classes=128 must be 256, the number of mu-law codes"),
        ("model.rematerialize", "yes", r"rematerialize='yes' must be True or False"),
        ("model", None, r"config\.model=None must be a group of settings"),
        ("optimizer", [], r"config\.optimizer=\[\] must be a group of settings"),
    ],
)
def test_settings_that_cannot_be(name, value, reason):
    with pytest.raises(UserError, match=reason):
        check_training(changed(load_config(CONFIGS["wavenet"]), name, value))


@pytest.mark.parametrize("name", ["batch_size", "task", "dataset", "crop_samples", "optimizer"])
def test_what_is_missing_is_named(name):
    config = load_config(CONFIGS["wavenet"])
    del config[name]
    with pytest.raises(UserError, match=f"config.{name}|does not configure a training"):
        check_training(config)


def test_settings_of_other_tasks():
    config = load_config(CONFIGS["spectral"])
    with pytest.raises(UserError, match=r"config\.crop_samples is not a setting"):
        check_training(config | {"crop_samples": 512})
    with pytest.raises(UserError, match=r"decoder_input_noise=4\.0 must be 0 for models without"):
        check_training(changed(config, "dataset.decoder_input_noise", 4.0))
    config = load_config(CONFIGS["spectral"])
    with pytest.raises(UserError, match=r"detune_semitones=0\.5 must be 0 for .* from notes: only"):
        check_training(changed(config, "dataset.detune_semitones", 0.5))
    config = load_config(CONFIGS["spectral"])
    with pytest.raises(UserError, match=r"roll=held is for models that learn from performances"):
        check_training(changed(config, "dataset.roll", "held"))


def test_settings_of_performances():
    config = load_config(CONFIGS["midi"])
    with pytest.raises(UserError, match=r"degradation=0\.5 must be 0 for .* from performances"):
        check_training(changed(config, "dataset.degradation", 0.5))
    config = load_config(CONFIGS["midi"])
    with pytest.raises(UserError, match=r"dataset\.roll='both' must be held or onsets"):
        check_training(changed(config, "dataset.roll", "both"))
    config = load_config(CONFIGS["midi"])
    del config["dataset"]["roll"]
    with pytest.raises(UserError, match=r"dataset\.roll is missing: it must be held or onsets"):
        check_training(config)


def test_a_field_of_the_model_that_is_missing_has_its_default():
    config = load_config(CONFIGS["wavenet"])
    del config["model"]["matmul_precision"]
    check_training(config)


def test_a_crop_that_does_not_train_all_weights_is_reported():
    def describe(crop_samples):
        return describe_short_crop(
            tasks.create(load_config("wavenet_ae.py:pretrained", crop_samples=crop_samples))
        )

    # Two cycles of dilations up to 512, and the layer before them.
    context = 3 + 2 * 2 * 1023
    assert f"crop_samples=1024 is shorter than the {context} past samples" in describe(1024)
    assert describe(4096) is None


def test_models_of_whole_notes_have_no_crop_to_report():
    config = load_config("classifier.py:pretrained")
    assert describe_short_crop(tasks.create(config)) is None
