"""A folder or an archive of notes in NSynth's json/wav layout → a TFDS dataset with random access.

Importing it registers `nsynth_json` with TFDS.
"""

from wavenet_ae.prepare.nsynth_json.nsynth_json_dataset_builder import Builder

__all__ = ["Builder"]
