#include "sim/io/atomic_file.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>

#include "sim/error.h"

namespace moesim::sim::io {

void write_file(const std::filesystem::path& target, std::string_view contents) {
  std::filesystem::path temporary = target;
  temporary += fmt::format(".tmp.{}", ::getpid());
  const auto fail = [&](const std::string& why) {
    std::error_code ignored;
    std::filesystem::remove(temporary, ignored);
    throw InputError(fmt::format("{}: cannot be written: {}", target.string(), why));
  };
  std::ofstream file(temporary, std::ios::binary | std::ios::trunc);
  if (!file) fail(std::strerror(errno));
  file.write(contents.data(), static_cast<std::streamsize>(contents.size()));
  file.close();
  if (!file) fail(std::strerror(errno));
  std::error_code error;
  std::filesystem::rename(temporary, target, error);
  if (error) fail(error.message());
}

}  // namespace moesim::sim::io
