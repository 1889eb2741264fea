import numpy as np
import pytest
from instruments import write_instrument

from wavenet_ae.instrument import rendered
from wavenet_ae.system.errors import UserError


def test_what_is_written_is_read(tmp_path):
    instrument = write_instrument(tmp_path)
    assert rendered.read(tmp_path) == instrument
    assert instrument.note(1, 60).cell == 1
    assert np.allclose(np.sum(instrument.cells, axis=1), 1)


def test_a_single_pitch_serves_all_keys(tmp_path):
    assert write_instrument(tmp_path, pitches=(60,)).keys() == {60: (0, 127)}


def test_every_key_has_the_nearest_pitch(tmp_path):
    instrument = write_instrument(tmp_path, pitches=(48, 52, 60))
    keys = instrument.keys()
    for key in range(keys[48][0], keys[60][1] + 1):
        (pitch,) = [pitch for pitch, (first, last) in keys.items() if first <= key <= last]
        assert abs(pitch - key) == min(abs(other - key) for other in instrument.pitches)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda path: path.unlink(), "cannot be read"),
        (lambda path: path.write_text("[]"), "does not describe"),
        (lambda path: path.write_text('{"format": 1}'), "does not describe"),
        (lambda path: path.write_text('{"format": 2}'), "another version"),
    ],
)
def test_a_damaged_description_is_named(tmp_path, damage, message):
    write_instrument(tmp_path)
    damage(tmp_path / rendered.DESCRIPTION)
    with pytest.raises(UserError, match=rf"instrument\.json.*{message}"):
        rendered.read(tmp_path)


def test_a_missing_note_is_named(tmp_path):
    instrument = write_instrument(tmp_path)
    (tmp_path / instrument.notes[0].file).unlink()
    with pytest.raises(UserError, match="is missing"):
        rendered.read(tmp_path)
