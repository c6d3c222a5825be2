#include <doctest/doctest.h>

#include "sim/error.h"
#include "sim/printable.h"

using moesim::sim::printable;

TEST_CASE("text that can be printed stays as it is") {
  CHECK(printable("wörter, 16 µs, 数, 😀") == "wörter, 16 µs, 数, 😀");
  CHECK(printable("") == "");
}

TEST_CASE("control characters and broken UTF-8 are written out") {
  CHECK(printable("\x1b[31m") == "\\x1b[31m");
  CHECK(printable("a\nb\x7f") == "a\\nb\\x7f");
  CHECK(printable("\xff\xc3") == "\\xff\\xc3");
  CHECK(printable("\xc0\x80") == "\\xc0\\x80");           // overlong
  CHECK(printable("\xed\xa0\x80") == "\\xed\\xa0\\x80");  // a surrogate
  CHECK(printable("\xf5\x80\x80\x80") == "\\xf5\\x80\\x80\\x80");
}

TEST_CASE("characters that only change how others are shown are written out") {
  CHECK(printable("a\xc2\x9b"
                  "31m") == "a\\u009b31m");  // U+009B: an escape and its bracket
  CHECK(printable("\xe2\x80\xae"
                  "txt.exe") == "\\u202etxt.exe");  // from right to left
  CHECK(printable("\xe2\x81\xa6\xe2\x81\xa9") == "\\u2066\\u2069");
  CHECK(printable("\xe2\x80\xa9 \xc2\xa0") == "\xe2\x80\xa9 \xc2\xa0");
}

TEST_CASE("a long text is cut between characters") {
  CHECK(printable("abcdef", 3) == "abc…");
  CHECK(printable("abc", 3) == "abc");
  CHECK(printable("aöö", 2) == "aö…");
}

TEST_CASE("an error's message can be printed, and keeps its lines") {
  const moesim::sim::InputError error("a.h5: no \x1b[0m\nsecond");
  CHECK(std::string(error.what()) == "a.h5: no \\x1b[0m\nsecond");
}
