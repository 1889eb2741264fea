"""Notes that tests make themselves."""

import json

import numpy as np
import soundfile

from wavenet_ae.data import nsynth
from wavenet_ae.prepare.nsynth_json.build import build


def write_notes(folder, names):
    """Writes a folder in NSynth's layout; each note is a decaying sine of its pitch."""
    (folder / "audio").mkdir(parents=True)
    entries = {}
    for name in names:
        instrument, pitch, velocity = nsynth.parse_note_name(name)
        family, source, _ = instrument.rsplit("_", 2)
        entries[name] = {
            "instrument_str": instrument,
            "instrument_family_str": family,
            "instrument_source_str": source,
            "pitch": pitch,
            "velocity": velocity,
            "qualities": [int(quality == "fast_decay") for quality in nsynth.QUALITIES],
        }
        time_s = np.arange(nsynth.NOTE_SAMPLES) / 16_000
        sound = np.sin(2 * np.pi * 440 * 2 ** ((pitch - 69) / 12) * time_s) * np.exp(-time_s)
        levels = np.rint(velocity / 127 * 30_000 * sound).astype(np.int16)
        soundfile.write(folder / "audio" / f"{name}.wav", levels, 16_000)
    (folder / "examples.json").write_text(json.dumps(entries))


def build_splits(root, splits):
    """Builds a dataset of the notes named for each split; returns its `data_dir`."""
    for split, names in splits.items():
        write_notes(root / "notes" / f"nsynth-{split}", names)
    build(root / "notes", root / "built", "published")
    return root / "built"
