#include "sim/io/packed_stream.h"

#include <fmt/format.h>
#include <zlib.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <streambuf>

#include "sim/error.h"

namespace moesim::sim::io {

class PackedStream::Buffer final : public std::streambuf {
 public:
  explicit Buffer(const std::filesystem::path& file) : name_(file.string()) {
    std::error_code error;
    if (std::filesystem::is_directory(file, error)) fail("cannot be read: it is a folder");
    errno = 0;
    source_ = gzopen(name_.c_str(), "rbe");
    if (source_ == nullptr)
      fail(fmt::format("cannot be read: {}", errno != 0 ? std::strerror(errno) : "out of memory"));
    gzbuffer(source_, 1u << 18);
  }
  ~Buffer() override {
    if (source_ != nullptr) gzclose_r(source_);
  }
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;

 private:
  int_type underflow() override {
    if (source_ == nullptr) return traits_type::eof();
    const int count = gzread(source_, bytes_.data(), static_cast<unsigned>(bytes_.size()));
    if (count < 0) {
      int code = 0;
      std::string_view why = gzerror(source_, &code);
      if (code == Z_ERRNO) why = std::strerror(errno);
      if (why.starts_with(name_ + ": ")) why.remove_prefix(name_.size() + 2);
      fail(fmt::format("damaged gzip: {}", why));
    }
    if (count == 0) {
      // What ends in the middle of a gzip stream shows only here.
      gzFile_s* source = source_;
      source_ = nullptr;
      if (gzclose_r(source) == Z_BUF_ERROR) fail("damaged gzip: it ends too early");
      return traits_type::eof();
    }
    setg(bytes_.data(), bytes_.data(), bytes_.data() + count);
    return traits_type::to_int_type(bytes_[0]);
  }

  [[noreturn]] void fail(const std::string& why) const {
    throw InputError(fmt::format("{}: {}", name_, why));
  }

  std::string name_;
  gzFile_s* source_ = nullptr;
  std::array<char, std::size_t{1} << 16> bytes_;
};

PackedStream::PackedStream(const std::filesystem::path& file)
    : std::istream(nullptr), buffer_(std::make_unique<Buffer>(file)) {
  rdbuf(buffer_.get());
  exceptions(std::ios::badbit);  // what the buffer throws goes on to the reader
}

PackedStream::~PackedStream() = default;

}  // namespace moesim::sim::io
