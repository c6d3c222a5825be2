#include "tools/moesim/program.h"

int main(int argc, char** argv) {
  return moesim::tools::run_program(
      {.name = "moesim",
       .description =
           "moesim: what a Mixture-of-Experts model does on a cluster, driven by real routing.",
       .commands = moesim::tools::commands()},
      argc, argv);
}
