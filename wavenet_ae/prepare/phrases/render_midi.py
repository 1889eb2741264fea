"""MIDI files, played as they are: performances for the MIDI-conditioned WaveNet.

    DIR/NAME.wav             16 kHz, mono, 16 bits
    DIR/NAME.mid             the notes that were played, with the pedal applied
    DIR/performances.json    from which font, and how

All sounds have one level, so that a velocity sounds alike in all of them.
"""

from pathlib import Path

from wavenet_ae.data import piano_roll
from wavenet_ae.prepare.phrases import piano, playing
from wavenet_ae.prepare.phrases.playing import Part, Pieces
from wavenet_ae.prepare.soundfonts.soundfont import choose_instruments
from wavenet_ae.system.counting import count

REPORT = "performances.json"


def compose_pieces(count: int, seed: int) -> Pieces:
    """Returns piano pieces by rule: see `piano.compose`."""
    return {f"piece_{number:04d}": piano.compose(seed, number) for number in range(count)}


def render_midi(
    soundfont: Path,
    output: Path,
    pieces: Pieces,
    program: int,
    *,
    gain: float,
    processes: int | None = None,
) -> str:
    """Renders pieces with an instrument of a font, or resumes an interrupted rendering.

    Args:
        soundfont: an sf2 or sf3 file with General MIDI's programs in bank 0.
        output: the folder. What an earlier call rendered with the same font, instrument and gain
            stays; further pieces are added.
        pieces: notes by name.
        program: a General MIDI program.
        gain: FluidSynth's linear gain, 0 to 10. A sound that goes beyond full scale is made
            quieter as a whole.
        processes: None for one per core.

    Returns:
        A sentence on what the folder holds, and one each on what should be known of it.

    Raises:
        UserError: the font cannot be read or lacks the instrument; the folder cannot be written,
            another process is writing to it, or it holds something else, which is left unchanged.
    """
    [instrument] = choose_instruments(soundfont, [str(program)], gain)
    description = {
        **playing.describe_font(soundfont),
        "program": program,
        "name": instrument.program_name,
        "gain": gain,
    }
    part = Part(output / REPORT, description, program, pieces)
    played = playing.play(soundfont, output, [part], gain=gain, processes=processes)
    new = f"{played.new} of them new" if played.new else "all there already"
    said = [f"{output}: {count(played.total, 'performance')}; {new}."]
    if played.quieter:
        said.append(
            f"{played.quieter} of them went beyond full scale and became quieter: with a lower "
            "--gain, all have one level."
        )
    keys = range(piano_roll.LOWEST_PITCH, piano_roll.LOWEST_PITCH + piano_roll.NUM_KEYS)
    if beyond := sum(note.pitch not in keys for notes in pieces.values() for note in notes):
        said.append(
            f"{count(beyond, 'note')} beyond a piano's keys (MIDI pitches {keys[0]} to {keys[-1]}) "
            "can be heard, but no piano roll shows them."
        )
    return "\n".join(said)
