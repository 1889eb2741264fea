"""Phrases, played by instruments of a SoundFont: a folder of recordings for each.

    DIR/violin/phrase_0000.wav   16 kHz, mono, 16 bits
    DIR/violin/phrase_0000.mid   the notes that were played
    DIR/violin/phrases.json      from which font, and how

All instruments play the same phrases, each in its own compass, under the same names: a dataset of
the folders holds the same phrases out of all of them, and what an instrument would have played is
known.
"""

import re
from collections.abc import Sequence
from pathlib import Path

from wavenet_ae.prepare.phrases import compass, melodies, playing
from wavenet_ae.prepare.phrases.playing import Part, Pieces
from wavenet_ae.prepare.soundfonts.general_midi import Instrument
from wavenet_ae.prepare.soundfonts.soundfont import choose_instruments
from wavenet_ae.system.counting import count

REPORT = "phrases.json"

_GAIN = 0.5  # FluidSynth's, of float samples; each recording's level is set afterwards
_PEAK = 10 ** (-3 / 20)


def compose_phrases(count: int, seed: int, lowest: int = 48, highest: int = 84) -> Pieces:
    """Returns melodies by rule: see `melodies.compose`."""
    return {
        f"phrase_{number:04d}": melodies.compose(seed, number, lowest, highest)
        for number in range(count)
    }


def render_phrases(
    soundfont: Path,
    output: Path,
    phrases: Pieces,
    instruments: Sequence[str],
    *,
    processes: int | None = None,
) -> str:
    """Renders phrases with instruments of a font, or resumes an interrupted rendering.

    Args:
        soundfont: an sf2 or sf3 file with General MIDI's programs in bank 0.
        output: the folder. What an earlier call rendered with the same font stays; further
            instruments and phrases are added.
        phrases: notes by name, moved by octaves into each instrument's compass.
        instruments: what `general_midi.select_instruments` takes.
        processes: None for one per core.

    Returns:
        One sentence on what the folder holds.

    Raises:
        UserError: the font cannot be read or lacks what is requested; the folder cannot be written,
            another process is writing to it, or it holds something else, which is left unchanged.
    """
    chosen = choose_instruments(soundfont, instruments, _GAIN)
    font = playing.describe_font(soundfont)
    parts = []
    for it in chosen:
        lowest, highest = compass.of_program(it.program)
        moved = {n: compass.transpose(notes, lowest, highest) for n, notes in phrases.items()}
        description = {**font, "program": it.program, "name": it.program_name}
        parts.append(Part(output / folder_name(it) / REPORT, description, it.program, moved))
    played = playing.play(soundfont, output, parts, gain=_GAIN, peak=_PEAK, processes=processes)
    names = ", ".join(folder_name(instrument) for instrument in chosen)
    new = f"{played.new} of them new" if played.new else "all there already"
    return f"{output}: {count(len(phrases), 'phrase')} each of {names}; {new}."


def folder_name(instrument: Instrument) -> str:
    """Returns the name of an instrument's folder: `acoustic_grand_piano`."""
    return re.sub(r"\W+", "_", instrument.program_name).strip("_").lower()
