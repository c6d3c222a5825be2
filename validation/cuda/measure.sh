#!/bin/sh
# Everything that a machine with a GPU is asked for, in less than eight minutes: the selftests, a
# memory checker where there is one, and a plan, measured twice (two passes in two orders).
#
#   measure.sh [--program MOESIM-GPU] [--plan PLAN.csv] [--minutes 7.5] FOLDER
#
# Without --program the program is built from the sources here (CMake, or nvcc alone); without
# --plan, moesim on the PATH makes the plan. A step that fails or takes too long is noted, and the
# next goes on. FOLDER then holds
#   info.txt  selftest-small.json  selftest.json  checker.txt  points.csv  card.txt  log.txt
# Ends with 0 where all went well, 1 where a step failed, 5 where the plan was cut short, 77 where
# there is no GPU. No setting of the card is touched.
set -u

sources=$(cd "$(dirname "$0")/../.." && pwd)
program=
plan=
minutes=7.5
while [ $# -gt 1 ]; do
  case $1 in
    --program) program=$2 ;;
    --plan) plan=$2 ;;
    --minutes) minutes=$2 ;;
    *) echo "measure.sh: unknown option $1" >&2; exit 2 ;;
  esac
  shift 2
done
if [ $# -ne 1 ] || [ "${1#-}" != "$1" ]; then
  echo "usage: measure.sh [--program MOESIM-GPU] [--plan PLAN.csv] [--minutes 7.5] FOLDER" >&2
  exit 2
fi
folder=$1
mkdir -p "$folder" || exit 1
log=$folder/log.txt
: > "$log" || exit 1
start=$(date +%s)
end=$(awk -v start="$start" -v minutes="$minutes" 'BEGIN { printf "%d", start + 60 * minutes }')
troubles=

say() { echo "$*" | tee -a "$log"; }
left() { echo $((end - $(date +%s))); }

# step NAME SECONDS FILE COMMAND…: its output goes to FILE and to the log.
step() {
  name=$1 seconds=$2 file=$3
  shift 3
  [ "$seconds" -le "$(left)" ] || seconds=$(left)
  if [ "$seconds" -lt 1 ]; then
    say "$name: left out, the time is up"
    troubles="$troubles $name"
    return 1
  fi
  say "--- $name ($(left) s left)"
  timeout -k 5 "$seconds" "$@" > "$file" 2>&1
  code=$?
  cat "$file" >> "$log"
  case $code in
    0) ;;
    124 | 137) say "$name: not done within $seconds s"; troubles="$troubles $name" ;;
    *) say "$name: ended with $code"; troubles="$troubles $name" ;;
  esac
  return $code
}

build() {
  if command -v cmake > /dev/null; then
    cmake -S "$sources" -B "$folder/build" -DMOESIM_CALIB_ONLY=ON -DMOESIM_CUDA=ON \
      -DCMAKE_BUILD_TYPE=Release && cmake --build "$folder/build" -j "$(nproc)" --target moesim-gpu
    return
  fi
  cd "$sources" && mkdir -p "$folder/build" || return
  nvcc -std=c++20 -O3 -I. -DMOESIM_GPU_HOST -gencode=arch=compute_90a,code=sm_90a \
    -c validation/cuda/program/launch_hopper.cu -o "$folder/build/hopper.o" &&
    nvcc -std=c++20 -O3 -I. -DMOESIM_GPU_HOST -arch=sm_90 -cudart static \
      -o "$folder/build/moesim-gpu" "$folder/build/hopper.o" \
      validation/cuda/program/launch_portable.cu validation/cuda/program/*.cpp \
      validation/cuda/protocol/*.cpp validation/cuda/reference/*.cpp -ldl
}

folder=$(cd "$folder" && pwd)
log=$folder/log.txt
scratch=$folder/.output
if [ -z "$program" ]; then
  say "--- building moesim-gpu"
  (build) >> "$log" 2>&1
  program=$(find "$folder/build" -name moesim-gpu -type f 2> /dev/null | head -n 1)
fi
if [ ! -x "$program" ]; then
  say "measure.sh: there is no program to measure with: ${program:-the build failed, see log.txt}"
  exit 1
fi
program=$(cd "$(dirname "$program")" && pwd)/$(basename "$program")
if [ -z "$plan" ]; then
  plan=$folder/plan.csv
  moesim calibrate plan -o "$plan" >> "$log" 2>&1 ||
    { say "measure.sh: no --plan, and no moesim on the PATH that makes one"; exit 1; }
fi

step info 60 "$folder/info.txt" "$program" info
case $? in
  0) cat "$folder/info.txt" ;;
  77) cat "$folder/info.txt"; exit 77 ;;
  *) say "measure.sh: the GPU does not answer"; cat "$folder/info.txt"; exit 1 ;;
esac
if command -v nvidia-smi > /dev/null; then
  step card 20 "$folder/card.txt" nvidia-smi -q
fi
step selftest-small 90 "$scratch" "$program" selftest --small --patience 20s \
  --json "$folder/selftest-small.json"
grep '^selftest: ' "$scratch"
if command -v compute-sanitizer > /dev/null; then
  step checker 60 "$folder/checker.txt" compute-sanitizer --error-exitcode 9 \
    "$program" selftest --small --one-process
fi
step selftest 150 "$scratch" "$program" selftest --patience 45s --json "$folder/selftest.json"
grep '^selftest: ' "$scratch"

partial=
budget=$(($(left) - 15))
if [ "$budget" -gt 0 ]; then
  step run $((budget + 15)) "$scratch" "$program" run --plan "$plan" --out "$folder/points.csv" \
    --budget "${budget}s" --patience 30s
  if [ $? -eq 5 ]; then
    partial=yes
    troubles=${troubles% run}
  fi
  tail -n 2 "$scratch"
else
  say "run: left out, the time is up"
  troubles="$troubles run"
fi
rm -f "$scratch"
say "took $(($(date +%s) - start)) s; ${troubles:+failed:}${troubles:-all went well}"
[ -z "$troubles" ] || exit 1
[ -z "$partial" ] || exit 5
