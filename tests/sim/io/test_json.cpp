#include <doctest/doctest.h>

#include <limits>
#include <nlohmann/json.hpp>
#include <string>

#include "sim/error.h"
#include "sim/io/json.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/thrown.h"

using moesim::sim::ConfigError;
using moesim::sim::InputError;
using moesim::sim::io::Json;
using moesim::sim::io::parse_json;
using moesim::sim::io::read_json;
using moesim::sim::io::to_text;
using moesim::tests::TemporaryFolder;
using moesim::tests::thrown;

namespace {

std::string refused(const std::string& text) {
  return thrown<InputError>([&] { parse_json(text, "c.json"); });
}

}  // namespace

TEST_CASE("a JSON text is read with its keys in order") {
  const Json value = parse_json(
      R"({"z": 1, "a": [true, null, -2, 1.5, "x\n"], "m": {"k": 18446744073709551615}})", "c.json");
  CHECK(value.begin().key() == "z");
  CHECK(value.at("z") == 1);
  CHECK(value.at("a").size() == 5);
  CHECK(value.at("a")[2] == -2);
  CHECK(value.at("a")[3] == 1.5);
  CHECK(value.at("a")[4] == "x\n");
  CHECK(value.at("m").at("k") == std::numeric_limits<std::uint64_t>::max());
}

TEST_CASE("what is no JSON is refused with its place") {
  CHECK(
      refused("") ==
      "c.json:1:1: not JSON: syntax error while parsing value - unexpected end of input; expected "
      "'[', '{', or a literal");
  CHECK(refused("{\"a\": 1,\n \"b\" 2}") ==
        "c.json:2:6: not JSON: syntax error while parsing object separator - unexpected number "
        "literal; expected ':'");
  CHECK(refused("[1] 2") ==
        "c.json:1:5: not JSON: syntax error while parsing value - unexpected number literal; "
        "expected end of input");
  CHECK(refused("[1e400]") == "c.json:1:6: not JSON: number overflow parsing '1e400'");
  CHECK(refused("[\"\xff\"]") ==
        "c.json:1:3: not JSON: syntax error while parsing value - invalid string: ill-formed UTF-8 "
        "byte; last read: '\"\\xff'");
}

TEST_CASE("a key given twice is refused, at any depth") {
  CHECK(refused("{\"a\": 1,\n  \"b\": {\"q\\\"\": 1, \"q\\\"\": 2}}") ==
        "c.json:2:19: key \"q\"\" is given twice");
  CHECK(refused(R"({"a": {"a": 1}, "b": [{"a": 1}, {"a": 2}]})") == "(nothing was thrown)");
}

TEST_CASE("depth and size have limits") {
  const auto nested = [](std::size_t depth) {
    return std::string(depth, '[') + std::string(depth, ']');
  };
  CHECK(refused(nested(100)) == "(nothing was thrown)");
  CHECK(refused(nested(101)) == "c.json:1:101: nested deeper than 100 levels");
  CHECK(refused(std::string(1'000'000, '[')) == "c.json:1:101: nested deeper than 100 levels");
  CHECK(thrown<InputError>([] { parse_json("[1, 2]", "c.json", {.bytes = 5}); }) ==
        "c.json: holds more than 5 bytes, which is the most that is read");
}

TEST_CASE("an object of many keys is read in time that grows with their number") {
  // Quadratic, 300,000 keys would take minutes, and the test's time would run out.
  std::string text = "{\"k\": 0";
  for (int i = 0; i < 300'000; ++i) text += ",\"" + std::to_string(i) + "\":1";
  text += "}";
  CHECK(parse_json(text, "c.json").size() == 300'001);
}

TEST_CASE("a file is read, and its name is in the messages") {
  const TemporaryFolder folder;
  const auto file = folder.file("c.json", "{\"a\": 1}\n");
  CHECK(read_json(file).at("a") == 1);
  CHECK(thrown<InputError>([&] { read_json(file, {.bytes = 8}); }) ==
        file.string() + ": holds more than 8 bytes, which is the most that is read");
  CHECK(thrown<InputError>([] { read_json("no.json"); }) ==
        "no.json: cannot be read: No such file or directory");
}

TEST_CASE("JSON is written in order, two spaces an indent, plain numbers on a line") {
  Json value;
  value["b"] = 1;
  value["a"] = {1, 2.5, -3};
  value["empty"] = Json::object();
  value["none"] = Json::array();
  value["rows"] = {{1, 2}, {3, 4}};
  value["text"] = "tab\t \"q\" é";
  value["flag"] = true;
  value["nothing"] = nullptr;
  CHECK(to_text(value) ==
        "{\n"
        "  \"b\": 1,\n"
        "  \"a\": [1, 2.5, -3],\n"
        "  \"empty\": {},\n"
        "  \"none\": [],\n"
        "  \"rows\": [\n"
        "    [1, 2],\n"
        "    [3, 4]\n"
        "  ],\n"
        "  \"text\": \"tab\\t \\\"q\\\" é\",\n"
        "  \"flag\": true,\n"
        "  \"nothing\": null\n"
        "}\n");
}

TEST_CASE("a number has the fewest digits that read back to the same value") {
  CHECK(to_text(0.1) == "0.1\n");
  CHECK(to_text(1.0 / 3) == "0.3333333333333333\n");
  CHECK(to_text(5.0) == "5.0\n");
  CHECK(to_text(1e300) == "1e+300\n");
  CHECK(to_text(5e-324) == "5e-324\n");
  CHECK(to_text(std::uint64_t{18446744073709551615u}) == "18446744073709551615\n");
  CHECK(parse_json(to_text(9007199254740993.0), "c.json") == 9007199254740992.0);
}

TEST_CASE("a number that is not finite is not written") {
  Json value;
  value["links"] = {{{"busy", 0.5}}, {{"busy", std::numeric_limits<double>::quiet_NaN()}}};
  CHECK(thrown<ConfigError>([&] { to_text(value); }) ==
        "links[1].busy: nan cannot be written as JSON, which has finite numbers only");
  CHECK(thrown<ConfigError>([] { to_text(std::numeric_limits<double>::infinity()); }) ==
        "the value: inf cannot be written as JSON, which has finite numbers only");
}

TEST_CASE("Infinity and NaN, as Python writes them, say nothing") {
  CHECK(parse_json("[NaN, Infinity, -Infinity, 1]", "c.json").dump() == "[null,null,null,1]");
  CHECK(parse_json("{\"a\": \"NaN \\\" Infinity\"}", "c.json").dump() ==
        "{\"a\":\"NaN \\\" Infinity\"}");
  // Places in messages are the file's: the text that is parsed is longer.
  CHECK(refused("[NaN, NaN, x]") ==
        "c.json:1:12: not JSON: syntax error while parsing value - invalid literal; last read: "
        "'[null, null, x'");
}
