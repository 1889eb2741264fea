"""`.dspreset`: DecentSampler's description of WAV files on a keyboard."""

from xml.etree import ElementTree

from wavenet_ae.instrument.packs import names
from wavenet_ae.instrument.packs.zones import Patch, Zone

SUFFIX = ".dspreset"


def content(patch: Patch) -> bytes:
    """Returns the preset of one sound, which refers to its WAV files by relative path."""
    root = ElementTree.Element("DecentSampler", minVersion="1.0.0")
    root.append(ElementTree.Comment(f" {names.shown(patch.name).replace('--', '- -')} "))
    # 1: velocity alone decides the volume.
    groups = ElementTree.SubElement(root, "groups")
    group = ElementTree.SubElement(groups, "group", ampVelTrack="1")
    for zone in patch.zones:
        ElementTree.SubElement(group, "sample", _attributes(zone))
    ElementTree.indent(root)
    return ElementTree.tostring(root, "utf-8", xml_declaration=True)


def _attributes(zone: Zone) -> dict[str, str]:
    note, (first, last) = zone.note, zone.keys
    attributes = {
        "path": zone.file,
        "rootNote": str(note.pitch),
        "loNote": str(first),
        "hiNote": str(last),
        "tuning": f"{zone.tune_cents / 100:.2f}",  # semitones
        "volume": f"{zone.gain_db:.3f}dB",
        "attack": "0",
        "decay": "0",
        "sustain": "1",
        "release": f"{zone.release_s:.3f}",
        "loopEnabled": "true" if note.loop else "false",
    }
    if note.loop:
        # The last sample of the loop is repeated; its crossfade is in the file.
        attributes |= {
            "loopStart": str(note.loop[0]),
            "loopEnd": str(note.loop[1] - 1),
            "loopCrossfade": "0",
        }
    return attributes
