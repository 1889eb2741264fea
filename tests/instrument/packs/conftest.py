import dataclasses

import numpy as np
import pytest
from instruments import LOOP, SAMPLES, tone, write_instrument

from wavenet_ae.audio import files
from wavenet_ae.audio.files import SAMPLE_RATE_HZ
from wavenet_ae.instrument import rendered
from wavenet_ae.instrument.packs.writing import write_packs

SHARP_CENTS = 30
PITCHES = (48, 60, 72)


def change(folder, instrument, cell, pitch, **fields):
    """Changes a note in an instrument's description."""
    changed = dataclasses.replace(instrument.note(cell, pitch), **fields)
    notes = tuple(
        changed if (note.cell, note.pitch) == (cell, pitch) else note for note in instrument.notes
    )
    instrument = dataclasses.replace(instrument, notes=notes)
    rendered.write(instrument, folder)
    return instrument


@pytest.fixture(scope="session")
def instrument_folder(tmp_path_factory):
    """Four sounds: the flute's 72 is quieter, the bass's 60 sharp, and the organ's 72 ends."""
    folder = tmp_path_factory.mktemp("instrument")
    instrument = write_instrument(folder, pitches=PITCHES)
    instrument = change(folder, instrument, 0, 72, gain=0.125)
    instrument = change(folder, instrument, 2, 60, cents=SHARP_CENTS)
    change(folder, instrument, 6, 72, loop=None)
    # A second of the original pitch takes less time at a higher one.
    times = np.arange(SAMPLES) * 2 ** (SHARP_CENTS / 1200)
    sharp = np.interp(times, np.arange(2 * SAMPLES), np.tile(tone(60, 4)[slice(*LOOP)], 8))
    files.save(folder / instrument.note(2, 60).file, sharp.astype(np.float32))
    assert LOOP[1] - LOOP[0] == SAMPLE_RATE_HZ
    return folder


@pytest.fixture(scope="session")
def packs(instrument_folder):
    """The folder of the packs."""
    write_packs(instrument_folder)
    return instrument_folder / "packs"
