import errno
import json

import pytest

from wavenet_ae.system.errors import UserError
from wavenet_ae.training import workdir as workdirs


def test_a_claim_ends_with_its_block(tmp_path):
    for _ in range(2):
        with (
            workdirs.locked(tmp_path),
            pytest.raises(UserError, match=r"is in use by another run \(process \d+ on .*\): stop"),
            workdirs.locked(tmp_path),
        ):
            pass


def test_a_file_system_without_locks_is_passed_over(tmp_path, monkeypatch, capsys):
    def refuse(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(workdirs.locks, "lock", refuse)
    with workdirs.locked(tmp_path):
        pass
    said = f"{tmp_path} cannot be locked: make sure that no second run uses it"
    assert said in capsys.readouterr().err


def test_a_folder_that_is_not_shared_is_refused(tmp_path, monkeypatch):
    """As in a process that is not the first: the first one's claim does not show here."""
    monkeypatch.setattr(workdirs.processes, "_VISIBLE_TIMEOUT_S", 0.1)
    monkeypatch.setattr(workdirs.processes, "gather_texts", lambda text: [text and "another", ""])
    with (
        pytest.raises(UserError, match="is not the folder that process 0 uses: all processes need"),
        workdirs.locked(tmp_path / "elsewhere"),
    ):
        pass


@pytest.mark.parametrize("name", ["piano[1]", "a*", "what?", "back\\slash", "deep [2026]/run"])
def test_paths_in_which_checkpoints_get_lost_are_refused(tmp_path, name):
    with (
        pytest.raises(UserError, match=r"has '.{1,3}' in its path, with which checkpoints"),
        workdirs.locked(tmp_path / name),
    ):
        pass
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["metrics.jsonl", "timing.jsonl"])
def test_files_of_no_run_are_not_replaced(tiny_config, tmp_path, name):
    (tmp_path / name).write_text("mine")
    with pytest.raises(UserError, match=rf"holds {name} and no config\.json of a run"):
        workdirs.check_config_compatible(json.loads(tiny_config), tmp_path)


def test_the_configuration_of_another_program_is_named(tiny_config, tmp_path):
    config = json.loads(tiny_config)
    saved = config | {"optimizer": "adam"}
    (tmp_path / "config.json").write_text(json.dumps(saved))
    with pytest.raises(UserError, match=r"config\.json is of another form"):
        workdirs.check_config_compatible(config, tmp_path)
    saved = {name: value for name, value in config.items() if name != "crop_samples"}
    (tmp_path / "config.json").write_text(json.dumps(saved))
    with pytest.raises(UserError, match=r"config\.json does not .*crop_samples is missing"):
        workdirs.check_config_compatible(config, tmp_path)


def test_a_resumed_run_keeps_what_it_started_from(tiny_config, tmp_path):
    config = json.loads(tiny_config) | {"init_from": "pretrained"}

    def saved(source, *, is_resumed):
        workdirs.save_config(config | {"init_from": source}, tmp_path, is_resumed=is_resumed)
        return json.loads((tmp_path / "config.json").read_text())

    assert saved("pretrained", is_resumed=False) == config
    assert saved("another", is_resumed=True) == config
    assert saved("another", is_resumed=False)["init_from"] == "another"
    (tmp_path / "config.json").unlink()
    assert saved("another", is_resumed=True)["init_from"] == "another"


def test_settings_by_their_full_names():
    config = {"a": 1, "b": {"c": 2, "d": {"e": None}}}
    assert workdirs.flatten(config) == {"a": 1, "b.c": 2, "b.d.e": None}
