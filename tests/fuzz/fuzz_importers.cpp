#include <filesystem>
#include <iterator>

#include "tests/fuzz/target.h"
#include "workloads/routing/importers/importers.h"

namespace moesim::fuzz {

// The first byte says whose recording the rest is.
void importers(Input input) {
  if (input.empty()) return;
  const workloads::Importer& importer =
      workloads::kImporters[input[0] % std::size(workloads::kImporters)];
  const InputFile file(input.subspan(1));
  std::filesystem::path out = file.path();
  out += ".h5";
  taken([&] { importer.run({file.path()}, out, {.experts = 8, .layers = 2, .top_k = 2}); }, "");
  std::error_code ignored;
  std::filesystem::remove(out, ignored);
}

}  // namespace moesim::fuzz
