#include "tools/report/html_report.h"

#include <fmt/format.h>
#include <zlib.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "sim/check.h"
#include "sim/error.h"

namespace moesim::tools {

namespace fs = std::filesystem;

namespace {

constexpr std::string_view kSlot = "@DATA@";

// gzip without a name and a time, so that equal texts give equal bytes.
std::string gzipped(const std::string& text) {
  z_stream stream{};
  constexpr int kGzip = 15 + 16;
  SIM_CHECK(
      deflateInit2(&stream, Z_BEST_COMPRESSION, Z_DEFLATED, kGzip, 8, Z_DEFAULT_STRATEGY) == Z_OK,
      "zlib has no memory");
  std::string packed(deflateBound(&stream, static_cast<uLong>(text.size())), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(packed.data());
  stream.avail_out = static_cast<uInt>(packed.size());
  const int result = deflate(&stream, Z_FINISH);
  packed.resize(stream.total_out);
  deflateEnd(&stream);
  SIM_CHECK(result == Z_STREAM_END, "a bound of zlib did not hold");
  return packed;
}

// RFC 4648, section 4.
std::string base64(const std::string& bytes) {
  constexpr std::string_view kDigits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  text.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const std::size_t n = std::min<std::size_t>(3, bytes.size() - i);
    std::uint32_t three = 0;
    for (std::size_t k = 0; k < 3; ++k) {
      three = three << 8 | (k < n ? static_cast<unsigned char>(bytes[i + k]) : 0u);
    }
    for (std::size_t k = 0; k < 4; ++k) {
      text += k <= n ? kDigits[three >> (18 - 6 * k) & 63] : '=';
    }
  }
  return text;
}

}  // namespace

fs::path find_template(const fs::path& configs) {
  const fs::path root = configs.parent_path();
  const fs::path installed = root / "report.html";
  const fs::path built = root / "tools" / "report" / "template" / "report.html";
  // In a source tree somebody's page may have the installed one's place.
  for (const fs::path& file : {built, installed}) {
    std::error_code error;
    if (fs::is_regular_file(file, error)) return file;
  }
  throw sim::ConfigError(
      fmt::format("the page's template is missing: expected {} (an installation) or {} (a source "
                  "tree)",
                  installed.string(), built.string()));
}

std::string html_report(const sim::io::Json& page, const fs::path& report_template) {
  std::ostringstream read;
  read << std::ifstream(report_template, std::ios::binary).rdbuf();
  std::string html = read.str();
  const std::size_t slot = html.find(kSlot);
  if (slot == std::string::npos) {
    throw sim::InputError(fmt::format("{}: no template of a report: expected \"{}\" in it",
                                      report_template.string(), kSlot));
  }
  // A recorder's texts may be anything: what is no UTF-8 shows as such (U+FFFD).
  const std::string text = page.dump(-1, ' ', false, sim::io::Json::error_handler_t::replace);
  html.replace(slot, kSlot.size(), base64(gzipped(text)));
  if (html.size() > kMostPageBytes) {
    throw sim::InputError(
        fmt::format("the page would take {} bytes of at most {}: --format json "
                    "has all of it",
                    html.size(), kMostPageBytes));
  }
  return html;
}

}  // namespace moesim::tools
