#include "validation/cuda/protocol/selftest_report.h"

#include <cmath>
#include <cstdio>
#include <cstdlib>

namespace moesim::validation::cuda {
namespace {

std::string number(double value) {
  char text[40];
  std::snprintf(text, sizeof text, "%.17g", value);
  return text;
}

std::string json_number(double value) {
  return std::isfinite(value) ? number(value) : "null";
}

std::string json_text(const std::string& text) {
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      quoted += '\\';
      quoted += c;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      char escaped[8];
      std::snprintf(escaped, sizeof escaped, "\\u%04x", static_cast<unsigned>(c));
      quoted += escaped;
    } else {
      quoted += c;
    }
  }
  return quoted + "\"";
}

const char* verdict(const Check& check) {
  return !check.skipped.empty() ? "skipped" : check.ok() ? "ok" : "WRONG";
}

struct Count {
  int passed = 0, failed = 0, skipped = 0;
};

Count count(const std::vector<SelftestResult>& results) {
  Count sum;
  for (const SelftestResult& r : results) {
    ++(!r.check.skipped.empty() ? sum.skipped : r.check.ok() ? sum.passed : sum.failed);
  }
  return sum;
}

// Why a check that failed did.
std::string reason(const Check& check) {
  if (!check.trouble.empty()) return check.trouble;
  char text[80];
  std::snprintf(text, sizeof text, "error %.2e, at most %.1e is right", check.error, check.bound);
  return text;
}

}  // namespace

std::string check_line(const Check& check) {
  char start[80];
  std::snprintf(start, sizeof start, "%-7s %9.2e (at most %.1e) ", verdict(check), check.error,
                check.bound);
  std::string line = start + check.name;
  if (!check.trouble.empty()) line += ": " + check.trouble;
  if (!check.skipped.empty()) line += ": " + check.skipped;
  return line + "\n";
}

std::string selftest_summary(const SelftestReport& report) {
  const std::vector<SelftestResult>& results = report.results;
  const Count sum = count(results);
  std::string text = "selftest: " + std::to_string(sum.passed) + " of " +
                     std::to_string(results.size()) + " checks agree with their references, " +
                     std::to_string(sum.skipped) + " skipped, " + std::to_string(sum.failed) +
                     " FAILED" + (sum.failed > 0 ? ":\n" : "\n");
  for (const SelftestResult& r : results) {
    if (r.check.ok()) continue;
    const bool named = r.check.name.rfind(r.kernel, 0) == 0;
    text += "  " + (named ? "" : r.kernel + ": ") + r.check.name + ": " + reason(r.check) + "\n";
  }
  for (const std::string& kernel : report.record.distrusted()) {
    text += "not asked again: " + report.record.why_not(kernel) + "\n";
  }
  return text;
}

std::string selftest_json(const SelftestReport& report) {
  const auto& [device, steps, complete, results, record] = report;
  const Count sum = count(results);
  std::string without;
  for (const std::string& kernel : record.distrusted()) {
    without += (without.empty() ? "" : ",") + kernel;
  }
  std::string text = "{\n  \"format\": \"moesim selftest 1\",\n  \"device\": {";
  for (std::size_t i = 0; i < device.size(); ++i) {
    text += (i > 0 ? ", " : "") + json_text(device[i].first) + ": " + json_text(device[i].second);
  }
  text += std::string("},\n  \"complete\": ") + (complete ? "true" : "false") +
          ",\n  \"steps\": " + std::to_string(steps) +
          ",\n  \"passed\": " + std::to_string(sum.passed) +
          ",\n  \"failed\": " + std::to_string(sum.failed) +
          ",\n  \"skipped\": " + std::to_string(sum.skipped) +
          ",\n  \"without\": " + json_text(without) + ",\n  \"checks\": [";
  for (std::size_t i = 0; i < results.size(); ++i) {
    const auto& [kernel, check, seconds] = results[i];
    text += std::string(i > 0 ? "," : "") + "\n    {\"kernel\": " + json_text(kernel) +
            ", \"check\": " + json_text(check.name) + ", \"verdict\": \"" +
            (!check.skipped.empty() ? "skipped"
             : check.ok()           ? "ok"
                                    : "failed") +
            "\", \"error\": " + json_number(check.error) +
            ", \"bound\": " + json_number(check.bound) +
            ", \"compared\": " + std::to_string(check.compared) +
            ", \"seconds\": " + json_number(seconds);
    if (!check.ok()) text += ", \"reason\": " + json_text(reason(check));
    if (!check.skipped.empty()) text += ", \"reason\": " + json_text(check.skipped);
    text += "}";
  }
  return text + "\n  ]\n}\n";
}

std::vector<std::string> result_fields(const SelftestResult& r) {
  return {r.kernel,
          r.check.name,
          number(r.check.error),
          number(r.check.bound),
          std::to_string(r.check.compared),
          r.check.trouble,
          r.check.skipped,
          number(r.seconds)};
}

SelftestResult parse_result(const std::vector<std::string>& fields) {
  SelftestResult r;
  if (fields.size() != 8) {
    r.check.trouble = "a result that cannot be read";
    return r;
  }
  r.kernel = fields[0];
  r.check.name = fields[1];
  r.check.error = std::strtod(fields[2].c_str(), nullptr);
  r.check.bound = std::strtod(fields[3].c_str(), nullptr);
  r.check.compared = std::strtoll(fields[4].c_str(), nullptr, 10);
  r.check.trouble = fields[5];
  r.check.skipped = fields[6];
  r.seconds = std::strtod(fields[7].c_str(), nullptr);
  return r;
}

}  // namespace moesim::validation::cuda
