"""`launch/`: shellcheck, the bats tests beside this file, and what they cannot read."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
SCRIPTS = sorted((ROOT / "launch").glob("*.sh"))
HERE = Path(__file__).parent


def find(tool):
    """Returns the tool, which `make test` installs on Debian and Ubuntu."""
    if path := shutil.which(tool):
        return path
    if Path("/etc/debian_version").exists():
        pytest.fail(f"{tool} is missing: run sudo apt-get install {tool}")
    return pytest.skip(f"{tool} is not installed")


def run(*command):
    return subprocess.run(
        [str(word) for word in command], cwd=ROOT, capture_output=True, text=True, check=False
    )


def test_shellcheck_has_nothing_to_say():
    tools = sorted((ROOT / "tools").glob("*.sh"))
    tests = [HERE / "bin" / "gcloud", HERE / "common.bash", *sorted(HERE.glob("*.bats"))]
    result = run(find("shellcheck"), "--external-sources", *SCRIPTS, *tools, *tests)
    assert result.returncode == 0, result.stdout


@pytest.mark.parametrize("file", sorted(HERE.glob("*.bats")), ids=lambda file: file.stem)
def test_bats(file):
    bats = find("bats")
    version = re.search(r"(\d+)\.(\d+)", run(bats, "--version").stdout)
    if tuple(map(int, version.groups())) < (1, 5):
        pytest.skip(f"bats {version.group()} is older than 1.5")
    result = run(bats, file)
    assert result.returncode == 0, result.stdout + result.stderr


SETTINGS = {
    "PROJECT": "my-project",
    "ZONE": "us-east5-b",
    "BUCKET": "my-bucket",
    "NAME": "wavenet",
    "CLUSTER": "my-cluster",
    "IMAGE": "us-docker.pkg.dev/my-project/wavenet/wavenet:latest",
    "MACHINE_TYPE": "ct6e-standard-4t",
    "TOPOLOGY": "4x4",
    "SLICES": "2",
}


def manifest(folder, **settings):
    """Returns what `gke.sh train` would apply."""
    file = folder / "settings.env"
    lines = [f"{name}={value}\n" for name, value in (SETTINGS | settings).items()]
    file.write_text("".join(lines))
    result = run(ROOT / "launch" / "gke.sh", "manifest", f"--settings={file}")
    assert result.returncode == 0, result.stderr
    return yaml.safe_load(result.stdout)


def expanded(argument):
    """Returns an argument as Kubernetes hands it to the container, with no variables set."""
    return re.sub(r"\$\$", "$", argument)


def test_the_manifest_is_one_jobset_of_as_many_pods_as_vms(tmp_path):
    jobset = manifest(tmp_path, RUN_ID="first", STOP_SECONDS="600", MAX_RESTARTS="7")
    assert (jobset["kind"], jobset["metadata"]["name"]) == ("JobSet", "wavenet")
    assert jobset["spec"]["failurePolicy"]["maxRestarts"] == 7
    (job,) = jobset["spec"]["replicatedJobs"]
    assert job["replicas"] == 2
    spec = job["template"]["spec"]
    assert spec["parallelism"] == spec["completions"] == 4
    (rule,) = spec["podFailurePolicy"]["rules"]
    pod = spec["template"]["spec"]
    (container,) = pod["containers"]
    assert rule["onExitCodes"] == {
        "containerName": container["name"],
        "operator": "In",
        "values": [1],
    }
    assert pod["terminationGracePeriodSeconds"] == 600
    assert pod["nodeSelector"]["cloud.google.com/gke-tpu-topology"] == "4x4"
    assert pod["nodeSelector"]["cloud.google.com/gke-tpu-accelerator"] == "tpu-v6e-slice"
    assert container["resources"]["limits"] == {"google.com/tpu": 4}
    assert container["args"] == [
        ".venv/bin/python",
        "experiments/train.py",
        "--config=experiments/configs/wavenet_ae.py",
        "--workdir=/mnt/wavenet_ae/runs/first",
        "--distributed",
    ]
    volumes = {volume["name"]: volume for volume in pod["volumes"]}
    mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
    assert mounts.keys() == volumes.keys()
    assert mounts["bucket"] == "/mnt/wavenet_ae"
    assert volumes["bucket"]["csi"]["volumeAttributes"]["bucketName"] == "my-bucket"


def test_names_reach_the_container_unchanged(tmp_path):
    run_id = "my run; $(touch pwned) $$ 'x' \"y\" \\ `z` $(HOME): {a} - &b !c %d @e"
    jobset = manifest(tmp_path, RUN_ID=run_id, MOUNT="/a mount")
    assert jobset["metadata"]["annotations"]["wavenet-ae/run-id"] == run_id
    container = jobset["spec"]["replicatedJobs"][0]["template"]["spec"]["template"]["spec"][
        "containers"
    ][0]
    workdir = container["args"][3]
    assert not re.search(r"(?<!\$)(\$\$)*\$\(", workdir)  # which Kubernetes would expand
    assert expanded(workdir) == f"--workdir=/a mount/runs/{run_id}"


@pytest.mark.parametrize("name", ["tpu_pod", "gke"])
def test_help_names_every_action(name):
    text = (ROOT / "launch" / f"{name}.sh").read_text()
    shown = run(ROOT / "launch" / f"{name}.sh", "--help")
    assert shown.returncode == 0
    actions = set(re.findall(r"^  ([a-z_]+)  ", shown.stdout, flags=re.MULTILINE))
    *_, last = text.split("case $ACTION in")
    cases = re.findall(r"^    ([a-z_ |]+)\)", last, flags=re.MULTILINE)
    assert actions == {action for case in cases for action in case.split(" | ")}


def test_readme_names_flags_settings_and_files_that_are_there():
    text = (ROOT / "docs" / "tpu.md").read_text()
    scripts = "".join(path.read_text() for path in SCRIPTS)
    example = (ROOT / "launch" / "settings.env.example").read_text()
    for action in re.findall(r"launch/(?:tpu_pod|gke)\.sh ([a-z_]+)", text):
        assert re.search(rf"^  {action}  ", scripts, flags=re.MULTILINE), action
    for setting in re.findall(r"`([A-Z][A-Z_]+)(?:=[^`]*)?`", text):
        assert re.search(rf"^#?{setting}=", example, flags=re.MULTILINE), setting
    for path in re.findall(r"(?:experiments|launch)/[\w/]+\.\w+", text):
        if path != "launch/settings.env":
            assert (ROOT / path).is_file(), path
