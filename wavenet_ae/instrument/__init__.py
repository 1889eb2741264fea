"""Playable instruments: notes rendered between sounds, a page, sampler packs and live voices."""
