// Results appear whole or not at all: they are written under a temporary name beside the target and
// renamed at the end.
#pragma once

#include <filesystem>
#include <string_view>

namespace moesim::sim::io {

// A device, a pipe or standard output is written and never replaced; of a link what it leads to is
// replaced (sim/io/temporary_file.h). Throws Error (ExitCode::Failed) where the folder is missing,
// is not writable, or the disk is full; the target is then as it was.
void write_file(const std::filesystem::path& target, std::string_view contents);

}  // namespace moesim::sim::io
