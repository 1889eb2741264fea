"""A small rendered instrument of tones, for the tests of what reads one."""

import dataclasses

import numpy as np

from wavenet_ae.audio import files
from wavenet_ae.audio.files import SAMPLE_RATE_HZ
from wavenet_ae.instrument import rendered
from wavenet_ae.instrument.rendered import RenderedInstrument, RenderedNote, Square

LOOP = (16000, 32000)
RELEASE = 48000
SAMPLES = 64000


def tone(pitch, overtone):
    """A fundamental and one overtone, a whole number of periods in the loop; decays at the end."""
    seconds = np.arange(SAMPLES) / SAMPLE_RATE_HZ
    hz = np.round(440 * 2 ** ((pitch - 69) / 12))
    phases = 2 * np.pi * hz * seconds
    tail = np.clip((SAMPLES - np.arange(SAMPLES)) / (SAMPLES - RELEASE), 0, 1)
    sound = 0.6 * np.sin(phases) + 0.3 * np.sin(overtone * phases)
    return (sound * tail * np.clip(np.arange(SAMPLES) / 80, 0, 1)).astype(np.float32)


def write_instrument(folder, *, pitches=(48, 60, 72), resolution=3):
    """Writes four sounds, one square; the cells' overtones tell them apart.

    Returns:
        The description. The note (cell 4, highest pitch) does not loop.
    """
    steps = np.linspace(0, 1, resolution)
    cells = tuple(
        tuple(float(w) for w in ((1 - x) * (1 - y), x * (1 - y), (1 - x) * y, x * y))
        for y in steps
        for x in steps
    )
    rows = np.arange(resolution**2).reshape(resolution, resolution).tolist()
    (folder / "notes").mkdir(parents=True, exist_ok=True)
    notes = []
    for cell in range(len(cells)):
        for pitch in pitches:
            file = f"notes/{cell}-{pitch}.wav"
            files.save(folder / file, tone(pitch, cell + 2))
            loops = (cell, pitch) != (4, pitches[-1])
            notes.append(
                RenderedNote(
                    cell=cell,
                    pitch=pitch,
                    file=file,
                    gain=0.5,
                    samples=SAMPLES,
                    loop=LOOP if loops else None,
                    release=RELEASE,
                    cents=0,
                    attempts=1,
                )
            )
    instrument = RenderedInstrument(
        name="tones",
        sounds=("flute", "bass", "organ", "brass"),
        resolution=resolution,
        pitches=tuple(pitches),
        squares=(Square((0, 1, 2, 3), tuple(map(tuple, rows))),),
        cells=cells,
        notes=tuple(notes),
    )
    rendered.write(instrument, folder)
    return instrument


SHARP_CENTS = 30


def change(folder, instrument, cell, pitch, **fields):
    """Changes a note in an instrument's description."""
    changed = dataclasses.replace(instrument.note(cell, pitch), **fields)
    notes = tuple(
        changed if (note.cell, note.pitch) == (cell, pitch) else note for note in instrument.notes
    )
    instrument = dataclasses.replace(instrument, notes=notes)
    rendered.write(instrument, folder)
    return instrument


def write_uneven_instrument(folder):
    """Writes four sounds: the flute's 72 is quieter, the bass's 60 sharp, the organ's 72 ends."""
    instrument = write_instrument(folder, pitches=(48, 60, 72))
    instrument = change(folder, instrument, 0, 72, gain=0.125)
    instrument = change(folder, instrument, 2, 60, cents=SHARP_CENTS)
    change(folder, instrument, 6, 72, loop=None)
    # A second of the original pitch takes less time at a higher one.
    times = np.arange(SAMPLES) * 2 ** (SHARP_CENTS / 1200)
    sharp = np.interp(times, np.arange(2 * SAMPLES), np.tile(tone(60, 4)[slice(*LOOP)], 8))
    files.save(folder / instrument.note(2, 60).file, sharp.astype(np.float32))
    assert LOOP[1] - LOOP[0] == SAMPLE_RATE_HZ
