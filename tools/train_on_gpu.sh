#!/bin/sh
# Trains small models on a GPU that is available for some minutes, without a network:
#     tools/train_on_gpu.sh MINUTES [--output=runs/gpu] [--wheels=FOLDER] [--soundfont=FILE]
# renders notes, trains the WaveNet for three fifths of the time, the classifier and the baseline
# for a fifth each, and exports them: OUTPUT/exported has the EMA weights and the curves. It ends in
# time. Flags like --config.batch_size=64 go to the WaveNet's training. Without a .venv it needs a
# folder from collect_wheels.sh and a Python with the packages that its head lists: python3, or
# PYTHON=python3.12.
set -eu
here=$PWD
cd "$(dirname "$0")/.."
. tools/bare_python.sh

begun=$(date +%s)
usage() {
    echo "usage: tools/train_on_gpu.sh MINUTES [--output=runs/gpu] [--wheels=FOLDER] [--soundfont=FILE]" >&2
    exit 1
}
minutes=${1-}
case $minutes in "" | *[!0-9]* | 0*) usage ;; esac
shift
wheels="" output=runs/gpu soundfont="" tiny=""
# Fewer notes where there is less time.
render="--velocities=80"
[ "$minutes" -lt 10 ] || render="--velocities=40,80,120"
for flag; do
    shift
    case $flag in
        --wheels=*) wheels=$(from_here "${flag#*=}") ;;
        --output=*) output=$(from_here "${flag#*=}") ;;
        --soundfont=*) soundfont=$(from_here "${flag#*=}") ;;
        --tiny) # a rehearsal
            render="--instruments=0,12,24,40,56,73 --pitches=48:72:12 --velocities=80"
            tiny=yes ;;
        --config.*) set -- "$@" "$flag" ;;
        *) usage ;;
    esac
done
find_python "$wheels"
[ -n "$soundfont" ] ||
    soundfont=$(find "${wheels:-wheels}" /usr/share/sounds -name '*.sf[23]' 2>/dev/null | head -n 1)
[ -r "$soundfont" ] || { echo "error: there is no SoundFont: give --soundfont=FILE." >&2; exit 1; }
[ ! -e "$output" ] || { echo "error: $output exists: move it away, or give another --output." >&2; exit 1; }

# The last minute, or a tenth of the time, is for exporting.
reserve=$((minutes * 6 < 60 ? minutes * 6 : 60))
end=$((begun + 60 * minutes - reserve))
left() { echo $((end - $(date +%s))); }
export XLA_PYTHON_CLIENT_MEM_FRACTION="${XLA_PYTHON_CLIENT_MEM_FRACTION:-.92}" # one process has the GPU
"$python" -c 'import jax, sys
print(jax.devices()[0].device_kind)
sys.exit(jax.default_backend() == "cpu" and not sys.argv[1])' "$tiny" ||
    { echo "error: JAX has found no accelerator: install JAX for it." >&2; exit 1; }

# shellcheck disable=SC2086  # a list of words
"$python" -m wavenet_ae render-soundfont --soundfont="$soundfont" --output="$output/notes" \
    $render
"$python" -m wavenet_ae build-dataset --notes="$output/notes" --data_dir="$output/datasets"

# train NAME CONFIG SHARE FLAG...: for SHARE percent of what is left.
train() {
    name=$1 config=experiments/configs/$2 seconds=$(($(left) * $3 / 100))
    shift 3
    by=$(($(date +%s) + seconds))
    [ "$seconds" -ge 45 ] || { echo "$name: no time left"; return 0; }
    echo "$name: $seconds s"
    step=$output/$name-step.json
    timeout --foreground --kill-after=20 "$seconds" "$python" experiments/benchmark.py --task=train \
        --config="$config" --config.dataset.data_dir="$output/datasets" "$@" \
        --data --seconds=3 --repetitions=1 --output="$step" || return 0
    schedule=$("$python" tools/short_schedule.py "$config" "$step" $((by - $(date +%s)))) || return 0
    echo "$name: $schedule"
    # The caller's flags come last and override the others.
    # shellcheck disable=SC2086  # a list of words
    timeout --foreground --signal=TERM --kill-after=30 $((by - $(date +%s) + 5)) \
        "$python" experiments/train.py --config="$config" \
        --config.dataset.data_dir="$output/datasets" $schedule "$@" --workdir="$output/$name" ||
        echo "$name: ended with exit code $?"
    [ -d "$output/$name/checkpoints" ] || return 0
    "$python" -m wavenet_ae export --checkpoint="$output/$name" --dtype=bfloat16 \
        --output="$output/exported/$name" &&
        cp "$output/$name/config.json" "$output/exported/$name/run.json" &&
        cp "$output/$name/metrics.jsonl" "$output/exported/$name/" || echo "$name: not exported"
}

# As the pretrained weights are trained: see wavenet_ae.py:pretrained_noisy.
train wavenet wavenet_ae.py:small 60 ${tiny:+--config.batch_size=2} \
    ${tiny:+--config.model.encoder_layers=4 --config.model.decoder_layers=4} \
    --config.model.num_pitches=128 --config.dataset.gain_db=12 \
    --config.dataset.decoder_input_noise=4 "$@"
train classifier classifier.py:small 50 ${tiny:+--config.batch_size=2}
train spectral spectral_ae.py:small 100 ${tiny:+--config.batch_size=2}
[ -d "$output/exported" ] || { echo "error: nothing was trained in $minutes minutes." >&2; exit 1; }
echo "$output/exported:"
ls "$output/exported"
