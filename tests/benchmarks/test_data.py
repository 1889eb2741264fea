import json

from wavenet_ae.benchmarks import data, interleaved
from wavenet_ae.publish import markdown


def test_the_table_has_the_median_of_the_repetitions(monkeypatch, data_dir, tiny_config):
    rates = iter([3.0, 10.0, 1.0, 30.0, 2.0, 20.0])
    monkeypatch.setattr(interleaved, "calls_per_s", lambda *_: next(rates))
    config = json.loads(tiny_config)
    result = data.measure(config, num_workers=[0], step_ms=[40.0], seconds=1, repetitions=3)
    assert result["demands"] == {"steps of 40 ms": 25}
    way = {"source": "nsynth_json/by_note", "num_workers": 0}
    assert result["measurements"] == [
        way | {"crop_samples": 256, "batches_per_s": 2, "lowest": 1, "highest": 3},
        way | {"crop_samples": None, "batches_per_s": 20, "lowest": 10, "highest": 30},
    ]
    # A step reads crops: whole notes are not compared with it.
    assert markdown.render(data.document(result)) == (
        "# Reading batches of 4 notes\n\n"
        "- steps of 40 ms: 25 batches/s\n\n"
        "| read from | notes | workers | batches/s | notes/s | times steps of 40 ms |\n"
        "| --- | --- | --- | ---: | ---: | ---: |\n"
        "| nsynth_json/by_note | crops of 256 | 0 | 2 (1 to 3) | 8 | 0.08 |\n"
        "| nsynth_json/by_note | whole | 0 | 20 (10 to 30) | 80 | - |\n"
    )
