"""NSynth's family and source, recognised from the words that instruments are called by."""

import re
from collections.abc import Iterable

# Searched in this order: a bass clarinet is a reed, so the bass comes late.
# None: an instrument that belongs to none of the families.
_FAMILIES: tuple[tuple[str | None, str], ...] = (
    (None, "bass drum, kick drum, snare drum, drum kit, drumkit, cymbal, hihat, hi hat"),
    ("bass", "bass guitar, acoustic bass, electric bass, synth bass, upright bass, slap bass"),
    ("mallet", "steel drum, steel pan, steelpan, music box, tubular bell, thumb piano"),
    ("reed", "english horn, cor anglais"),
    ("organ", "reed organ, pump organ"),
    ("flute", "pan flute, pan pipe, tin whistle"),
    ("string", "double bass, contrabass"),
    (
        "reed",
        "accordion, bagpipe, bandoneon, bassoon, clarinet, concertina, contrabassoon, duduk, "
        "harmonica, melodica, oboe, reed, sax, saxophone, shawm",
    ),
    (
        "brass",
        "brass, bugle, cornet, euphonium, flugelhorn, horn, sousaphone, trombone, trumpet, tuba",
    ),
    ("flute", "flute, ocarina, panpipe, piccolo, recorder, shakuhachi, whistle"),
    (
        "guitar",
        "banjo, gtr, guitar, lute, mandolin, oud, shamisen, sitar, stratocaster, telecaster, "
        "ukulele",
    ),
    (
        "mallet",
        "bell, celesta, celeste, chime, dulcimer, gamelan, glockenspiel, handbell, handpan, "
        "kalimba, mallet, marimba, mbira, timpani, vibes, vibraphone, xylophone",
    ),
    ("organ", "hammond, harmonium, organ"),
    ("string", "cello, erhu, fiddle, harp, koto, pizzicato, string, viola, violin, violoncello"),
    ("vocal", "choir, singer, singing, vocal, voice, vox"),
    (
        "keyboard",
        "clav, clavichord, clavinet, harpsichord, keyboard, keys, piano, pianoforte, rhodes, "
        "wurli, wurlitzer",
    ),
    ("bass", "bass"),
    ("synth_lead", "synth lead, lead"),
)
_SOURCES = (
    (
        "synthetic",
        "moog, saw, sawtooth, square wave, supersaw, synth, synthesiser, synthesizer, "
        "synthetic, synth lead, lead",
    ),
    (
        "electronic",
        "clavinet, distorted, distortion, e piano, electric, electronic, epiano, hammond, "
        "overdriven, rhodes, stratocaster, telecaster, wurli, wurlitzer",
    ),
    ("acoustic", "acoustic"),
)


def find_family(names: Iterable[str]) -> str | None:
    """Returns the family of the first name with a word for one; None if there is none."""
    return _find(names, _FAMILIES)


def find_source(names: Iterable[str]) -> str | None:
    """Returns the source, likewise."""
    return _find(names, _SOURCES)


def _find(names: Iterable[str], table: Iterable[tuple[str | None, str]]) -> str | None:
    for name in names:
        words = _words(name)
        for value, phrases in table:
            if any(re.search(rf"\b{phrase}s?\b", words) for phrase in phrases.split(", ")):
                return value
    return None


def _words(name: str) -> str:
    """Returns "synth bass" for SynthBass2, synth-bass or SYNTH_BASS."""
    divided = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)
    return " ".join(re.findall(r"[^\W\d_]+", divided.lower()))
