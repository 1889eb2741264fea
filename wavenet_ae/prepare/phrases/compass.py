"""Which pitches an instrument plays, and music brought into them by octaves.

The usual compass of instruments in sounding pitches, rounded to what most players reach. A
SoundFont has keys beyond it, but stretches the samples of others for them.
"""

from collections.abc import Sequence

from wavenet_ae.audio.midi import Note

_OCTAVE = 12
_ALL = (36, 96)  # of programs that are not listed

# By General MIDI's program numbers.
_COMPASS = {
    **dict.fromkeys(range(8), (28, 103)),  # pianos, harpsichord, clavinet
    8: (60, 108),  # celesta
    9: (79, 108),  # glockenspiel
    10: (60, 96),  # music box
    11: (53, 89),  # vibraphone
    12: (45, 96),  # marimba
    13: (65, 108),  # xylophone
    14: (60, 77),  # tubular bells
    **dict.fromkeys(range(24, 31), (40, 84)),  # guitars
    **dict.fromkeys(range(32, 40), (28, 60)),  # basses
    40: (55, 96),  # violin
    41: (48, 84),  # viola
    42: (36, 76),  # cello
    43: (28, 60),  # contrabass
    46: (28, 100),  # harp
    47: (40, 57),  # timpani
    **dict.fromkeys((52, 53), (41, 81)),  # voices
    56: (55, 82),  # trumpet
    57: (40, 70),  # trombone
    58: (29, 58),  # tuba
    59: (55, 82),  # muted trumpet
    60: (41, 77),  # French horn
    64: (56, 87),  # soprano saxophone
    65: (49, 80),  # alto saxophone
    66: (44, 75),  # tenor saxophone
    67: (37, 68),  # baritone saxophone
    68: (58, 91),  # oboe
    69: (52, 81),  # English horn
    70: (34, 74),  # bassoon
    71: (50, 91),  # clarinet
    72: (74, 102),  # piccolo
    73: (60, 96),  # flute
    74: (65, 91),  # recorder
    77: (55, 84),  # shakuhachi
    110: (55, 88),  # fiddle
}


def of_program(program: int) -> tuple[int, int]:
    """Returns the lowest and the highest pitch of a General MIDI program."""
    return _COMPASS.get(program, _ALL)


def transpose(notes: Sequence[Note], lowest: int, highest: int) -> list[Note]:
    """Moves music by whole octaves into a compass.

    All notes move alike, by as few octaves as leave the fewest of them outside; each of these is
    then moved to the nearest octave inside.

    Args:
        notes: at least one.
        lowest: MIDI pitch of the compass.
        highest: an octave or more above it.
    """

    def cost(shift: int) -> tuple[int, int, int]:
        pitches = [note.pitch + shift for note in notes]
        return sum(not lowest <= pitch <= highest for pitch in pitches), abs(shift), shift

    best = min((octaves * _OCTAVE for octaves in range(-8, 9)), key=cost)
    return [note._replace(pitch=_fold(note.pitch + best, lowest, highest)) for note in notes]


def _fold(pitch: int, lowest: int, highest: int) -> int:
    if pitch < lowest:
        return pitch + _OCTAVE * -(-(lowest - pitch) // _OCTAVE)
    if pitch > highest:
        return pitch - _OCTAVE * -(-(pitch - highest) // _OCTAVE)
    return pitch
