"""`wavenet-ae perform`, with a small WaveNet of random weights."""

import entry_points
import jax
import mido
import numpy as np
import pytest
import soundfile
from midi_config import CONFIG

from wavenet_ae import tasks
from wavenet_ae.audio import midi
from wavenet_ae.audio.midi import Note
from wavenet_ae.training.trained import save_imported


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("midi") / "run"
    weights = tasks.create(CONFIG).init(jax.random.key(0))
    return save_imported(folder, CONFIG, *weights, step=1).folder


@pytest.fixture(scope="module")
def pieces(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pieces")
    (folder / "sub").mkdir()
    midi.save(folder / "sub/two.mid", [Note(0, 0.5, 60, 90), Note(0.25, 0.75, 109, 90)], 0)
    midi.save(folder / "one.midi", [Note(0.1, 0.2, 21, 1)], 0)
    midi.save(folder / "whistle.mid", [Note(0, 0.5, 120, 90)], 0)
    drums = mido.MidiTrack([mido.Message("note_on", channel=9, note=40, velocity=90, time=1)])
    mido.MidiFile(type=0, tracks=[drums]).save(folder / "drums.mid")
    (folder / "text.mid").write_text("no music")
    return folder


def perform(run, *flags):
    return entry_points.run("perform", f"--checkpoint={run}", *flags)


def test_pieces_are_performed_and_again(run, pieces, tmp_path):
    out = tmp_path / "out"
    first = perform(run, pieces, f"--output={out}")
    assert first.returncode == 1
    assert "Traceback" not in first.stderr
    refused = sorted(line for line in first.stderr.splitlines() if "refused: " in line)
    reasons = (
        "drums.mid holds no notes",
        "text.mid is not a MIDI file",
        "whistle.mid holds no notes",
    )
    assert len(refused) == 3
    for line, reason in zip(refused, reasons, strict=True):
        assert reason in line
    assert "from 21 to 108, a piano's: transpose it." in refused[2]
    assert "two.mid: 1 of 2 notes are left out, which are not from 21 to 108" in first.stderr
    lengths = {p.relative_to(out).as_posix(): soundfile.info(p).frames for p in out.rglob("*.wav")}
    assert lengths == {"sub/two.wav": 40_000, "one.wav": 35_200}  # 2 s after the last note
    assert "generating: 100%" in first.stderr
    contents = {path: path.read_bytes() for path in out.rglob("*.wav")}

    # A second call makes what is missing, and makes it the same.
    (out / "one.wav").unlink()
    second = perform(run, pieces, f"--output={out}")
    assert "1 of 2 sounds are in" in second.stdout
    assert {path: path.read_bytes() for path in out.rglob("*.wav")} == contents

    other = perform(run, pieces / "one.midi", f"--output={out}", "--seed=1")
    assert other.returncode == 1
    assert "made from something else or with other settings" in other.stderr
    assert {path: path.read_bytes() for path in out.rglob("*.wav")} == contents


@pytest.mark.parametrize(
    ("flags", "reason"),
    [
        (["--temperature=-1"], "--temperature=-1 is not a non-negative number"),
        (["no_such.mid"], "no_such.mid does not exist."),
    ],
)
def test_a_mistake_is_one_line(run, pieces, tmp_path, flags, reason):
    out = tmp_path / "out"
    result = perform(run, pieces / "one.midi", f"--output={out}", *flags)
    entry_points.assert_refused(result, reason)
    assert not out.exists()


def test_models_are_for_their_own_tools(run, tiny_run, pieces, tmp_path):
    result = perform(tiny_run, pieces / "one.midi", f"--output={tmp_path}")
    entry_points.assert_refused(
        result, "holds a WaveNet autoencoder: name a run of a WaveNet that is conditioned on notes."
    )
    sound = tmp_path / "sound.wav"
    soundfile.write(sound, np.zeros(100), 16_000)
    result = entry_points.run("encode", sound, f"--checkpoint={run}", f"--output={tmp_path}/out")
    entry_points.assert_refused(result, "is conditioned on notes, which wavenet-ae perform takes")
