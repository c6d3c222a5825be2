// What a terminal gets: names in files are other people's, and may hold its escapes.
#pragma once

#include <streambuf>

namespace moesim::tools {

// Passes on what is written to it, control characters as "\x1b" (but for newlines and tabs); those
// of Unicode beyond ASCII, too. `to` outlives it.
class PrintableBuffer : public std::streambuf {
 public:
  explicit PrintableBuffer(std::streambuf* to) : to_(to) {}
  ~PrintableBuffer() override;
  PrintableBuffer(const PrintableBuffer&) = delete;
  PrintableBuffer& operator=(const PrintableBuffer&) = delete;

 protected:
  int_type overflow(int_type c) override;
  std::streamsize xsputn(const char* text, std::streamsize count) override;
  int sync() override;

 private:
  bool put(char c);
  bool put_held();  // the first of two bytes, which waits for the second

  std::streambuf* to_;
  bool held_ = false;
};

}  // namespace moesim::tools
