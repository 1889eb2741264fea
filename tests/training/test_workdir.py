import pytest

from wavenet_ae.errors import UserError
from wavenet_ae.training import workdir as workdirs


def test_a_claim_ends_with_its_block(tmp_path):
    for _ in range(2):
        with (
            workdirs.claimed(tmp_path),
            pytest.raises(UserError, match=r"is in use by another run \(process \d+ on .*\): stop"),
            workdirs.claimed(tmp_path),
        ):
            pass


def test_a_folder_that_is_not_shared_is_refused(tmp_path, monkeypatch):
    """As in a process that is not the first: the first one's claim does not show here."""
    monkeypatch.setattr(workdirs.processes, "_PATIENCE_S", 0.1)
    monkeypatch.setattr(workdirs.processes, "gather_texts", lambda text: [text and "another", ""])
    with (
        pytest.raises(UserError, match="is not the folder that process 0 uses: all processes need"),
        workdirs.claimed(tmp_path / "elsewhere"),
    ):
        pass


def test_settings_by_their_full_names():
    config = {"a": 1, "b": {"c": 2, "d": {"e": None}}}
    assert workdirs.flatten(config) == {"a": 1, "b.c": 2, "b.d.e": None}
