#include <fmt/format.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <memory>

#include "sim/error.h"
#include "sim/io/csv.h"

namespace moesim::sim::io {
namespace {

// Whatever limit is asked for: what is larger is a device, a bomb or a mistake.
constexpr std::size_t kMostText = std::size_t{256} << 20;

struct CloseFile {
  void operator()(gzFile_s* file) const { gzclose_r(file); }
};

std::string limit_text(std::size_t limit) {
  if (limit % (std::size_t{1} << 30) == 0) return fmt::format("{} GiB", limit >> 30);
  if (limit % (std::size_t{1} << 20) == 0) return fmt::format("{} MiB", limit >> 20);
  return fmt::format("{} bytes", limit);
}

}  // namespace

std::string read_text(const std::filesystem::path& file, std::size_t limit) {
  limit = std::min(limit, kMostText);
  const std::string name = file.string();
  const auto fail = [&](const std::string& why) {
    throw InputError(fmt::format("{}: cannot be read: {}", name, why));
  };
  std::error_code error;
  if (std::filesystem::is_directory(file, error)) fail("it is a folder");
  // zlib passes a file that is no gzip through as it is.
  errno = 0;
  std::unique_ptr<gzFile_s, CloseFile> source(gzopen(name.c_str(), "rbe"));
  if (!source) fail(errno != 0 ? std::strerror(errno) : "out of memory");
  gzbuffer(source.get(), 1u << 18);
  const bool packed = file.extension() == ".gz";

  std::string text;
  const std::uintmax_t size = std::filesystem::file_size(file, error);
  if (!error && !packed && size <= limit) text.reserve(static_cast<std::size_t>(size) + 1);
  std::array<char, std::size_t{1} << 16> part;
  for (;;) {
    const int count = gzread(source.get(), part.data(), static_cast<unsigned>(part.size()));
    if (count < 0) {
      int code = 0;
      std::string_view why = gzerror(source.get(), &code);
      if (code == Z_ERRNO) fail(std::strerror(errno));
      if (why.starts_with(name + ": ")) why.remove_prefix(name.size() + 2);
      throw InputError(fmt::format("{}: damaged gzip: {}", name, why));
    }
    if (packed && gzdirect(source.get()) != 0 && (count > 0 || text.empty())) {
      throw InputError(fmt::format("{}: is no gzip, though its name ends in .gz", name));
    }
    if (count == 0) break;
    if (text.size() + static_cast<std::size_t>(count) > limit) {
      throw InputError(fmt::format("{}: holds more than {}, which is the most that is read", name,
                                   limit_text(limit)));
    }
    text.append(part.data(), static_cast<std::size_t>(count));
  }
  // What ends in the middle of a gzip stream shows only here.
  if (gzclose_r(source.release()) == Z_BUF_ERROR) {
    throw InputError(fmt::format("{}: damaged gzip: it ends too early", name));
  }
  return text;
}

}  // namespace moesim::sim::io
