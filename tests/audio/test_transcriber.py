import sys

import numpy as np
import pytest
import soundfile

from wavenet_ae.audio import transcriber
from wavenet_ae.system.errors import UserError


def test_what_it_needs_is_named_where_it_is_not_there(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "basic_pitch", None)
    transcriber._load.cache_clear()
    with pytest.raises(UserError, match=r"needs basic-pitch \(.*basic_pitch.*\): pip install"):
        transcriber.transcribe(tmp_path / "song.wav")
    assert sys.modules.get("tensorflow", ...) is not None  # hidden only meanwhile


def test_notes_of_a_recording(tmp_path):
    pytest.importorskip("basic_pitch")
    transcriber._load.cache_clear()
    time_s = np.arange(16_000) / 16_000
    envelope = np.minimum(1, time_s * 100) * np.exp(-3 * time_s)
    notes = [
        envelope
        * sum(
            np.sin(2 * np.pi * k * 440 * 2 ** ((pitch - 69) / 12) * time_s) / k
            for k in (1, 2, 3, 4)
        )
        for pitch in (60, 67)
    ]
    soundfile.write(tmp_path / "two.wav", 0.3 * np.concatenate(notes), 16_000)
    found = transcriber.transcribe(tmp_path / "two.wav")
    for pitch, start in ((60, 0.0), (67, 1.0)):
        assert any(n.pitch == pitch and abs(n.start_s - start) < 0.05 for n in found)
    assert all(1 <= note.velocity <= 127 for note in found)
