#include "tests/fuzz/target.h"

#include <stdlib.h>
#include <unistd.h>

#include "sim/check.h"
#include "sim/error.h"

// libhdf5 1.10 forgets a few hundred bytes where it refuses a damaged file. Ours are all reported.
extern "C" const char* __lsan_default_suppressions();
extern "C" const char* __lsan_default_suppressions() {
  return "leak:libhdf5";
}

namespace moesim::fuzz {

bool taken(const std::function<void()>& read, std::string_view file_name) {
  try {
    read();
    return true;
  } catch (const sim::Error& error) {
    const std::string_view message = error.what();
    SIM_CHECK(message.find(file_name) != std::string_view::npos, "a message names the file");
    SIM_CHECK(
        error.code() == sim::ExitCode::Configuration || error.code() == sim::ExitCode::DamagedInput,
        "a damaged input ends with 2 or 4");
    for (const char c : message) {
      const auto byte = static_cast<unsigned char>(c);
      SIM_CHECK((byte >= 0x20 && byte != 0x7F) || byte == '\n', "a message can be printed");
    }
    return false;
  }
}

InputFile::InputFile(Input input) {
  // In memory where there is such a folder. The HDF5 library asks for a real path: no memfd.
  std::error_code error;
  const std::filesystem::path folder = std::filesystem::is_directory("/dev/shm", error)
                                           ? std::filesystem::path("/dev/shm")
                                           : std::filesystem::temp_directory_path();
  std::string name = (folder / "moesim-fuzz-XXXXXX").string();
  const int descriptor = mkstemp(name.data());
  SIM_CHECK(descriptor >= 0, "a temporary file");
  path_ = name;
  std::size_t written = 0;
  while (written < input.size()) {
    const ssize_t count = write(descriptor, input.data() + written, input.size() - written);
    SIM_CHECK(count > 0, "room for a temporary file");
    written += static_cast<std::size_t>(count);
  }
  close(descriptor);
}

InputFile::~InputFile() {
  std::error_code ignored;
  std::filesystem::remove(path_, ignored);
}

}  // namespace moesim::fuzz
