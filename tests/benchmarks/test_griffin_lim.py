import numpy as np
import pytest

from wavenet_ae.audio import spectral
from wavenet_ae.benchmarks import griffin_lim
from wavenet_ae.publish import markdown


def test_the_report_has_both():
    result = {
        "batch_size": 3,
        "iterations": 20,
        "samples_per_note": 64_000,
        "librosa_version": "0.1",
        "notes_per_s": {
            "ours": {"median": 8.0, "lowest": 6.0, "highest": 9.0},
            "librosa": {"median": 2.0, "lowest": 1.0, "highest": 3.0},
        },
        "ratio": 4.0,
        "spectral_convergence": {"ours": 0.125, "librosa": 0.25},
        "compile_s": 1.5,
    }
    assert markdown.render(griffin_lim.document(result)).splitlines() == [
        "# Griffin-Lim, 20 iterations, 3 notes of 64000 samples",
        "",
        "| notes/s | median | lowest | highest | spectral convergence |",
        "| --- | ---: | ---: | ---: | ---: |",
        "| wavenet_ae | 8 | 6 | 9 | 0.1250 |",
        "| librosa 0.1 | 2 | 1 | 3 | 0.2500 |",
        "| ratio | 4 |  |  |  |",
        "",
        "Compiled in 1.5 s; librosa computes in one thread.",
    ]


def test_convergence():
    notes = griffin_lim._notes(2, seed=0)
    magnitude = np.abs(np.asarray(spectral.stft(notes)))
    assert griffin_lim._convergence(notes, magnitude) == pytest.approx(0, abs=1e-6)
    assert griffin_lim._convergence(1.5 * notes, magnitude) == pytest.approx(0.5, rel=1e-4)
