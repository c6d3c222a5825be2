#include "tools/report/html_report.h"

#include <doctest/doctest.h>

#include <fstream>

#include "sim/error.h"
#include "sim/random.h"
#include "tests/support/page_data.h"
#include "tests/support/temporary_folder.h"

using namespace moesim;
using nlohmann::ordered_json;

namespace {

const std::filesystem::path kTemplate = "tools/report/template/report.html";

std::size_t count(const std::string& text, const std::string& what) {
  std::size_t n = 0;
  for (std::size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + 1)) ++n;
  return n;
}

std::string contents(const std::filesystem::path& file) {
  std::ostringstream text;
  text << std::ifstream(file).rdbuf();
  return text.str();
}

}  // namespace

TEST_CASE("a page holds its data whole, and the same bytes twice") {
  // Base64 pads by the length of what it packs: three lengths in a row have each of its ends.
  for (const char* text : {"a", "ab", "abc", "\xc3\xbc"}) {
    const ordered_json page{{"title", text}};
    const std::string html = tools::html_report(page, kTemplate);
    CHECK(tests::page_data(html) == page);
    CHECK(html == tools::html_report(page, kTemplate));
  }
}

TEST_CASE("a scenario that is called like the end of a script stays text") {
  const ordered_json page{{"title", "</script><script>alert(1)</script>"}};
  const std::string html = tools::html_report(page, kTemplate), bare = contents(kTemplate);
  CHECK(count(html, "</script") == count(bare, "</script"));
  CHECK(count(html, "<script") == count(bare, "<script"));
  CHECK(html.find("alert(1)") == std::string::npos);
  CHECK(tests::page_data(html)["title"] == page["title"]);
}

TEST_CASE("a text that is no UTF-8 shows where it is broken") {
  const std::string html = tools::html_report(ordered_json{{"title",
                                                            "a\xff"
                                                            "b"}},
                                              kTemplate);
  CHECK(tests::page_data(html)["title"] ==
        "a\xef\xbf\xbd"
        "b");
}

TEST_CASE("a page that asks for something else than itself is not possible") {
  CHECK(contents(kTemplate).find(
            "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
            "script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:\">") !=
        std::string::npos);
}

TEST_CASE("a template without a slot, and a page beyond what a page may have, are refused") {
  const tests::TemporaryFolder folder;
  const std::filesystem::path file = folder.path() / "report.html";
  std::ofstream(file) << "<p>nothing</p>";
  CHECK_THROWS_WITH_AS(
      tools::html_report(ordered_json::object(), file),
      (file.string() + ": no template of a report: expected \"@DATA@\" in it").c_str(),
      sim::InputError);
  // What is random does not pack: 16 million hex digits of 4 bits are 8 MB, 10.7 MB in base64.
  sim::Random random(1, "html_report");
  std::string noise;
  for (int i = 0; i < 1'000'000; ++i) {
    for (std::uint64_t bits = random.bits(), digits = 16; digits > 0; --digits, bits >>= 4)
      noise += "0123456789abcdef"[bits & 15];
  }
  std::ofstream(file) << "@DATA@";
  std::string message;
  try {
    tools::html_report(ordered_json{{"noise", noise}}, file);
  } catch (const sim::InputError& error) {
    message = error.what();
  }
  CHECK(message.starts_with("the page would take 1"));
  CHECK(message.ends_with(" bytes of at most 10000000: --format json has all of it"));
}

TEST_CASE("the template is found beside the configurations of an installation or a source tree") {
  const tests::TemporaryFolder folder;
  const std::filesystem::path& root = folder.path();
  const auto installed = root / "report.html", built = root / "tools/report/template/report.html";
  CHECK_THROWS_WITH_AS(tools::find_template(root / "configs"),
                       ("the page's template is missing: expected " + installed.string() +
                        " (an installation) or " + built.string() + " (a source tree)")
                           .c_str(),
                       sim::ConfigError);
  std::ofstream(installed) << "i";
  CHECK(tools::find_template(root / "configs") == installed);
  // In a source tree the other is a page that somebody wrote.
  std::filesystem::create_directories(built.parent_path());
  std::ofstream(built) << "b";
  CHECK(tools::find_template(root / "configs") == built);
}
