// Does what the documents point at exist? Links, and in `code` paths, CTests and build targets.
#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <filesystem>
#include <regex>
#include <set>
#include <string>
#include <string_view>

#include "sim/io/csv.h"
#include "tests/docs/markdown.h"

using namespace moesim;
using namespace moesim::tests;

namespace {

namespace fs = std::filesystem;

constexpr std::array<std::string_view, 8> kSources{".h",  ".cpp",   ".md",  ".py",
                                                   ".sh", ".cmake", ".cuh", ".cu"};

// The names of all files of the tree.
const std::set<std::string>& names_in_tree() {
  static const std::set<std::string> names = [] {
    std::set<std::string> found;
    for (const char* floor :
         {"sim", "hardware", "workloads", "validation", "tools", "tests", "configs", "docs"}) {
      for (const auto& entry : fs::recursive_directory_iterator(floor))
        found.insert(entry.path().filename().string());
    }
    for (const auto& entry : fs::directory_iterator("."))
      found.insert(entry.path().filename().string());
    return found;
  }();
  return names;
}

// The names of all CTests and build targets, which CMake writes when it has them all.
const std::set<std::string>& build_names() {
  static const std::set<std::string> names = [] {
    const char* file = std::getenv("MOESIM_NAMES_FILE");
    REQUIRE_MESSAGE(file != nullptr, "run this by ctest, which sets MOESIM_NAMES_FILE");
    const auto lines = lines_of(sim::io::read_text(file));
    return std::set<std::string>(lines.begin(), lines.end());
  }();
  return names;
}

// Whether a name of the build begins so.
bool begins_a_name(const std::string& text) {
  const auto at = build_names().lower_bound(text);
  return at != build_names().end() && at->starts_with(text);
}

// A line of a document outside of code blocks.
std::vector<std::string> prose_of(const std::string& text) {
  std::vector<std::string> prose;
  bool fenced = false;
  for (const std::string& line : lines_of(text)) {
    if (line.starts_with("```")) fenced = !fenced;
    if (!fenced && !line.starts_with("    ") && !line.starts_with("```")) prose.push_back(line);
  }
  return prose;
}

std::vector<std::string> matches(const std::string& line, const std::regex& pattern) {
  std::vector<std::string> found;
  for (std::sregex_iterator at(line.begin(), line.end(), pattern), end; at != end; ++at)
    found.push_back((*at)[1].str());
  return found;
}

// Whether a text in `code` names something of this tree: a folder of the root, of the document's or
// of CTest's names stands first, or it is the name of a source file or of a test program.
bool names_something(const std::string& text, const fs::path& folder) {
  static const std::regex kPath("[A-Za-z0-9_.*<>{},…/-]+");
  if (!std::regex_match(text, kPath) || text.starts_with('/')) return false;
  if (text.starts_with("../"))
    return !(folder / text).lexically_normal().string().starts_with("..");
  if (text.starts_with('.')) return false;
  const std::string first = text.substr(0, text.find('/'));
  if (first.size() < text.size()) {
    return first != "build" && (fs::is_directory(first) || fs::is_directory(folder / first) ||
                                begins_a_name(first + "/"));
  }
  if (text.find_first_of("*<{…") != std::string::npos) return false;
  return text.starts_with("tests_") ||
         (std::ranges::find(kSources, fs::path(text).extension().string()) != kSources.end() &&
          text != fs::path(text).extension());
}

// Whether it is there. Of a pattern (`configs/*.yaml`, `fuzz/…`) what stands before it.
bool is_there(std::string text, const fs::path& folder) {
  if (text.find('/') == std::string::npos)
    return names_in_tree().contains(text) || build_names().contains(text);
  const std::size_t pattern = std::min(text.find_first_of("*<{"), text.find("…"));
  if (pattern != std::string::npos) {
    if (begins_a_name(text.substr(0, pattern))) return true;
    text.resize(text.rfind('/', pattern));
  }
  return fs::exists(folder / text) || fs::exists(text) || build_names().contains(text);
}

}  // namespace

TEST_CASE("every link of the documents leads to a file") {
  static const std::regex kLink("\\]\\(([^)]*)\\)");
  std::size_t links = 0;
  for (const fs::path& file : markdown_files()) {
    for (const std::string& line : prose_of(sim::io::read_text(file))) {
      for (const std::string& target : matches(line, kLink)) {
        if (target.starts_with("http")) continue;
        CAPTURE(file.string());
        CAPTURE(target);
        CHECK(fs::exists(file.parent_path() / target.substr(0, target.find('#'))));
        ++links;
      }
    }
  }
  CHECK(links > 40);
}

TEST_CASE("every path, test and target that the documents name is there") {
  static const std::regex kCode("`([^`]+)`");
  std::size_t paths = 0;
  for (const fs::path& file : markdown_files()) {
    for (const std::string& line : prose_of(sim::io::read_text(file))) {
      for (const std::string& text : matches(line, kCode)) {
        if (!names_something(text, file.parent_path())) continue;
        CAPTURE(file.string());
        CAPTURE(text);
        CHECK(is_there(text, file.parent_path()));
        ++paths;
      }
    }
  }
  CHECK(paths > 200);
}

TEST_CASE("what a document names, and whether it is there") {
  CHECK(names_something("sim/units.h", "."));
  CHECK(names_something("units.h", "."));
  CHECK(names_something("kernels/gone.h", "hardware"));
  CHECK_FALSE(names_something("bf16/few_rows", "."));
  CHECK_FALSE(names_something("build/ci", "."));
  CHECK_FALSE(names_something("trace.h5", "."));
  CHECK(names_something("../gone.h", "hardware/kernels"));
  CHECK_FALSE(names_something("../beside/gone.h", "."));
  CHECK(names_something("tests_gone_unit", "."));
  CHECK(names_something("docs/links", "."));
  CHECK(is_there("sim/units.h", "."));
  CHECK(is_there("sim/engine", "."));  // a CTest
  CHECK(is_there("fuzz/…", "."));
  CHECK(is_there("tests_sim_unit", "."));
  CHECK_FALSE(is_there("tests_gone_unit", "."));
  CHECK_FALSE(is_there("sim/gone", "."));
  CHECK(is_there("configs/clusters/*.yaml", "."));
  CHECK(is_there("kernels/gemm.h", "hardware"));
  CHECK_FALSE(is_there("kernels/gone.h", "hardware"));
  CHECK_FALSE(is_there("gone.h", "."));
  CHECK_FALSE(is_there("configs/gone/*.yaml", "."));
}
