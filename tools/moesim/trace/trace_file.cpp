#include "tools/moesim/trace/trace_file.h"

#include "tools/moesim/shipped.h"

namespace moesim::tools {

std::filesystem::path trace_file(const std::string& text) {
  const std::filesystem::path path(text);
  const bool named = !path.has_parent_path() && path.extension().empty();
  const bool ships = path.parent_path() == "configs/traces";
  return named || ships ? find_config("traces", text) : path;
}

}  // namespace moesim::tools
