#include "workloads/serving/requests/detect_format.h"

#include <fmt/format.h>

#include <array>
#include <string_view>
#include <utility>

#include "sim/error.h"
#include "workloads/serving/requests/text_rows.h"

namespace moesim::workloads::serving {

TraceFormat detect_format(const std::filesystem::path& file) {
  std::error_code error;
  if (std::filesystem::is_fifo(file, error)) {
    throw sim::InputError(
        fmt::format("{}: is a pipe, whose first line says its format and can be read but once: "
                    "give a file",
                    file.generic_string()));
  }
  TextRows rows(file);
  if (!rows.next()) rows.fail("is empty");
  const std::string_view line = rows.line();
  // A column that no other format has.
  constexpr std::array<std::pair<std::string_view, TraceFormat>, 4> kColumns{
      {{"ContextTokens", TraceFormat::Azure},
       {"Request tokens", TraceFormat::BurstGpt},
       {"rate_per_s", TraceFormat::ServeGen},
       {"arrival_s", TraceFormat::Moesim}}};
  if (line.find('{') != std::string_view::npos &&
      line.find("input_length") != std::string_view::npos) {
    return TraceFormat::Mooncake;
  }
  for (const auto& [column, format] : kColumns) {
    if (line.find(column) != std::string_view::npos) return format;
  }
  rows.fail(
      "is the first line of no trace that is known: azure has a column ContextTokens, burstgpt "
      "Request "
      "tokens, servegen rate_per_s, moesim arrival_s, mooncake JSON lines with input_length");
}

}  // namespace moesim::workloads::serving
