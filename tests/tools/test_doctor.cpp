#include <doctest/doctest.h>

#include <nlohmann/json.hpp>
#include <sstream>

#include "sim/io/json.h"
#include "tests/support/temporary_folder.h"
#include "tools/moesim/config_folder.h"
#include "tools/moesim/doctor.h"
#include "tools/moesim/self_check.h"

using namespace moesim::tools;

namespace {

Diagnosis healthy() {
  Diagnosis diagnosis;
  diagnosis.version = "0.1.0";
  diagnosis.compiler = "g++ 12";
  diagnosis.build_type = "Release";
  diagnosis.libraries = {{"HDF5", "1.10.8"}};
  diagnosis.hdf5_filters = {"deflate", "shuffle"};
  diagnosis.configs = "/c";
  diagnosis.config_files = {{"devices", 7}, {"models", 1}};
  diagnosis.gpu.why_none = "no NVIDIA driver (libcuda.so.1 is not found)";
  diagnosis.checks = {{"YAML", true, ""}};
  return diagnosis;
}

}  // namespace

TEST_CASE("the diagnosis of a machine without a GPU is printed, and is fine") {
  const Diagnosis diagnosis = healthy();
  CHECK(diagnosis.ok());
  CHECK(to_text(diagnosis) ==
        "moesim 0.1.0 (Release, g++ 12)\n"
        "\n"
        "Libraries\n"
        "  HDF5            1.10.8\n"
        "  HDF5 filters    deflate, shuffle\n"
        "\n"
        "Configurations\n"
        "  folder          /c\n"
        "  devices         7 files\n"
        "  models          1 file\n"
        "\n"
        "GPU (for calibration only)\n"
        "  device          none: no NVIDIA driver (libcuda.so.1 is not found)\n"
        "  toolkit         none: nvcc is not found\n"
        "  moesim-gpu      not found\n"
        "  cuBLASLt        not found: its yardsticks are skipped\n"
        "  calibration     lacks\n"
        "                  moesim-gpu: build it where CUDA is and bring it here, on the PATH "
        "(validation/cuda/README.md)\n"
        "                  a GPU: no NVIDIA driver (libcuda.so.1 is not found)\n"
        "\n"
        "Readers, each on a file of its own\n"
        "  YAML            works\n");
}

TEST_CASE("a reader that fails and a folder that is missing are said, and are not fine") {
  Diagnosis diagnosis = healthy();
  diagnosis.checks.push_back({"HDF5", false, "disk full"});
  CHECK_FALSE(diagnosis.ok());
  CHECK(to_text(diagnosis).ends_with("  HDF5            FAILS: disk full\n"));
  diagnosis = healthy();
  diagnosis.configs.reset();
  diagnosis.config_files.clear();
  CHECK_FALSE(diagnosis.ok());
  CHECK(to_text(diagnosis).find("  folder          not found: name each file by its path\n") !=
        std::string::npos);
}

TEST_CASE("GPUs are listed with what calibration needs to know") {
  Diagnosis diagnosis = healthy();
  diagnosis.gpu = {.driver = "580.65",
                   .cuda = "13.0",
                   .gpus = {{"NVIDIA H100 80GB HBM3", "9.0", 85'000'000'000}},
                   .why_none = {},
                   .toolkit = "/usr/local/cuda/bin/nvcc"};
  diagnosis.gpu_program = "/p/moesim-gpu";
  diagnosis.cublaslt = true;
  CHECK(to_text(diagnosis).find("GPU (for calibration only)\n"
                                "  device          NVIDIA H100 80GB HBM3, compute capability 9.0, "
                                "85 GB\n"
                                "  driver          580.65\n"
                                "  driver's CUDA   13.0\n"
                                "  toolkit         /usr/local/cuda/bin/nvcc\n"
                                "  moesim-gpu      /p/moesim-gpu\n"
                                "  cuBLASLt        found\n"
                                "  calibration     ready: moesim calibrate run my-gpu\n") !=
        std::string::npos);
  const auto json = moesim::sim::io::parse_json(to_json(diagnosis), "doctor");
  CHECK(json.at("gpu").at("devices").at(0).at("compute_capability") == "9.0");
  CHECK(json.at("gpu").at("why_none").is_null());
  CHECK(json.at("configs").at("files").at("devices") == 7);
  CHECK(json.at("libraries").at("HDF5") == "1.10.8");
  CHECK(json.at("readers").at(0).at("ok") == true);
  CHECK(json.at("ok") == true);
}

TEST_CASE("every reader works here") {
  for (const SelfCheck& check : check_readers()) {
    CAPTURE(check.name);
    CAPTURE(check.message);
    CHECK(check.ok);
  }
}

TEST_CASE("the configurations are found beside the program") {
  const auto folder = config_folder();
  REQUIRE(folder);
  CHECK(std::filesystem::is_directory(*folder / "devices"));
}

TEST_CASE("the command prints the diagnosis and ends with its verdict") {
  std::ostringstream out, err;
  const Command command = doctor_command();
  Arguments arguments;
  arguments.values["format"] = {"json"};
  CHECK(command.run(arguments, Console{out, err}) == moesim::sim::ExitCode::Ok);
  CHECK(moesim::sim::io::parse_json(out.str(), "doctor").at("ok") == true);
  CHECK(err.str().empty());
}

TEST_CASE("what a calibration lacks is said with what would do") {
  Diagnosis diagnosis = healthy();
  diagnosis.gpu = {.driver = {},
                   .cuda = {},
                   .gpus = {{"Tesla V100-SXM2-16GB", "7.0", 16'000'000'000}},
                   .why_none = {},
                   .toolkit = "/usr/local/cuda/bin/nvcc"};
  CHECK(calibration_lacks(diagnosis) ==
        std::vector<std::string>{"moesim-gpu: configure and build again, with -DMOESIM_CUDA=ON",
                                 "a GPU of compute capability 8.0: Tesla V100-SXM2-16GB has 7.0"});
  diagnosis.gpu.gpus.front().capability = "8.0";
  diagnosis.gpu_program = "/p/moesim-gpu";
  CHECK(calibration_lacks(diagnosis).empty());
}
