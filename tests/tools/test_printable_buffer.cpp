#include "tools/moesim/printable_buffer.h"

#include <doctest/doctest.h>

#include <ostream>
#include <sstream>
#include <string>

namespace {

std::string through(const std::string& text) {
  std::stringbuf to;
  {
    moesim::tools::PrintableBuffer buffer(&to);
    std::ostream out(&buffer);
    out << text << std::flush;
    CHECK(out.good());
  }
  return to.str();
}

}  // namespace

TEST_CASE("escapes of a terminal are shown and not sent") {
  CHECK(through("\x1b[31mred\x1b]0;x\x07!") == "\\x1b[31mred\\x1b]0;x\\x07!");
  CHECK(through("line\n\ttab\x7f\r") == "line\n\ttab\\x7f\\x0d");
  // U+009B is an escape and its bracket in one.
  CHECK(through("a\xc2\x9b"
                "31m") == "a\\u009b31m");
  // The byte alone, as terminals of eight bits take it, and one that turns what follows it.
  CHECK(through("a\x9b"
                "31m") == "a\\x9b31m");
  CHECK(through("a\xe2\x80\xae"
                "b") == "a\\u202eb");
}

TEST_CASE("letters of every language pass") {
  CHECK(through("Müller, 模型, °, …\n") == "Müller, 模型, °, …\n");
  CHECK(through("ends with a lead \xc2") == "ends with a lead \\xc2");
  CHECK(through("a lead \xe6 and \xc3\xa9") == "a lead \\xe6 and \xc3\xa9");
}
