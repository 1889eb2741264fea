"""General MIDI's 128 programs as instruments of NSynth.

A program's family and source are those of the instrument that it imitates: a synthesized string
section is `string_synthetic`, though NSynth itself has none. Programs with no place among NSynth's
families are left out, each with its reason.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from wavenet_ae.data import nsynth
from wavenet_ae.system.errors import UserError

_EFFECT = "a sound effect, not a pitched instrument"
_DRUM = "a drum: its pitch is not a note"
_PAD = "a pad: NSynth has synthesizer leads but no pads"
_TEXTURE = "an evolving texture: NSynth has no such family"
_CHORD = "a sampled chord of a whole orchestra"
_HARMONICS = "harmonics: they sound octaves above their key"

# (name, family, source), or (name, why it is left out), in the order of the program numbers.
_PROGRAMS = (
    ("Acoustic Grand Piano", "keyboard", "acoustic"),
    ("Bright Acoustic Piano", "keyboard", "acoustic"),
    ("Electric Grand Piano", "keyboard", "electronic"),
    ("Honky-tonk Piano", "keyboard", "acoustic"),
    ("Electric Piano 1", "keyboard", "electronic"),
    ("Electric Piano 2", "keyboard", "electronic"),
    ("Harpsichord", "keyboard", "acoustic"),
    ("Clavinet", "keyboard", "electronic"),
    # Struck bars, tubes and strings; a celesta has keys, but sounds as what it strikes.
    ("Celesta", "mallet", "acoustic"),
    ("Glockenspiel", "mallet", "acoustic"),
    ("Music Box", "mallet", "acoustic"),
    ("Vibraphone", "mallet", "acoustic"),
    ("Marimba", "mallet", "acoustic"),
    ("Xylophone", "mallet", "acoustic"),
    ("Tubular Bells", "mallet", "acoustic"),
    ("Dulcimer", "mallet", "acoustic"),
    ("Drawbar Organ", "organ", "electronic"),
    ("Percussive Organ", "organ", "electronic"),
    ("Rock Organ", "organ", "electronic"),
    ("Church Organ", "organ", "acoustic"),
    ("Reed Organ", "organ", "acoustic"),
    # Free reeds.
    ("Accordion", "reed", "acoustic"),
    ("Harmonica", "reed", "acoustic"),
    ("Tango Accordion", "reed", "acoustic"),
    ("Acoustic Guitar (nylon)", "guitar", "acoustic"),
    ("Acoustic Guitar (steel)", "guitar", "acoustic"),
    ("Electric Guitar (jazz)", "guitar", "electronic"),
    ("Electric Guitar (clean)", "guitar", "electronic"),
    ("Electric Guitar (muted)", "guitar", "electronic"),
    ("Overdriven Guitar", "guitar", "electronic"),
    ("Distortion Guitar", "guitar", "electronic"),
    ("Guitar Harmonics", _HARMONICS),
    ("Acoustic Bass", "bass", "acoustic"),
    ("Electric Bass (finger)", "bass", "electronic"),
    ("Electric Bass (pick)", "bass", "electronic"),
    ("Fretless Bass", "bass", "electronic"),
    ("Slap Bass 1", "bass", "electronic"),
    ("Slap Bass 2", "bass", "electronic"),
    ("Synth Bass 1", "bass", "synthetic"),
    ("Synth Bass 2", "bass", "synthetic"),
    ("Violin", "string", "acoustic"),
    ("Viola", "string", "acoustic"),
    ("Cello", "string", "acoustic"),
    ("Contrabass", "string", "acoustic"),
    ("Tremolo Strings", "string", "acoustic"),
    ("Pizzicato Strings", "string", "acoustic"),
    ("Orchestral Harp", "string", "acoustic"),
    ("Timpani", "mallet", "acoustic"),  # the one drum that is tuned to its key
    ("String Ensemble 1", "string", "acoustic"),
    ("String Ensemble 2", "string", "acoustic"),
    ("Synth Strings 1", "string", "synthetic"),
    ("Synth Strings 2", "string", "synthetic"),
    ("Choir Aahs", "vocal", "acoustic"),
    ("Voice Oohs", "vocal", "acoustic"),
    ("Synth Voice", "vocal", "synthetic"),
    ("Orchestra Hit", _CHORD),
    ("Trumpet", "brass", "acoustic"),
    ("Trombone", "brass", "acoustic"),
    ("Tuba", "brass", "acoustic"),
    ("Muted Trumpet", "brass", "acoustic"),
    ("French Horn", "brass", "acoustic"),
    ("Brass Section", "brass", "acoustic"),
    ("Synth Brass 1", "brass", "synthetic"),
    ("Synth Brass 2", "brass", "synthetic"),
    ("Soprano Sax", "reed", "acoustic"),
    ("Alto Sax", "reed", "acoustic"),
    ("Tenor Sax", "reed", "acoustic"),
    ("Baritone Sax", "reed", "acoustic"),
    ("Oboe", "reed", "acoustic"),
    ("English Horn", "reed", "acoustic"),
    ("Bassoon", "reed", "acoustic"),
    ("Clarinet", "reed", "acoustic"),
    ("Piccolo", "flute", "acoustic"),
    ("Flute", "flute", "acoustic"),
    ("Recorder", "flute", "acoustic"),
    ("Pan Flute", "flute", "acoustic"),
    ("Blown Bottle", "flute", "acoustic"),
    ("Shakuhachi", "flute", "acoustic"),
    ("Whistle", "flute", "acoustic"),
    ("Ocarina", "flute", "acoustic"),
    ("Lead 1 (square)", "synth_lead", "synthetic"),
    ("Lead 2 (sawtooth)", "synth_lead", "synthetic"),
    ("Lead 3 (calliope)", "synth_lead", "synthetic"),
    ("Lead 4 (chiff)", "synth_lead", "synthetic"),
    ("Lead 5 (charang)", "synth_lead", "synthetic"),
    ("Lead 6 (voice)", "synth_lead", "synthetic"),
    ("Lead 7 (fifths)", "synth_lead", "synthetic"),
    ("Lead 8 (bass + lead)", "synth_lead", "synthetic"),
    ("Pad 1 (new age)", _PAD),
    ("Pad 2 (warm)", _PAD),
    ("Pad 3 (polysynth)", _PAD),
    ("Pad 4 (choir)", "vocal", "synthetic"),
    ("Pad 5 (bowed)", _PAD),
    ("Pad 6 (metallic)", _PAD),
    ("Pad 7 (halo)", _PAD),
    ("Pad 8 (sweep)", _PAD),
    ("FX 1 (rain)", _TEXTURE),
    ("FX 2 (soundtrack)", _TEXTURE),
    ("FX 3 (crystal)", _TEXTURE),
    ("FX 4 (atmosphere)", _TEXTURE),
    ("FX 5 (brightness)", _TEXTURE),
    ("FX 6 (goblins)", _TEXTURE),
    ("FX 7 (echoes)", _TEXTURE),
    ("FX 8 (sci-fi)", _TEXTURE),
    # Plucked lutes go with the guitars, a plucked zither with the harp.
    ("Sitar", "guitar", "acoustic"),
    ("Banjo", "guitar", "acoustic"),
    ("Shamisen", "guitar", "acoustic"),
    ("Koto", "string", "acoustic"),
    ("Kalimba", "mallet", "acoustic"),
    ("Bagpipe", "reed", "acoustic"),
    ("Fiddle", "string", "acoustic"),
    ("Shanai", "reed", "acoustic"),
    ("Tinkle Bell", "mallet", "acoustic"),
    ("Agogo", _DRUM),
    ("Steel Drums", "mallet", "acoustic"),
    ("Woodblock", _DRUM),
    ("Taiko Drum", _DRUM),
    ("Melodic Tom", _DRUM),
    ("Synth Drum", _DRUM),
    ("Reverse Cymbal", _DRUM),
    ("Guitar Fret Noise", _EFFECT),
    ("Breath Noise", _EFFECT),
    ("Seashore", _EFFECT),
    ("Bird Tweet", _EFFECT),
    ("Telephone Ring", _EFFECT),
    ("Helicopter", _EFFECT),
    ("Applause", _EFFECT),
    ("Gunshot", _EFFECT),
)

# Qualities that programs have by definition, without measurement: overdriven amplifiers (rock
# organ, overdriven and distortion guitar, charang), and a lead in parallel fifths.
_DISTORTED = frozenset({18, 29, 30, 84})
_MULTIPHONIC = frozenset({86})


@dataclass(frozen=True)
class Instrument:
    """A General MIDI program, named as NSynth names instruments."""

    index: int  # among all instruments of this table, not only those of a font or a call
    name: str  # `keyboard_acoustic_000`, numbered by program within its family and source
    program: int  # 0 to 127
    program_name: str
    family: str
    source: str
    distortion: bool
    multiphonic: bool


def _instruments() -> tuple[Instrument, ...]:
    numbers: Counter[tuple[str, str]] = Counter()
    instruments = []
    for program, (program_name, *place) in enumerate(_PROGRAMS):
        if len(place) != 2:
            continue
        family, source = place
        instruments.append(
            Instrument(
                index=len(instruments),
                name=nsynth.instrument_name(family, source, numbers[family, source]),
                program=program,
                program_name=program_name,
                family=family,
                source=source,
                distortion=program in _DISTORTED,
                multiphonic=program in _MULTIPHONIC,
            )
        )
        numbers[family, source] += 1
    return tuple(instruments)


PROGRAM_NAMES = tuple(program[0] for program in _PROGRAMS)
INSTRUMENTS = _instruments()
LEFT_OUT = {number: row[1] for number, row in enumerate(_PROGRAMS) if len(row) == 2}


def select_instruments(words: Sequence[str]) -> tuple[Instrument, ...]:
    """Returns the requested instruments, in the table's order.

    Args:
        words: instrument names (`bass_synthetic_000`), program numbers (`0` to `127`) and
            families (`organ`), in any mixture.

    Raises:
        UserError: a word is none of these, or a program that is left out.
    """
    chosen: set[Instrument] = set()
    for word in words:
        found = {
            instrument
            for instrument in INSTRUMENTS
            if word in (instrument.name, instrument.family, str(instrument.program))
        }
        if not found and word.isdecimal() and int(word) in LEFT_OUT:
            number = int(word)
            raise UserError(
                f"--instruments: program {number} ({PROGRAM_NAMES[number]}) is left out "
                f"as {LEFT_OUT[number]}."
            )
        if not found:
            raise UserError(
                f"--instruments: {word!r} is neither an instrument such as "
                f"{INSTRUMENTS[0].name}, nor a program number from 0 to 127, nor one of the "
                f"families {', '.join(nsynth.FAMILIES)}."
            )
        chosen |= found
    return tuple(instrument for instrument in INSTRUMENTS if instrument in chosen)
