import errno
import os

import pytest

from wavenet_ae.system import atomic_file
from wavenet_ae.system.errors import MachineError, UserError, write_error


@pytest.mark.parametrize(
    ("number", "way_out", "kind"),
    [
        (errno.ENOSPC, "free some space", MachineError),
        (errno.EDQUOT, "free some space of your quota", MachineError),
        (errno.EIO, "try again", MachineError),
        (errno.EROFS, "choose another place", UserError),
        (errno.EACCES, "a folder that you may write to", UserError),
        (errno.EMFILE, "`ulimit -n`", MachineError),
        (errno.EBUSY, "choose another place", UserError),
    ],
)
def test_each_refusal_of_the_system_has_its_own_way_out(number, way_out, kind):
    error = write_error("a.wav", OSError(number, os.strerror(number)))
    assert type(error) is kind
    assert str(error).startswith(f"a.wav cannot be written ({os.strerror(number)}): ")
    assert way_out in str(error)


def test_what_the_system_said_is_told(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    refusals = {
        "folder": r"folder cannot be written \(Is a directory\): a folder has this name",
        "file/x": r"x cannot be written \((Not a directory|File exists)\): a part of its path is a",
        "y" * 300: r"y cannot be written \(File name too long\): choose shorter names",
    }
    for name, reason in refusals.items():
        with (
            pytest.raises(UserError, match=reason),
            atomic_file.replacing(tmp_path / name) as temporary,
        ):
            temporary.write_text("x")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder"]
