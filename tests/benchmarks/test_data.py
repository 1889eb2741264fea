import json

from wavenet_ae.benchmarks import data, interleaved


def test_the_table_has_the_median_of_the_repetitions(monkeypatch, data_dir, tiny_config):
    rates = iter([3.0, 10.0, 1.0, 30.0, 2.0, 20.0])
    monkeypatch.setattr(interleaved, "calls_per_s", lambda *_: next(rates))
    config = json.loads(tiny_config)
    crops, whole = data.measure(config, num_workers=[0], seconds=1, repetitions=3)
    assert (crops.crop_samples, crops.batches_per_s, crops.lowest, crops.highest) == (256, 2, 1, 3)
    assert (whole.crop_samples, whole.batches_per_s, whole.lowest, whole.highest) == (
        None,
        20,
        10,
        30,
    )
