#!/bin/sh
# Everything that a machine with a GPU is asked for, in less than eight minutes: the selftests, a
# memory checker where there is one, and a plan, measured twice (two passes in two orders).
#
#   measure.sh [--program MOESIM-GPU] [--plan PLAN.csv] [--minutes 7.5] [--resume] FOLDER
#
# Without --program the program is built from the sources here (CMake, or nvcc alone); without
# --plan, moesim on the PATH makes the plan. A step that fails or takes too long is noted, and the
# next goes on; kernels that hung or went wrong twice in a selftest are not measured. FOLDER then
# holds
#   info.txt  selftest-small.json  selftest.json  checker.txt  points.csv  card.txt  log.txt
# and all of it is kept up to date while it runs: what is killed goes on with --resume, which makes
# no selftest again that was made to its end, and no point. Ends with 0 where all went well, 1 where
# a step failed, 5 where the plan was cut short, 77 where there is no GPU. No setting of the card is
# touched.
set -u

sources=$(cd "$(dirname "$0")/../.." && pwd)
program=
plan=
minutes=7.5
resume=
while [ $# -gt 1 ]; do
  case $1 in
    --program) program=$2 ;;
    --plan) plan=$2 ;;
    --minutes) minutes=$2 ;;
    --resume) resume=--resume; shift; continue ;;
    *) echo "measure.sh: unknown option $1" >&2; exit 2 ;;
  esac
  shift 2
done
if [ $# -ne 1 ] || [ "${1#-}" != "$1" ]; then
  echo "usage: measure.sh [--program MOESIM-GPU] [--plan PLAN.csv] [--minutes 7.5] [--resume] FOLDER" >&2
  exit 2
fi
folder=$1
mkdir -p "$folder" || exit 1
if [ -z "$resume" ] && { [ -e "$folder/points.csv" ] || [ -e "$folder/points.csv.partial" ]; }; then
  echo "measure.sh: $folder holds points already: --resume goes on with them; else name another" >&2
  exit 2
fi
log=$folder/log.txt
[ -n "$resume" ] || : > "$log" || exit 1
start=$(date +%s)
end=$(awk -v start="$start" -v minutes="$minutes" 'BEGIN { printf "%d", start + 60 * minutes }')
troubles=
child=
# The program is in a process group of its own (timeout's): Ctrl-C does not reach it by itself.
trap '[ -z "$child" ] || kill "$child"; wait; echo "measure.sh: interrupted: --resume goes on" >&2; exit 130' INT TERM HUP

say() { echo "$*" | tee -a "$log"; }
left() { echo $((end - $(date +%s))); }
least() { [ "$1" -le "$2" ] && echo "$1" || echo "$2"; }

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
  timeout -k 5 "$seconds" "$@" > "$file" 2>&1 &
  child=$!
  wait "$child"
  code=$?
  child=
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
# What a killed script left behind at work holds the lock, too.
if command -v flock > /dev/null; then
  exec 9> "$folder/.lock"
  flock -n 9 || { echo "measure.sh: another one is at work in $folder: wait for it, or end it" >&2; exit 2; }
fi
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
# selftest NAME SECONDS PATIENCE OPTION…: its JSON is up to date after each check, so that a selftest
# which is cut short says what it found.
selftest() {
  name=$1 seconds=$2 patience=$3
  shift 3
  json=$folder/$name.json
  if [ -n "$resume" ] && grep -q '^  "complete": true,$' "$json" 2> /dev/null; then
    say "$name: made before"
  else
    most=$(($(left) - 3))
    [ "$seconds" -le "$most" ] || seconds=$most
    if [ "$seconds" -ge 1 ]; then
      step "$name" $((seconds + 15)) "$scratch" "$program" selftest "$@" --patience "$patience" \
        --budget "${seconds}s" --json "$json"
      sed -n '/^selftest: /,$p' "$scratch"
    else
      say "$name: left out, the time is up"
      troubles="$troubles $name"
    fi
  fi
  found=$(sed -n 's/^  "without": "\(.*\)",$/\1/p' "$json" 2> /dev/null)
  without=$without${without:+${found:+,}}$found
}

# A checker that cannot start (it knows another driver, it may not trace) says nothing of the kernels;
# one that started prints a summary, and ends with 9 where it found something.
checker() {
  if ! compute-sanitizer --version > /dev/null 2>&1; then
    say "checker: not run, compute-sanitizer does not start"
    return
  fi
  before=$troubles
  step checker 60 "$folder/checker.txt" compute-sanitizer --error-exitcode 9 \
    "$program" selftest --small --one-process ${without:+--without "$without"}
  code=$?
  [ $code -ne 0 ] && [ $code -ne 9 ] || return
  if ! grep -q 'ERROR SUMMARY' "$folder/checker.txt"; then
    troubles=$before
    say "checker: not run to its end: $(grep -m 1 . "$folder/checker.txt")"
  fi
}

without=
# At most a fifth of the time for the small one and a third of what is left for the large one.
selftest selftest-small $(least 80 $(($(left) / 5))) 5s --small
if command -v compute-sanitizer > /dev/null; then
  checker
else
  say "checker: not run, there is no compute-sanitizer"
fi
selftest selftest $(least 140 $(($(left) / 3))) 20s ${without:+--without "$without"}
[ -z "$without" ] || say "not measured: $without"

partial=
budget=$(($(left) - 15))
if [ "$budget" -gt 0 ]; then
  step run $((budget + 15)) "$scratch" "$program" run --plan "$plan" --out "$folder/points.csv" \
    --budget "${budget}s" --patience 15s ${without:+--without "$without"} $resume
  if [ $? -eq 5 ]; then
    partial=yes
    troubles=${troubles% run}
  fi
  sed -n '/ points measured, /,$p' "$scratch"
else
  say "run: left out, the time is up"
  troubles="$troubles run"
fi
rm -f "$scratch" "$folder/.lock"
say "took $(($(date +%s) - start)) s; ${troubles:+failed:}${troubles:-all went well}"
[ -z "$troubles" ] || exit 1
[ -z "$partial" ] || exit 5
