// What a terminal gets: names in files are other people's, and may hold its escapes.
#pragma once

#include <streambuf>
#include <string>

namespace moesim::tools {

// Passes on what is written to it, but for what sim::printable() writes out: control characters as
// "\x1b" (but for newlines and tabs), bytes that are no UTF-8. `to` outlives it.
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
  bool put_held();

  std::streambuf* to_;
  std::string held_;  // the first bytes of a character, which wait for the others
};

}  // namespace moesim::tools
