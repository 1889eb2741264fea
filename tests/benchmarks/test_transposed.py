import pytest
from entry_points import load_config

from wavenet_ae.benchmarks import transposed
from wavenet_ae.publish import markdown
from wavenet_ae.system.errors import UserError

SIZES = {f"model.{name}_channels": 2 for name in ("narrow", "middle", "wide", "bottleneck")} | {
    "batch_size": 2
}


@pytest.mark.slow
def test_both_ways_are_measured():
    config = load_config("spectral_ae.py", **SIZES)
    found = transposed.measure(config, seconds=0.01, repetitions=1)
    assert found["in_use"] == "by_phases"  # on a CPU
    assert found["batch_size"] == 2
    assert min(spread["lowest"] for spread in found["ms"].values()) > 0
    shown = markdown.render(transposed.document(found))
    assert f"| by phases (in use) | {found['ms']['by_phases']['median']:.4g} |" in shown
    assert f"| directly | {found['ms']['directly']['median']:.4g} |" in shown


def test_other_models_have_none():
    with pytest.raises(UserError, match=r"--task=transposed is for the baseline"):
        transposed.measure(load_config("classifier.py:demo"))
