// A study in shards as jobs of Slurm: the script that submits them, and that each of them runs.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace moesim::tools {

struct SlurmJob {
  std::string program = {};  // moesim's file, unless $MOESIM says another
  std::string version = {};
  std::vector<std::string> study = {};    // words of the command line: study_words()
  std::uint64_t points = 0;               // of the study
  std::string store = "sweep.db";         // what the shards are put together in
  std::uint64_t shards = 1;               // tasks of the array job, each on one node
  std::int64_t nodes = 0;                 // so many at the same time; 0: as many as there are
  std::int64_t jobs = 1;                  // points at the same time in a shard, and its processors
  std::vector<std::string> options = {};  // of sbatch, for all jobs: "--partition=long"
};

// bash. Run by a user it submits an array job of shards and a job that depends on them and puts
// them together; as a job it does the part that its first word names. What is there is gone on
// with: it may be submitted again after whatever ended a job.
std::string slurm_script(const SlurmJob& job);

}  // namespace moesim::tools
