// Which file a command's trace is.
#pragma once

#include <filesystem>
#include <string>

namespace moesim::tools {

// `text` where it is a path; of a name ("mixtral-like") the file in configs/traces. Throws
// ConfigError that names the closest ones where that is neither.
std::filesystem::path trace_file(const std::string& text);

}  // namespace moesim::tools
