#include <doctest/doctest.h>

#include <cstdlib>
#include <fstream>
#include <iterator>

#include "tests/support/temporary_folder.h"

using namespace moesim;

namespace {

struct Preprocessed {
  bool ok;
  std::string text, messages;
};

std::string read(const std::filesystem::path& file) {
  std::ifstream in(file);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

// tensor_maps.cpp as a toolkit of that version would have it.
Preprocessed with_toolkit(int version) {
  const tests::TemporaryFolder folder;
  folder.file("cuda_runtime_api.h", "#define CUDART_VERSION " + std::to_string(version) + "\n");
  for (const char* name : {"cuda.h", "cudaTypedefs.h"}) folder.file(name, "");
  const std::string out = (folder.path() / "out").string(), err = (folder.path() / "err").string();
  const std::string command = MOESIM_CXX " -std=c++20 -E -P -I'" + folder.path().string() +
                              "' -I. validation/cuda/program/tensor_maps.cpp > '" + out + "' 2> '" +
                              err + "'";
  const bool ok = std::system(command.c_str()) == 0;
  return {ok, read(out), read(err)};
}

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE(
    "a toolkit before 12.3 is refused in one line, and one before 12.5 is not asked by version") {
  const Preprocessed old = with_toolkit(12020);
  CHECK_FALSE(old.ok);
  CHECK(has(old.messages,
            "\"this CUDA toolkit is too old for moesim-gpu: version 12.3 or later is needed "
            "(nvcc --version)\""));
  for (const int version : {12030, 12040}) {
    const Preprocessed plain = with_toolkit(version);
    CHECK(plain.ok);
    CHECK(has(plain.text, "cudaGetDriverEntryPoint(\"cuTensorMapEncodeTiled\""));
    CHECK_FALSE(has(plain.text, "cudaGetDriverEntryPointByVersion"));
  }
  const Preprocessed asked = with_toolkit(12050);
  CHECK(asked.ok);
  CHECK(has(asked.text, "cudaGetDriverEntryPointByVersion(\"cuTensorMapEncodeTiled\""));
}
