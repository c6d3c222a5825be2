#include "workloads/routing/importers/json_events.h"

#include <doctest/doctest.h>

#include <fstream>
#include <string>

#include "sim/error.h"
#include "tests/workloads/routing/trace_files.h"

using moesim::sim::InputError;
using namespace moesim::workloads;

namespace {

// What was told, a word each.
class Told final : public JsonEvents {
 public:
  void begin_record(std::uint64_t record) override { add("record" + std::to_string(record)); }
  void end_record() override { add("end"); }
  void key(const std::string& name) override { add(name + ":"); }
  void integer(std::int64_t value) override { add(std::to_string(value)); }
  void text(std::string& value) override { add("'" + value + "'"); }
  void other() override { add("other"); }
  void begin_list() override { add("["); }
  void end_list() override { add("]"); }
  void begin_object() override { add("{"); }
  void end_object() override { add("}"); }

  std::string words;

 private:
  void add(const std::string& word) { words += (words.empty() ? "" : " ") + word; }
};

std::string told(const std::string& text) {
  const moesim::tests::Folder folder;
  std::ofstream(folder / "in", std::ios::binary) << text;
  Told events;
  read_json_events(folder / "in", events);
  return events.words;
}

// What it says after the file's name.
std::string failure(const std::string& text) {
  try {
    return "told " + told(text);
  } catch (const InputError& error) {
    const std::string what = error.what();
    return what.substr(what.find("in: ") + 4);
  }
}

}  // namespace

TEST_CASE("values at the top and the items of a list at the top are records") {
  CHECK(told(R"({"a": 1, "b": [-2, [3]]} {"c": {"d": "x\u00e9"}})") ==
        "record1 a: 1 b: [ -2 [ 3 ] ] end record2 c: { d: 'x\xC3\xA9' } end");
  CHECK(told(R"([{"a": null}, {"a": true}] {})") ==
        "record1 a: other end record2 a: other end record3 end");
  CHECK(told("\xEF\xBB\xBF{}\n\n{}\n") == "record1 end record2 end");  // a mark of UTF-8 before it
  CHECK(told("") == "");
  CHECK(told(" \n ") == "");
}

TEST_CASE("an integer is one of 64 bits with a sign; every other number is something else") {
  CHECK(told(R"({"a": [2147483648, 9223372036854775807, -9223372036854775808]})") ==
        "record1 a: [ 2147483648 9223372036854775807 -9223372036854775808 ] end");
  CHECK(told(R"({"a": [9223372036854775808, 18446744073709551616, 1.0, 1e3]})") ==
        "record1 a: [ other other other other ] end");
}

// The file is read 65,536 bytes at a time. A first line of n letters takes n + 9 bytes with its
// end: 65,529 of them end the part before the line's end, 65,527 with it; the wrong bracket is the
// second line's 7th byte wherever the part ends. A text that is not closed is told of at the file's
// end, after 6 bytes and the letters.
TEST_CASE("an error names its record, line and column, wherever a part of the file ends") {
  const std::string wrong = R"({"a":[})";
  CHECK(failure(wrong) == "record 1: parse error at line 1, column 7: Invalid value.");
  for (const std::size_t letters : {65'520UL, 65'526UL, 65'527UL, 65'528UL, 65'529UL, 131'063UL}) {
    const std::string first = R"({"a":")" + std::string(letters, 'x') + "\"}\n";
    CHECK(failure(first + wrong) == "record 2: parse error at line 2, column 7: Invalid value.");
    CHECK(failure(first.substr(0, first.size() - 3)) ==
          "record 1: parse error at line 1, column " + std::to_string(letters + 7) +
              ": Missing a closing quotation mark in string.");
  }
}

TEST_CASE("what is no JSON of objects is refused") {
  CHECK(failure("{\"a\": \"\xFF\"}") ==
        "record 1: parse error at line 1, column 9: Invalid encoding in string.");
  CHECK(failure(R"({"a": NaN})") == "record 1: parse error at line 1, column 7: Invalid value.");
  CHECK(failure(std::string("{}\0{}", 5)) ==
        "record 2: parse error at line 1, column 3: The document is empty.");
  CHECK(failure("[{}, 3]") == "record 2: expected an object, not a number");
  CHECK(failure("[{}, x") == "record 2: parse error at line 1, column 6: Invalid value.");
  CHECK(failure("{\"a\": " + std::string(100, '[')) == "record 1: nested deeper than 100");
  CHECK(failure("{\"a\": " + std::string(99, '[')) != "record 1: nested deeper than 100");
  CHECK(failure("[" + std::string(400, '1')) ==
        "record 1: parse error at line 1, column 311: Number too big to be stored in double.");
}
