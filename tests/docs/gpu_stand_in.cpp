// Stands for moesim-gpu where the guide is tried: points of a plan with made-up times, so that what
// comes after a measurement has something to work on.
#include <fstream>
#include <map>
#include <sstream>
#include <string>

#include "tests/support/synthetic_points.h"

int main(int argc, char** argv) {
  std::map<std::string, std::string> options;
  for (int i = 2; i + 1 < argc; i += 2) options[argv[i]] = argv[i + 1];
  std::ifstream in(options["--plan"]);
  std::stringstream text;
  text << in.rdbuf();
  const auto plan = moesim::validation::cuda::parse_plan(text.str(), options["--plan"]);
  std::ofstream(options["--out"]) << moesim::tests::synthetic_points(plan, 5);
  return 0;
}
