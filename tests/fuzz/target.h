// What is fuzzed: one function a reader. The same functions run under libFuzzer (preset `fuzz`) and
// over the corpus in the ordinary build (CTest fuzz/…).
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace moesim::fuzz {

using Input = std::span<const std::uint8_t>;

struct Target {
  std::string_view name;  // of the corpus folder
  void (*run)(Input);
};

// Reads the input as its reader does. Returns where the input is taken or refused in the proper
// way; aborts, or throws something else than sim::Error, where it is not.
void yaml(Input input);
void json(Input input);
void csv(Input input);
void hdf5(Input input);
void device(Input input);
void cluster(Input input);
void model(Input input);
void hugging_face(Input input);
void trace(Input input);
void scenario(Input input);
void study(Input input);
void expression(Input input);
void store(Input input);
void importers(Input input);
void logs(Input input);
void requests(Input input);
void engine(Input input);
void memory(Input input);
void tables(Input input);

inline std::string_view text_of(Input input) {
  return {reinterpret_cast<const char*>(input.data()), input.size()};
}

// Runs what may refuse the input, and looks at the message: it names the file and can be printed.
// Returns whether the input was taken.
bool taken(const std::function<void()>& read, std::string_view file_name);

// The input as a file that lives while this does.
class InputFile {
 public:
  explicit InputFile(Input input);
  ~InputFile();
  InputFile(const InputFile&) = delete;
  InputFile& operator=(const InputFile&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

}  // namespace moesim::fuzz
