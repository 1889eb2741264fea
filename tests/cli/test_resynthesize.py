"""`wavenet-ae resynthesize`, with a small WaveNet of random weights and the real transcriber."""

import entry_points
import jax
import numpy as np
import pytest
import soundfile
from midi_config import CONFIG

from wavenet_ae import tasks
from wavenet_ae.audio import midi
from wavenet_ae.training.trained import save_imported

pytest.importorskip("basic_pitch")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("midi") / "run"
    weights = tasks.create(CONFIG).init(jax.random.key(0))
    return save_imported(folder, CONFIG, *weights, step=1).folder


def resynthesize(run, *flags):
    return entry_points.run("resynthesize", f"--checkpoint={run}", *flags)


def test_recordings_become_notes_and_sound_again(run, tmp_path):
    time_s = np.arange(16_000) / 16_000
    hz = 440 * 2 ** ((60 - 69) / 12)
    tone = sum(np.sin(2 * np.pi * k * hz * time_s) / k for k in (1, 2, 3, 4)) * np.exp(-3 * time_s)
    recordings = tmp_path / "recordings"
    (recordings / "sub").mkdir(parents=True)
    soundfile.write(recordings / "sub/tone.wav", 0.3 * tone, 16_000)
    soundfile.write(recordings / "silence.wav", np.zeros(16_000), 16_000)
    (recordings / "text.wav").write_text("no sound")
    out = tmp_path / "out"
    first = resynthesize(run, recordings, f"--output={out}")
    assert first.returncode == 1
    assert "Traceback" not in first.stderr
    refused = sorted(line for line in first.stderr.splitlines() if "refused: " in line)
    assert len(refused) == 2
    assert "silence.wav holds no notes" in refused[0]
    assert "RuntimeWarning" not in first.stderr
    notes = midi.read_notes(out / "sub/tone.mid")
    assert f"tone.wav: {len(notes)} note" in first.stderr
    assert "text.wav is not a sound file" in refused[1]
    assert 60 in {note.pitch for note in notes}
    assert soundfile.info(out / "sub/tone.wav").frames > 2 * 16_000
    assert not (out / "silence.mid").exists()

    # Nothing but refusals leaves nothing.
    nothing = resynthesize(run, recordings / "silence.wav", f"--output={tmp_path / 'none'}")
    assert nothing.returncode == 1
    assert not (tmp_path / "none").exists()

    # A second call writes nothing again; notes that were changed since are not lost.
    times = {path: path.stat().st_mtime_ns for path in out.rglob("tone.*")}
    second = resynthesize(run, recordings, f"--output={out}")
    assert "1 of 1 sounds are in" in second.stdout
    assert {path: path.stat().st_mtime_ns for path in out.rglob("tone.*")} == times
    midi.save(out / "sub/tone.mid", [midi.Note(0, 1, 40, 90)], 0)
    changed = resynthesize(run, recordings, f"--output={out}")
    assert changed.returncode == 1
    assert "changed since" in changed.stderr
    assert [note.pitch for note in midi.read_notes(out / "sub/tone.mid")] == [40]
