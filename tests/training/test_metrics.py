import os

from wavenet_ae.system.buckets import Uploads
from wavenet_ae.training.metrics import MetricsLog, read_metrics


def test_every_line_is_synced_when_it_is_written(tmp_path, monkeypatch):
    synced = []

    def fsync(descriptor):
        synced.append(os.pread(descriptor_of_reading, 1000, 0))

    with MetricsLog(tmp_path, Uploads(tmp_path), 0, 2, 64) as log:
        descriptor_of_reading = os.open(tmp_path / "metrics.jsonl", os.O_RDONLY)
        monkeypatch.setattr(os, "fsync", fsync)
        log.write(1, {"train/loss": 0.5})
        log.write(2, {"train/loss": 0.25})
        lines = b'{"step": 1, "train/loss": 0.5}\n', b'{"step": 2, "train/loss": 0.25}\n'
        assert synced[:1] == [lines[0]]
        assert b"".join(lines) in synced
        monkeypatch.undo()
        os.close(descriptor_of_reading)
    assert [line["step"] for line in read_metrics(tmp_path)] == [1, 2]
