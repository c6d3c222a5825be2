// Small traces for tests, in a folder that is gone afterwards.
#pragma once

#include <unistd.h>

#include <filesystem>
#include <string>

#include "workloads/routing/trace/trace_writer.h"

namespace moesim::tests {

class Folder {
 public:
  Folder() {
    static int count = 0;
    path_ = std::filesystem::temp_directory_path() /
            ("moesim-test-" + std::to_string(::getpid()) + "-" + std::to_string(++count));
    std::filesystem::create_directories(path_);
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  std::filesystem::path operator/(const std::string& name) const { return path_ / name; }

 private:
  std::filesystem::path path_;
};

// Real traces, beside the source tree; empty where they are not there.
inline std::filesystem::path shared_routing() {
  const auto folder = std::filesystem::path("../shared/data/routing");
  return std::filesystem::exists(folder) ? folder : std::filesystem::path();
}

// tokens x layers x top_k ids, all of them given.
inline void write_trace(const std::filesystem::path& file, std::uint32_t layers,
                        std::uint32_t experts, std::uint32_t top_k,
                        const std::vector<workloads::ExpertId>& ids) {
  workloads::TraceWriter writer(
      file, {.layers = layers, .experts = experts, .top_k = top_k, .model = "toy"});
  writer.append({.ids = ids});
  writer.close();
}

}  // namespace moesim::tests
