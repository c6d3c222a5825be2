// A file as a stream of bytes, unpacked on the way if it is gzip, whatever its size.
#pragma once

#include <filesystem>
#include <istream>
#include <memory>

namespace moesim::sim::io {

// Reading throws InputError where the gzip is damaged or ends too early; the end of the file is the
// stream's end.
class PackedStream : public std::istream {
 public:
  // Throws InputError "FILE: cannot be read: …".
  explicit PackedStream(const std::filesystem::path& file);
  ~PackedStream() override;

 private:
  class Buffer;
  std::unique_ptr<Buffer> buffer_;
};

}  // namespace moesim::sim::io
