"""Sampler packs: the notes of a rendered instrument for SFZ, SF2, Bitwig and DecentSampler."""
