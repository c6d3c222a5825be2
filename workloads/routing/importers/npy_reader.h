// NumPy's format, versions 1.0 to 3.0: "\x93NUMPY", version, length of the header, and a Python
// dictionary such as {'descr': '<i2', 'fortran_order': False, 'shape': (5, 58, 8), }.
#pragma once

#include <cstddef>
#include <cstdint>
#include <istream>
#include <span>
#include <string>

namespace moesim::workloads {

struct NpyHeader {
  std::size_t width = 0;  // bytes of a value
  bool is_signed = true, big_endian = false;
  std::uint64_t shape[3] = {};  // tokens, layers, top_k
};

// Reads integers [tokens, layers, top_k], a token at a time. Throws InputError that begins with
// `name`: what is no such array, or ends early.
class NpyReader {
 public:
  NpyReader(std::istream& in, std::string name);

  const NpyHeader& header() const { return header_; }
  // REQUIRES: out is layers x top_k long; `token` is for messages
  void read(std::span<std::int32_t> out, std::uint64_t token);
  void expect_end();

 private:
  [[noreturn]] void fail(const std::string& what) const;
  void read_header();
  void parse(const std::string& text);

  std::istream& in_;
  std::string name_;
  NpyHeader header_;
  std::string bytes_;
};

}  // namespace moesim::workloads
