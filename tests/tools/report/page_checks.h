// What tests of pages ask of each, and the commands that make them.
#pragma once

#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "tests/support/call_command.h"
#include "tests/support/page_data.h"
#include "tests/support/temporary_folder.h"
#include "tools/moesim/command.h"
#include "tools/moesim/sweep/sweep_commands.h"
#include "tools/report/page_kinds.h"

namespace moesim::tools {
Command run_command();
Command compare_command();
Command report_command();
Command capacity_command();
Command plan_command();
Command exchange_command();
Command placement_command();
Command trace_info_command();
}  // namespace moesim::tools

namespace moesim::tests {

inline std::string contents(const std::filesystem::path& file) {
  std::ostringstream text;
  text << std::ifstream(file).rdbuf();
  return text.str();
}

inline std::vector<std::string> titles(const nlohmann::ordered_json& page) {
  std::vector<std::string> all;
  for (const auto& section : page["sections"]) all.push_back(section["title"]);
  return all;
}

// Every figure says what is to be seen and has its numbers as text.
inline void check_figures(const nlohmann::ordered_json& page) {
  CHECK(page["answer"].get<std::string>().ends_with("."));
  for (const auto& section : page["sections"]) {
    for (const auto& figure : section["figures"]) {
      CAPTURE(figure["title"].get<std::string>());
      CHECK(figure["sentence"] != "");
      if (figure["table"].is_null()) {
        CHECK(figure["chart"]["type"] == "heat");
        continue;
      }
      for (const auto& row : figure["table"]["rows"])
        CHECK(row.size() == figure["table"]["columns"].size());
    }
  }
}

}  // namespace moesim::tests
