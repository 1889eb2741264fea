from wavenet_ae.system.counting import count


def test_one_and_several():
    assert count(1, "note") == "1 note"
    assert [count(n, "pitch", "pitches") for n in (0, 1, 2)] == [
        "0 pitches",
        "1 pitch",
        "2 pitches",
    ]
