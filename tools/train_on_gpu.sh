#!/bin/sh
# Trains small models on a machine with a GPU that is there for some minutes, and no network:
#     tools/train_on_gpu.sh MINUTES [--output=runs/gpu] [--wheels=FOLDER] [--soundfont=FILE]
# renders notes, trains the WaveNet for three fifths of the time, the classifier and the baseline
# for a fifth each, and exports what there is: OUTPUT/exported has the averaged weights and the
# curves. It ends in time. Flags like --config.batch_size=64 go to the WaveNet's training. Where
# there is no .venv, a folder from collect_wheels.sh and a Python with JAX for CUDA will do.
set -eu
cd "$(dirname "$0")/.."
. tools/bare_python.sh

begun=$(date +%s)
usage() { sed -n '3s/^# *//p' "$0" >&2; exit 1; }
minutes=${1-}
case $minutes in "" | *[!0-9]* | 0*) usage ;; esac
shift
wheels="" output=runs/gpu soundfont="" render="" tiny=""
for flag; do
    shift
    case $flag in
        --wheels=*) wheels=${flag#*=} ;;
        --output=*) output=${flag#*=} ;;
        --soundfont=*) soundfont=${flag#*=} ;;
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
[ ! -e "$output" ] || { echo "error: $output is there: move it away, or give another --output." >&2; exit 1; }

# The last minute, or a tenth of the time, is for exporting.
reserve=$((minutes * 6 < 60 ? minutes * 6 : 60))
end=$((begun + 60 * minutes - reserve))
left() { echo $((end - $(date +%s))); }
JAX_COMPILATION_CACHE_DIR=$output/cache # what is measured is what is trained
export JAX_COMPILATION_CACHE_DIR

# shellcheck disable=SC2086  # a list of words
"$python" experiments/render_soundfont.py --soundfont="$soundfont" --output="$output/notes" \
    ${render:---velocities=40,80,120}
"$python" experiments/build_dataset.py --notes="$output/notes" --data_dir="$output/datasets"

# train NAME CONFIG SHARE FLAG...: for SHARE percent of what is left.
train() {
    name=$1 config=experiments/configs/$2 seconds=$(($(left) * $3 / 100))
    shift 3
    set -- --config="$config" --config.dataset.data_dir="$output/datasets" "$@"
    by=$(($(date +%s) + seconds))
    echo "$name: $seconds s"
    "$python" experiments/benchmark.py --task=train --data --seconds=3 --repetitions=1 "$@" \
        --output="$output/$name-step.json" || return 0
    schedule=$("$python" tools/short_schedule.py "$config" "$output/$name-step.json" $((by - $(date +%s)))) ||
        return 0
    echo "$name: $schedule"
    # shellcheck disable=SC2086  # a list of words
    timeout --foreground --signal=TERM "$((by - $(date +%s) + 5))" "$python" experiments/train.py "$@" \
        $schedule --workdir="$output/$name" || echo "$name: ended with exit code $?"
    [ -d "$output/$name/checkpoints" ] || return 0
    "$python" experiments/export.py --checkpoint="$output/$name" --dtype=bfloat16 \
        --output="$output/exported/$name" &&
        cp "$output/$name/config.json" "$output/exported/$name/run.json" &&
        cp "$output/$name/metrics.jsonl" "$output/exported/$name/"
}

# As the pretrained weights are trained: see wavenet_ae.py:pretrained_noisy.
train wavenet wavenet_ae.py:small 60 ${tiny:+--config.batch_size=2 --config.model.decoder_layers=4} \
    --config.model.num_pitches=128 --config.dataset.gain_db=12 --config.dataset.input_noise=4 "$@"
train classifier classifier.py:small 50 ${tiny:+--config.batch_size=2}
train spectral spectral_ae.py:small 100 ${tiny:+--config.batch_size=2}
[ -d "$output/exported" ] || { echo "error: nothing was trained in $minutes minutes." >&2; exit 1; }
echo "$output/exported:"
ls "$output/exported"
