#include "sim/io/atomic_file.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstring>
#include <fstream>

#include "sim/error.h"
#include "sim/io/temporary_file.h"

namespace moesim::sim::io {

void write_file(const std::filesystem::path& target, std::string_view contents) {
  TemporaryFile temporary(target);
  std::ofstream file(temporary.path(), std::ios::binary | std::ios::trunc);
  if (file) file.write(contents.data(), static_cast<std::streamsize>(contents.size()));
  file.close();
  if (!file) {
    throw Error(ExitCode::Failed,
                fmt::format("{}: cannot be written: {}", target.string(), std::strerror(errno)));
  }
  temporary.commit();
}

}  // namespace moesim::sim::io
