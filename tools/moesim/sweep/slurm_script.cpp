#include "tools/moesim/sweep/slurm_script.h"

#include <fmt/format.h>

#include <string_view>

#include "tools/moesim/shell_words.h"
#include "tools/moesim/sweep/script_text.h"

namespace moesim::tools {
namespace {

// Named fields in @: a shell's own braces and dollars stay as they are.
constexpr std::string_view kScript = R"script(#!/bin/bash
# @points@ points in @shards@ shards: an array job, and a job that waits for it and puts them together.
# Made by moesim @version@. Where sbatch is:  bash THIS_FILE
# Whatever ended a job: submitted again, it goes on with the points that are there.
# shellcheck disable=SC2016  # what was asked for is quoted, whatever is in it
set -euo pipefail

moesim=${MOESIM:-@program@}
study=(@study@)
store=@store@
shards=@shards@
sbatch=(sbatch --parsable@options@)

part() { printf '%s.%s-of-%s' "$store" "$1" "$shards"; }

case ${1-submit} in
submit)
  array=$("${sbatch[@]}" --job-name=moesim-shard --array=0-@last@@limit@ \
    --nodes=1 --ntasks=1 --cpus-per-task=@jobs@ --requeue --signal=INT@60 "$0" shard)
  array=${array%%;*}
  merge=$("${sbatch[@]}" --job-name=moesim-merge --dependency="afterok:$array" --kill-on-invalid-dep=yes \
    --nodes=1 --ntasks=1 "$0" merge)
  echo "shards: job $array; put together in $store: job ${merge%%;*}"
  ;;
shard)
  # A minute before its time is over it is told to end, and does so when its points have.
  exec srun --ntasks=1 --cpus-per-task=@jobs@ "$moesim" sweep "${study[@]}" \
    --shard "$SLURM_ARRAY_TASK_ID/$shards" --jobs @jobs@ --resume --output "$(part "$SLURM_ARRAY_TASK_ID")"
  ;;
merge)
  parts=()
  for ((i = 0; i < shards; i++)); do parts+=("$(part "$i")"); done
  [[ ! -e $store ]] || parts+=("$store")
  rm -f "$store.new" "$store.new-wal" "$store.new-shm" "$store.new-journal"
  srun --ntasks=1 "$moesim" sweep merge "$store.new" "${parts[@]}"
  mv "$store.new" "$store"
  # All points are there: this says how they ended, and ends as the sweep would have.
  exec srun --ntasks=1 "$moesim" sweep "${study[@]}" --resume --output "$store"
  ;;
*)
  echo "$0: expected submit, shard or merge, not $1" >&2
  exit 2
  ;;
esac
)script";

}  // namespace

std::string slurm_script(const SlurmJob& job) {
  return filled(kScript, {{"points", std::to_string(job.points)},
                          {"shards", std::to_string(job.shards)},
                          {"last", std::to_string(job.shards - 1)},
                          {"limit", job.nodes > 0 ? fmt::format("%{}", job.nodes) : ""},
                          {"jobs", std::to_string(job.jobs)},
                          {"version", job.version},
                          {"program", quoted(job.program)},
                          {"study", words_text(job.study, "")},
                          {"store", quoted(job.store)},
                          {"options", words_text(job.options, " ")}});
}

}  // namespace moesim::tools
