import pytest

from wavenet_ae.system import settings
from wavenet_ae.system.errors import UserError

NAN, INF = float("nan"), float("inf")
RULES = {
    "steps": settings.whole(1),
    "seed": settings.SEED,
    "noise": settings.optional(settings.NOT_NEGATIVE),
    "keep": settings.TRUTH,
    "folder": settings.or_none(settings.PATH_OR_URL),
    "rates": settings.several(settings.POSITIVE, least=1),
    "optimizer": {"name": settings.choice("adam", "muon"), "decay": settings.SHARE},
}
GOOD = {
    "steps": 1,
    "seed": 2**32 - 1,
    "keep": False,
    "folder": None,
    "rates": (1, 1e-3),
    "optimizer": {"name": "muon", "decay": 1},
}


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"steps": 0}, r"config\.steps=0 must be a whole number, 1 or larger\."),
        ({"steps": 2.0}, r"config\.steps=2\.0 must be"),
        ({"steps": True}, r"config\.steps=True must be"),
        ({"steps": "3"}, r"config\.steps='3' must be"),
        ({"steps": 2**31}, r"config\.steps=2147483648 must be"),
        ({"seed": -1}, r"config\.seed=-1 must be a whole number from 0 to 4294967295\."),
        ({"seed": 2**40}, r"config\.seed=1099511627776 must be"),
        ({"noise": -0.5}, r"config\.noise=-0\.5 must be a number, 0 or larger\."),
        ({"noise": NAN}, r"config\.noise=nan must be"),
        ({"noise": INF}, r"config\.noise=inf must be"),
        ({"noise": 10**400}, r"config\.noise=10+ must be"),
        ({"noise": None}, r"config\.noise=None must be"),
        ({"keep": 1}, r"config\.keep=1 must be True or False\."),
        ({"folder": ""}, r"config\.folder='' must be a path"),
        ({"folder": "~nobody-of-this-name/x"}, r"config\.folder='~nobody.* must be a path"),
        ({"rates": ()}, r"config\.rates=\(\) must be a list of 1 or more values, each of which is"),
        ({"rates": (1e-3, NAN)}, r"config\.rates=\(0\.001, nan\) must be"),
        ({"rates": 1e-3}, r"config\.rates=0\.001 must be"),
        ({"rates": "ab"}, r"config\.rates='ab' must be"),
        ({"optimizer": 3}, r"config\.optimizer=3 must be a group of settings: name, decay\."),
        ({"optimizer": {"decay": 0}}, r"config\.optimizer\.name is missing: it must be adam or m"),
        (
            {"optimizer": {"name": ["adam"], "decay": 0}},
            r"config\.optimizer\.name=\['adam'\] must be adam or muon\.",
        ),
        (
            {"optimizer": {"name": "adam", "decays": 0}},
            r"config\.optimizer\.decays is not a setting of .*: did you mean decay\?",
        ),
        ({"zzz": 1}, r"config\.zzz is not a setting of this configuration: it has folder, keep, "),
    ],
)
def test_what_does_not_follow_its_rule_is_named(changes, reason):
    settings.check(GOOD, RULES)
    with pytest.raises(UserError, match=reason):
        settings.check(GOOD | changes, RULES)


@pytest.mark.parametrize("url", ["gs://bucket/run", "s3://b/x", "https://host/a", "file:///tmp/x"])
def test_urls_are_no_paths_of_this_machine(url):
    with pytest.raises(UserError, match=f"--output={url} is not on this machine: name a local"):
        settings.local_path("--output", url)


def test_paths_of_this_machine(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert settings.local_path("--output", "~/x") == tmp_path / "x"
    assert str(settings.local_path("--output", "a:b//c")) == "a:b/c"
    with pytest.raises(UserError, match="--output is empty: name a path"):
        settings.local_path("--output", "")
    with pytest.raises(UserError, match="no such home folder"):
        settings.local_path("--output", "~nobody-of-this-name/x")
