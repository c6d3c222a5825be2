// A study on the ranks of an MPI job: the script that runs it, by itself or as a job of a batch
// system.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace moesim::tools {

struct MpiScript {
  std::string program = {};  // moesim-mpi's file, unless $MOESIM_MPI says another
  std::string version = {};
  std::vector<std::string> study = {};  // words of the command line: study_words()
  std::uint64_t points = 0;             // of the study
  std::string store = "sweep.db";
  std::int64_t ranks = 2;                 // of which one hands out points and writes
  std::int64_t tries = 5;                 // that may lose a rank
  std::vector<std::string> options = {};  // of sbatch: "--partition=long"
};

// bash. Whatever rank is lost, it goes on with the points that are kept, as often as `tries` says;
// what the sweep itself ends with it ends with. Run again it goes on, too.
std::string mpi_script(const MpiScript& job);

}  // namespace moesim::tools
