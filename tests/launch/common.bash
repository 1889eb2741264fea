# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154  # the tests read what is set here, and bats sets the rest
# Loaded by the tests: a stand-in for gcloud and kubectl on PATH, and settings.

bats_require_minimum_version 1.5.0

ROOT=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
NASTY="my run; \$(touch pwned) 'x' \"y\" \`touch pwned\` & \\"

setup() {
    export FAKE=$BATS_TEST_TMPDIR/fake
    export PATH=$BATS_TEST_DIRNAME/bin:$PATH
    mkdir -p "$FAKE/replies" "$FAKE/calls"
    cd "$BATS_TEST_TMPDIR" || return
    settings=$BATS_TEST_TMPDIR/settings.env
    cat >"$settings" <<'TEXT'
# a comment

PROJECT=my-project
ZONE=us-east5-b
BUCKET=my-bucket
NAME=wavenet
RUN_ID=first
ACCELERATOR_TYPE=v6e-16
RUNTIME_VERSION=v2-alpha-tpuv6e
MACHINE_TYPE=ct6e-standard-4t
TOPOLOGY=4x4
CLUSTER=my-cluster
IMAGE=us-docker.pkg.dev/my-project/wavenet/wavenet:latest
IMAGE_FAMILY=tpu-family
IMAGE_PROJECT=tpu-images
REPOSITORY=https://example.org/wavenet_ae.git
POLL_SECONDS=0
TEXT
}

teardown() {
    if [ -e "$FAKE/home" ]; then
        HOME=$FAKE/home bash "$ROOT/launch/worker.sh" end 0 kill >/dev/null 2>&1 || true
    fi
}

# set_to NAME VALUE...: appends settings.
set_to() { printf '%s=%s\n' "$@" >>"$settings"; }

# reply CALL LINE...: what the stand-in answers to calls of this kind, one after the other.
reply() { printf '%s\n' "${@:2}" >"$FAKE/replies/$1"; }

pod() { timeout 60 bash "$ROOT/launch/tpu_pod.sh" "$1" --settings="$settings" "${@:2}"; }

gke() { timeout 60 bash "$ROOT/launch/gke.sh" "$1" --settings="$settings" "${@:2}"; }

# calls [PATTERN]: the recorded calls, one a line, as a shell would write them.
calls() {
    local file words line
    for file in "$FAKE"/calls/*; do
        [ -e "$file" ] || continue
        mapfile -d '' -t words <"$file"
        printf -v line '%q ' "${words[@]}"
        printf '%s\n' "${line% }"
    done | grep -E -- "${1-}" || true
}

# called PATTERN: how many recorded calls match.
called() { calls "$1" | grep -c '' || true; }

fails_with() {
    [ "$status" -eq 1 ] || { echo "exit code $status: $output"; return 1; }
    [[ $output == *"error: "*"$1"* ]] || { echo "said: $output"; return 1; }
    [ "$(grep -c 'error: ' <<<"$output")" = 1 ]
}
