"""NSynth's release in miniature, in both of its published forms."""

import csv
import hashlib
import io
import json
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from wavenet_ae.data import nsynth

NUM_NOTES = {"train": 10, "valid": 4, "test": 3}

# TFDS's builder wants as many names as the release has.
_FIRST_INSTRUMENT = {"train": 0, "valid": 900, "test": 950}
INSTRUMENTS = [
    nsynth.instrument_name(nsynth.FAMILIES[i % 11], nsynth.SOURCES[i % 3], i) for i in range(1006)
]


def labels(split: str) -> dict[str, dict[str, Any]]:
    """Returns what `examples.json` says of a split's notes: two of each instrument."""
    entries = {}
    for number in range(NUM_NOTES[split]):
        instrument = _FIRST_INSTRUMENT[split] + number // 2
        family, source = instrument % 11, instrument % 3
        name = nsynth.NoteName(INSTRUMENTS[instrument], 21 + 9 * number % 88, 25 + 25 * number % 75)
        qualities = [int((number >> bit) % 2) for bit in range(10)]
        entries[str(name)] = {
            "note": 1000 + number,
            "note_str": str(name),
            "instrument": instrument,
            "instrument_str": name.instrument,
            "pitch": name.pitch,
            "velocity": name.velocity,
            "sample_rate": 16_000,
            "qualities": qualities,
            "qualities_str": [q for q, has in zip(nsynth.QUALITIES, qualities, strict=True) if has],
            "instrument_family": family,
            "instrument_family_str": nsynth.FAMILIES[family],
            "instrument_source": source,
            "instrument_source_str": nsynth.SOURCES[source],
        }
    return entries


def sound(name: str) -> np.ndarray:
    """Returns int16 [64000]: a decaying tone with noise, another for each note."""
    rng = np.random.default_rng(list(hashlib.sha256(name.encode()).digest()))
    pitch = nsynth.parse_note_name(name).pitch
    time_s = np.arange(nsynth.NOTE_SAMPLES) / 16_000
    tone = np.sin(2 * np.pi * 440 * 2 ** ((pitch - 69) / 12) * time_s) * np.exp(-time_s)
    return np.int16(20_000 * tone + rng.normal(0, 300, nsynth.NOTE_SAMPLES))


def write_jsonwav(folder: Path) -> None:
    """Writes `nsynth-<split>.jsonwav.tar.gz`."""
    for split in nsynth.SPLITS:
        root = f"nsynth-{split}"
        with tarfile.open(folder / f"{root}.jsonwav.tar.gz", "w:gz", compresslevel=1) as archive:
            for name in labels(split):
                wav = io.BytesIO()
                soundfile.write(wav, sound(name), 16_000, format="WAV", subtype="PCM_16")
                _add(archive, f"{root}/audio/{name}.wav", wav.getvalue())
            _add(archive, f"{root}/examples.json", json.dumps(labels(split)).encode())


def write_tfrecords(folder: Path) -> None:
    """Writes `nsynth-<split>.tfrecord.tar`, the instruments' names and GANSynth's splits.

    GANSynth's splits take the notes of even numbers and turn valid and test around.
    """
    import tensorflow as tf

    for split in nsynth.SPLITS:
        records = folder / f"nsynth-{split}.tfrecord"
        with tf.io.TFRecordWriter(str(records)) as writer:
            for name, entry in labels(split).items():
                fields = {key: _feature(value) for key, value in entry.items()}
                floats = sound(name).astype(np.float32) / 32_768
                fields["audio"] = tf.train.Feature(float_list=tf.train.FloatList(value=floats))
                example = tf.train.Example(features=tf.train.Features(feature=fields))
                writer.write(example.SerializeToString())
        with tarfile.open(folder / f"nsynth-{split}.tfrecord.tar", "w") as archive:
            archive.add(records, arcname=records.name)
        records.unlink()
    (folder / "nsynth-instrument_labels.txt").write_text("\n".join(INSTRUMENTS) + "\n")
    with (folder / "nsynth-gansynth_splits.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "split"])
        for split, ids in gansynth_splits().items():
            writer.writerows([name, split] for name in ids)


def gansynth_splits() -> dict[str, list[str]]:
    """Returns the notes of each split of GANSynth's subset."""
    published = {"train": "train", "valid": "test", "test": "valid"}
    return {split: list(labels(other))[::2] for split, other in published.items()}


def _feature(value: Any) -> Any:
    import tensorflow as tf

    values = value if isinstance(value, list) else [value]
    if (values and isinstance(values[0], str)) or value == []:
        texts = tf.train.BytesList(value=[text.encode() for text in values])
        return tf.train.Feature(bytes_list=texts)
    return tf.train.Feature(int64_list=tf.train.Int64List(value=values))


def _add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    archive.addfile(member, io.BytesIO(content))
