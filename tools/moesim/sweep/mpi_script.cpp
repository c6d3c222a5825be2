#include "tools/moesim/sweep/mpi_script.h"

#include <string_view>

#include "tools/moesim/shell_words.h"
#include "tools/moesim/sweep/script_text.h"

namespace moesim::tools {
namespace {

// $MPIRUN is the command with its own options, in words. Slurm reads the lines of #SBATCH, and
// Open MPI starts its ranks where Slurm, PBS or LSF has room for them.
constexpr std::string_view kScript = R"script(#!/bin/bash
#SBATCH --job-name=moesim
#SBATCH --ntasks=@ranks@
#SBATCH --signal=B:USR1@60
@sbatch@# @points@ points on @ranks@ ranks: one hands them out and writes, the others play.
# Made by moesim @version@. Where mpirun is:  bash THIS_FILE  or, of Slurm,  sbatch THIS_FILE
# Whatever ended it: run again, it goes on with the points that are there.
# shellcheck disable=SC2016  # what was asked for is quoted, whatever is in it
set -uo pipefail

moesim_mpi=${MOESIM_MPI:-@program@}
read -ra mpirun <<<"${MPIRUN:-mpirun}"
study=(@study@)
store=@store@

# What is not there is no rank that was lost.
for needed in "${mpirun[0]}" "$moesim_mpi"; do
  command -v -- "$needed" >/dev/null && continue
  echo "$0: $needed not found: MPIRUN='…' or MOESIM_MPI=… before the command say where they are" >&2
  exit 2
done

told=
trap 'told=yes; kill -USR1 "$job" 2>/dev/null' USR1  # time is nearly over: end with what is being played
for ((try = 1; try <= @tries@; try++)); do
  "${mpirun[@]}" -np @ranks@ "$moesim_mpi" sweep "${study[@]}" --resume --output "$store" &
  job=$!
  code=
  while [[ -z $code ]]; do
    wait "$job"
    code=$?
    # A signal ends waiting, not the job.
    if kill -0 "$job" 2>/dev/null; then code=; fi
  done
  # What a sweep ends with is its answer; anything else is a rank, or a node, that was lost.
  case $code in
    0 | [2-5] | 130) exit "$code" ;;
  esac
  [[ -z $told ]] || exit "$code"
  echo "$0: try $try of @tries@ ended with $code: a rank was lost" >&2
done
exit "$code"
)script";

}  // namespace

std::string mpi_script(const MpiScript& job) {
  std::string sbatch;
  for (const std::string& option : job.options) sbatch += "#SBATCH " + option + "\n";
  return filled(kScript, {{"points", std::to_string(job.points)},
                          {"ranks", std::to_string(job.ranks)},
                          {"tries", std::to_string(job.tries)},
                          {"version", job.version},
                          {"sbatch", sbatch},
                          {"program", quoted(job.program)},
                          {"study", words_text(job.study, "")},
                          {"store", quoted(job.store)}});
}

}  // namespace moesim::tools
