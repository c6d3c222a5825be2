// The safetensors format: 8 bytes of length (little-endian), a JSON header
// {"name": {"dtype": "I32", "shape": […], "data_offsets": [begin, end]}, …}, the data.
#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <span>
#include <string>
#include <vector>

namespace moesim::workloads {

struct SafeTensor {
  std::string name, dtype;
  std::vector<std::uint64_t> shape;
  std::uint64_t begin = 0, end = 0;  // in the data
  std::uint64_t values() const;
};

class SafeTensorsFile {
 public:
  // Throws InputError where the file is missing or damaged: the header is no JSON, over 100 MB, or
  // names bytes that are not there.
  explicit SafeTensorsFile(const std::filesystem::path& file);

  const std::vector<SafeTensor>& tensors() const { return tensors_; }  // in the header's order
  // All values of an integer tensor (I8 … I64, U8 … U64). Throws InputError for another type.
  std::vector<std::int64_t> integers(const SafeTensor& tensor);

 private:
  [[noreturn]] void fail(const std::string& what) const;

  std::string name_;
  std::ifstream in_;
  std::uint64_t data_ = 0;  // where the data begins
  std::vector<SafeTensor> tensors_;
};

// The text of such a file, all tensors I32.
struct SafeTensorValues {
  std::string name;
  std::vector<std::uint64_t> shape;
  std::vector<std::int32_t> values;
};
std::string safetensors_text(std::span<const SafeTensorValues> tensors);

}  // namespace moesim::workloads
