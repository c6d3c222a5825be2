#include <doctest/doctest.h>

#include <algorithm>
#include <string>

#include "sim/error.h"
#include "sim/io/yaml_reader.h"
#include "sim/io/yaml_share.h"
#include "sim/units.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/thrown.h"

using namespace moesim::sim;
using namespace moesim::sim::literals;
using moesim::sim::io::YamlDocument;
using moesim::sim::io::YamlNode;
using moesim::tests::TemporaryFolder;
using moesim::tests::thrown;

namespace {

// What is wrong with a text after it was read.
template <typename Read>
std::string mistakes(const std::string& text, Read&& read) {
  YamlDocument document = YamlDocument::parse(text, "x.yaml");
  read(document.root());
  return thrown<ConfigError>([&] { document.throw_errors(); });
}

// What is wrong with the text itself.
std::string refused(const std::string& text) {
  return thrown<ConfigError>([&] { YamlDocument::parse(text, "x.yaml").throw_errors(); });
}

constexpr const char* kNothing = "(nothing was thrown)";

}  // namespace

TEST_CASE("a file is read with its units, lists and maps") {
  YamlDocument document = YamlDocument::parse(
      "name: H100\n"
      "memory: {capacity: 80 GiB, bandwidth: \"3.35 TB/s\"}\n"
      "launch: 1.5 us\n"
      "peak:\n"
      "  bf16: 989 TFLOP/s\n"
      "sizes: [1, 2e3, -3]\n"
      "share: 0.25\n"
      "dense: true\n"
      "law: zipf\n"
      "note:\n",
      "h100.yaml");
  const YamlNode root = document.root();
  CHECK(root.at("name").text() == "H100");
  CHECK(root.at("memory").at("capacity").bytes() == 80_GiB);
  CHECK(root.at("memory").at("bandwidth").bandwidth().bytes_per_second() == 3.35e12);
  CHECK(root.at("launch").duration() == 1'500'000_ps);
  CHECK(root.at("peak").at("bf16").flop_rate() == 989_TFLOPS);
  const auto sizes = root.at("sizes").items();
  REQUIRE(sizes.size() == 3);
  CHECK(sizes[0].integer() == 1);
  CHECK(sizes[1].integer() == 2000);
  CHECK(sizes[2].integer() == -3);
  CHECK(root.at("share").number(0, 1) == 0.25);
  CHECK(root.at("dense").boolean());
  CHECK(root.at("law").one_of({"uniform", "zipf"}) == 1);
  CHECK(root.at("note").is_null());
  CHECK_FALSE(root.find("note"));
  CHECK_FALSE(root.find("other"));
  CHECK(root.find("name")->text() == "H100");
  CHECK(root.entries().size() == 9);
  CHECK(root.entries()[1].first == "memory");
  document.throw_errors();
}

TEST_CASE("a value knows its place, its path and its origin") {
  YamlDocument document = YamlDocument::parse("a: 1\nlinks:\n  - {to: b}\n", "x.yaml");
  const YamlNode to = document.root().at("links").items().at(0).at("to");
  CHECK(to.where() == "x.yaml:3:10");
  CHECK(to.path() == "links[0].to");
  CHECK(to.origin() == "x.yaml:3");
  CHECK(document.root().where() == "x.yaml:1:1");
}

TEST_CASE("all mistakes of a file are listed at once, in the file's order") {
  // Read from the bottom to the top; reported from the top to the bottom.
  const std::string found = mistakes(
      "bandwith: 400 Gbit/s\n"
      "memory: {capacity: 80}\n"
      "nodes: many\n",
      [](const YamlNode& root) {
        root.at("nodes").integer(1, 64);
        root.at("memory").at("capacity").bytes();
        root.at("memory").at("bandwidth").bandwidth();
        root.allow_only({"bandwidth", "memory", "nodes"});
      });
  CHECK(found ==
        "x.yaml:1:1: unknown key \"bandwith\"; did you mean \"bandwidth\"?\n"
        "x.yaml:2:9: memory: key \"bandwidth\" is missing\n"
        "x.yaml:2:20: memory.capacity: expected a number with a unit, such as 80 GiB, not \"80\"\n"
        "x.yaml:3:8: nodes: expected a whole number from 1 to 64, not \"many\"");
}

TEST_CASE("a mistake that is met twice is said once") {
  CHECK(mistakes("a: x\n", [](const YamlNode& root) {
          root.at("a").integer();
          root.at("a").integer();
        }) == "x.yaml:1:4: a: expected a whole number, not \"x\"");
}

TEST_CASE("a key that is near none is answered with the list") {
  CHECK(mistakes("top: {colour: red}\n", [](const YamlNode& root) {
          root.at("top").allow_only({"law", "skew"});
        }) == "x.yaml:1:7: top: unknown key \"colour\"; known are law, skew");
}

TEST_CASE("what hangs on a missing key is silent") {
  CHECK(mistakes("a: 1\n", [](const YamlNode& root) {
          const YamlNode missing = root.at("step");
          CHECK(missing.is_missing());
          CHECK(missing.path() == "step");
          CHECK(missing.at("count").integer() == 0);
          CHECK(missing.at("count").path() == "step.count");
          CHECK(missing.text().empty());
          CHECK(missing.items().empty());
          CHECK(missing.entries().empty());
          CHECK_FALSE(missing.find("x"));
          missing.allow_only({"x"});
          missing.error("is never said");
        }) == "x.yaml:1:1: key \"step\" is missing");
}

TEST_CASE("a value of another kind is said to be that") {
  const std::string text = "map: {a: 1}\nlist: [1]\nnone:\nword: yes\n";
  CHECK(mistakes(text,
                 [](const YamlNode& root) {
                   root.at("map").text();
                   root.at("list").bytes();
                   root.at("none").number();
                   root.at("word").items();
                 }) ==
        "x.yaml:1:6: map: expected a text, not a map\n"
        "x.yaml:2:7: list: expected a number with a unit, such as 80 GiB, not a list\n"
        "x.yaml:3:1: none: expected a number, not nothing\n"
        "x.yaml:4:7: word: expected a list, not \"yes\"");
  CHECK(mistakes(text,
                 [](const YamlNode& root) {
                   root.at("word").at("b");
                   root.at("list").find("b");
                   root.at("list").entries();
                   root.at("none").allow_only({"b"});
                 }) ==
        "x.yaml:2:7: list: expected a map, not a list\n"
        "x.yaml:3:1: none: expected a map, not nothing\n"
        "x.yaml:4:7: word: expected a map, not \"yes\"");
}

TEST_CASE("each kind of scalar has its message") {
  const std::string text = "v: 1,5\n";
  CHECK(mistakes(text, [](const YamlNode& root) { root.at("v").boolean(); }) ==
        "x.yaml:1:4: v: expected true or false, not \"1,5\"");
  CHECK(mistakes(text, [](const YamlNode& root) { root.at("v").integer(); }) ==
        "x.yaml:1:4: v: expected a whole number, not \"1,5\"");
  CHECK(mistakes(text, [](const YamlNode& root) { root.at("v").integer(1); }) ==
        "x.yaml:1:4: v: expected a whole number of at least 1, not \"1,5\"");
  CHECK(mistakes(text, [](const YamlNode& root) {
          root.at("v").integer(std::numeric_limits<std::int64_t>::min(), 9);
        }) == "x.yaml:1:4: v: expected a whole number of at most 9, not \"1,5\"");
  CHECK(mistakes(text, [](const YamlNode& root) { root.at("v").number(0.5, 2); }) ==
        "x.yaml:1:4: v: expected a number from 0.5 to 2, not \"1,5\"");
  CHECK(mistakes(text, [](const YamlNode& root) { root.at("v").duration(); }) ==
        "x.yaml:1:4: v: expected a number with a unit, such as 1.5 us, not \"1,5\"");
  CHECK(mistakes(text, [](const YamlNode& root) { root.at("v").bandwidth(); }) ==
        "x.yaml:1:4: v: expected a number with a unit, such as 400 Gbit/s, not \"1,5\"");
  CHECK(mistakes(text, [](const YamlNode& root) { root.at("v").flop_rate(); }) ==
        "x.yaml:1:4: v: expected a number with a unit, such as 989 TFLOP/s, not \"1,5\"");
  CHECK(mistakes("v: 0 B/s\n", [](const YamlNode& root) { root.at("v").bandwidth(); }) ==
        "x.yaml:1:4: v: expected a rate above zero, such as 400 Gbit/s, not \"0 B/s\"");
  CHECK(mistakes("v: 0 FLOP/s\n", [](const YamlNode& root) { root.at("v").flop_rate(); }) ==
        "x.yaml:1:4: v: expected a rate above zero, such as 989 TFLOP/s, not \"0 FLOP/s\"");
  CHECK(mistakes("v: zpif\n", [](const YamlNode& root) {
          root.at("v").one_of({"law", "zipf"});
        }) == "x.yaml:1:4: v: expected one of law, zipf, not \"zpif\"; did you mean \"zipf\"?");
  CHECK(mistakes("v: [1]\n", [](const YamlNode& root) {
          root.at("v").one_of({"law", "zipf"});
        }) == "x.yaml:1:4: v: expected one of law, zipf, not a list");
}

TEST_CASE("a number is decimal, finite, and means one thing") {
  // 010 is eight in YAML 1.1 and ten in 1.2; 0x10, 1_000, +1, .inf and 1.5 are no whole numbers.
  for (const char* text :
       {"010", "-01", "0x10", "1_000", "+1", ".inf", "nan", "1.5", "1e400", "", "1 "}) {
    CAPTURE(text);
    YamlDocument document = YamlDocument::parse("v: \"" + std::string(text) + "\"", "x.yaml");
    CHECK(document.root().at("v").integer() == 0);
    CHECK(thrown<ConfigError>([&] { document.throw_errors(); }) ==
          "x.yaml:1:4: v: expected a whole number, not \"" + std::string(text) + "\"");
  }
  CHECK(mistakes("v: 01.5\n", [](const YamlNode& root) { root.at("v").number(); }) ==
        "x.yaml:1:4: v: expected a number, not \"01.5\"");
  CHECK(mistakes("v: inf\n", [](const YamlNode& root) { root.at("v").number(); }) ==
        "x.yaml:1:4: v: expected a number, not \"inf\"");
  CHECK(mistakes("v: 0.5\nw: 0\nx: -0\n", [](const YamlNode& root) {
          CHECK(root.at("v").number() == 0.5);
          CHECK(root.at("w").integer() == 0);
          CHECK(root.at("x").integer() == 0);
        }) == kNothing);
}

TEST_CASE("a key given twice is a mistake, at any depth") {
  CHECK(refused("a: 1\nb: {c: 1, d: 2, c: 3}\na: 2\n") ==
        "x.yaml:2:17: key \"c\" is given twice; the first is at 2:5\n"
        "x.yaml:3:1: key \"a\" is given twice; the first is at 1:1");
}

TEST_CASE("an alias shows the value that it names") {
  const std::string found = mistakes("a: &a {x: 1, y: z}\nb: *a\n", [](const YamlNode& root) {
    CHECK(root.at("b").at("x").integer() == 1);
    root.at("b").at("y").integer();
  });
  CHECK(found == "x.yaml:1:17: b.y: expected a whole number, not \"z\"");
}

TEST_CASE("an alias inside the value that it names is a mistake") {
  CHECK(refused("a: &a [1, *a]\n") ==
        "x.yaml:1:11: this alias stands inside the value that it names");
}

TEST_CASE("an alias of nothing is no YAML") {
  CHECK(refused("a: *b\n") == "x.yaml:1:4: not YAML: the referenced anchor is not defined");
}

TEST_CASE("aliases that unfold without bound are refused") {
  // Ten lists, each of ten of the one before: 10^10 values in 500 bytes. The list of line 1 is 11
  // values, of line 2 1 + 10 * 11 = 111, of line 3 1,111 and so on. The aliases up to line 5 stand
  // for 110 + 1,110 + 11,110 + 111,110 = 123,440 values, each of line 6 for 111,111: the eighth
  // passes a million. It stands in column 10 + 7 * 5.
  std::string text = "l0: &l0 [0, 0, 0, 0, 0, 0, 0, 0, 0, 0]\n";
  for (int i = 1; i < 10; ++i) {
    text += "l" + std::to_string(i) + ": &l" + std::to_string(i) + " [";
    for (int j = 0; j < 10; ++j) text += (j > 0 ? ", *l" : "*l") + std::to_string(i - 1);
    text += "]\n";
  }
  CHECK(refused(text) == "x.yaml:6:45: the aliases unfold to more than 1000000 values");
}

TEST_CASE("nesting is allowed to a depth of 100") {
  const auto nested = [](std::size_t depth) {
    return std::string(depth, '[') + std::string(depth, ']');
  };
  CHECK(refused(nested(100)) == kNothing);
  CHECK(refused(nested(101)) == "x.yaml:1:101: nested deeper than 100 levels");
  CHECK(refused(nested(100'000)) == "x.yaml:1:101: nested deeper than 100 levels");
}

TEST_CASE("what is no YAML is refused with its place") {
  CHECK(refused("a: 1\n b: 2\n") == "x.yaml:2:3: not YAML: illegal map value");
  CHECK(refused("a: [1, 2\n") == "x.yaml:2:1: not YAML: end of sequence flow not found");
  CHECK(refused("a: \"b\n") == "x.yaml:1:4: not YAML: a quote is opened and never closed");
  CHECK(refused("a: 1\nb: &x 'it''s\n\n") ==
        "x.yaml:2:4: not YAML: a quote is opened and never closed");
  CHECK(refused("a: \"b\\\"c\"\nd: 'it''s'\ne: |\n  \"\n") == kNothing);
  CHECK(refused("a: \"b") == "x.yaml:1:6: not YAML: illegal EOF in scalar");
  CHECK(refused("a: 1\n---\nb: 2\n") ==
        "x.yaml:2:1: a second document starts here; a file holds one");
  CHECK(refused("? [1, 2]\n: 3\n") == "x.yaml:1:3: a key must be a plain text");
  CHECK(mistakes("? [1, 2]\n: 3\n", [](const YamlNode& root) { root.allow_only({"name"}); }) ==
        "x.yaml:1:3: a key must be a plain text");
  CHECK(refused("a: !secret b\n") == "x.yaml:1:4: tags such as \"!secret\" are not read");
  CHECK(refused(std::string("a: \0b\n", 6)) == "x.yaml: not YAML: a zero byte at offset 3");
}

TEST_CASE("an empty text is nothing, and says so when a key is asked for") {
  CHECK(refused("") == kNothing);
  CHECK(mistakes("# only a comment\n", [](const YamlNode& root) {
          CHECK(root.is_null());
          root.at("name");
          root.at("memory");
        }) == "x.yaml:1:1: expected a map, not nothing");
}

TEST_CASE("a file over 64 MiB is refused") {
  CHECK(thrown<InputError>([] {
          YamlDocument::parse(std::string((std::size_t{64} << 20) + 1, ' '), "big.yaml");
        }) == "big.yaml: holds more than 64 MiB, which is the most that is read");
}

TEST_CASE("what is found is quoted so that it can be printed") {
  CHECK(mistakes("a: \"\\e[31m\"\n", [](const YamlNode& root) { root.at("a").integer(); }) ==
        "x.yaml:1:4: a: expected a whole number, not \"\\x1b[31m\"");
  CHECK(mistakes("a: " + std::string(100, 'n') + "\n", [](const YamlNode& root) {
          root.at("a").integer();
        }) == "x.yaml:1:4: a: expected a whole number, not \"" + std::string(60, 'n') + "…\"");
}

TEST_CASE("a value's own lines are none of a message's") {
  CHECK(mistakes("a: \"b\\nc\"\n", [](const YamlNode& root) {
          root.at("a").error(root.at("a").text() + " is nowhere");
        }) == "x.yaml:1:4: a: b\\nc is nowhere");
}

TEST_CASE("a number of too many digits is told what the most is") {
  CHECK(mistakes("a: 99999999999999999999999\n",
                 [](const YamlNode& root) { root.at("a").integer(0); }) ==
        "x.yaml:1:4: a: expected a whole number from 0 to 9223372036854775807, not "
        "\"99999999999999999999999\"");
}

TEST_CASE("of a number without bounds the bounds are those of 64 bits") {
  CHECK(
      mistakes("a: 9223372036854775808\n", [](const YamlNode& root) { root.at("a").integer(); }) ==
      "x.yaml:1:4: a: expected a whole number from -9223372036854775808 to "
      "9223372036854775807, not \"9223372036854775808\"");
}

TEST_CASE("of a hundred thousand keys that are not known a hundred are told, at once") {
  std::string text;
  for (int i = 0; i < 100'000; ++i) text += "k" + std::to_string(i) + ": 1\n";
  const std::string found = mistakes(text, [](const YamlNode& root) {
    root.allow_only({"name", "nodes"});
  });
  CHECK(std::count(found.begin(), found.end(), '\n') == 100);
  CHECK(found.starts_with("x.yaml:1:1: unknown key \"k0\"; known are name, nodes\n"));
  CHECK(found.ends_with("\nx.yaml: … and more"));
}

TEST_CASE("a hundred mistakes are listed, and that there are more") {
  std::string text;
  for (int i = 0; i < 150; ++i) text += "k" + std::to_string(i) + ": x\n";
  const std::string found = mistakes(text, [](const YamlNode& root) {
    for (const auto& [key, value] : root.entries()) value.integer();
  });
  CHECK(std::count(found.begin(), found.end(), '\n') == 100);
  CHECK(found.ends_with("\nx.yaml: … and more"));
}

TEST_CASE("--set replaces a value, adds one, and reaches into lists") {
  YamlDocument document =
      YamlDocument::parse("step: {count: 1}\nlinks: [{to: a}, {to: b}]\n", "x.yaml");
  document.set("step.count", "64");
  document.set("step.phase", "decode");
  document.set("routing.law", "zipf");
  document.set("links[1].to", "c");
  document.set("sizes", "[1, 2]");
  const YamlNode root = document.root();
  CHECK(root.at("step").at("count").integer() == 64);
  CHECK(root.at("step").at("count").origin() == "--set");
  CHECK(root.at("step").at("phase").text() == "decode");
  CHECK(root.at("routing").at("law").text() == "zipf");
  CHECK(root.at("links").items()[0].at("to").text() == "a");
  CHECK(root.at("links").items()[1].at("to").text() == "c");
  CHECK(root.at("sizes").items().size() == 2);
  document.throw_errors();
}

TEST_CASE("--set in one place leaves the other places of an alias alone") {
  YamlDocument document = YamlDocument::parse("a: &a {x: 1}\nb: *a\n", "x.yaml");
  document.set("b.x", "2");
  CHECK(document.root().at("a").at("x").integer() == 1);
  CHECK(document.root().at("b").at("x").integer() == 2);
}

TEST_CASE("a mistake in a value from --set says so, after those of the file") {
  YamlDocument document = YamlDocument::parse("a: x\nstep:\n  count: 1\n", "x.yaml");
  document.set("step.count", "many");
  document.set("step.cuont", "1");
  document.root().at("step").at("count").integer();
  document.root().at("step").allow_only({"count"});
  document.root().at("a").integer();
  CHECK(thrown<ConfigError>([&] { document.throw_errors(); }) ==
        "x.yaml:1:4: a: expected a whole number, not \"x\"\n"
        "--set: step.count: expected a whole number, not \"many\"\n"
        "--set: step: unknown key \"cuont\"; did you mean \"count\"?");
}

TEST_CASE("--set of what cannot be set is refused") {
  YamlDocument document = YamlDocument::parse("a: 1\nl: [1]\nm: {}\n", "x.yaml");
  const auto set = [&](const char* path, const char* value) {
    return thrown<ConfigError>([&] { document.set(path, value); });
  };
  CHECK(set("a.b", "1") == "--set a.b: \"a\" is a single value, which has no \"b\"");
  CHECK(set("l.b", "1") == "--set l.b: \"l\" is a list, which has no \"b\"");
  CHECK(set("m[0]", "1") == "--set m[0]: \"m\" is a map, not a list");
  CHECK(set("l[1]", "1") == "--set l[1]: \"l\" has 1 items, so none with number 1");
  CHECK(set("a..b", "1") ==
        "--set a..b: expected a path such as step.batch_per_rank or links[2].bandwidth");
  CHECK(set("", "1") ==
        "--set : expected a path such as step.batch_per_rank or links[2].bandwidth");
  CHECK(set("l[x]", "1") ==
        "--set l[x]: expected a path such as step.batch_per_rank or links[2].bandwidth");
  CHECK(set("a", "[1") == "--set a: not YAML: end of sequence flow not found");
}

TEST_CASE("a file's paths are relative to its folder, those of --set to where one stands") {
  const TemporaryFolder folder;
  const auto file = folder.file("scenarios/a.yaml", "model: ../models/m.yaml\nroot: /etc/x\n");
  YamlDocument document = YamlDocument::load(file);
  document.set("cluster", "c.yaml");
  CHECK(document.folder() == folder.path() / "scenarios");
  CHECK(document.name() == file.string());
  CHECK(document.root().at("model").file() == folder.path() / "models" / "m.yaml");
  CHECK(document.root().at("root").file() == "/etc/x");
  CHECK(document.root().at("cluster").file() == "c.yaml");
}

TEST_CASE("a file that is not there, or is a folder, is an input error") {
  const TemporaryFolder folder;
  CHECK(thrown<InputError>([&] { YamlDocument::load("no/such.yaml"); }) ==
        "no/such.yaml: cannot be read: No such file or directory");
  CHECK(thrown<InputError>([&] { YamlDocument::load(folder.path()); }) ==
        folder.path().string() + ": cannot be read: it is a folder");
}

TEST_CASE("the name that was meant is found by edit distance") {
  const std::vector<std::string_view> known = {"bandwidth", "latency", "law", "ep"};
  CHECK(io::did_you_mean("bandwith", known) == "bandwidth");   // one letter left out
  CHECK(io::did_you_mean("badnwidth", known) == "bandwidth");  // two neighbours swapped
  CHECK(io::did_you_mean("Latency", known) == "latency");      // case does not count
  CHECK(io::did_you_mean("lwa", known) == "law");
  CHECK(io::did_you_mean("throughput", known) == "");
  CHECK(io::did_you_mean("xy", known) == "");  // all letters wrong
  CHECK(io::did_you_mean("", known) == "");
}

TEST_CASE("what follows from an unknown key is not told beside it") {
  const auto read = [](const YamlNode& root) {
    const YamlNode step = root.at("step");
    step.allow_only({"decode", "phase"});
    step.at("phase").text();
    step.error("expected exactly one of decode and prefill");
  };
  CHECK(mistakes("step: {decod: 3}\n", read) ==
        "x.yaml:1:8: step: unknown key \"decod\"; did you mean \"decode\"?");
  // Values of that map and other maps are told as before.
  CHECK(mistakes("step: {decode: 3}\n", read) ==
        "x.yaml:1:7: step: key \"phase\" is missing\n"
        "x.yaml:1:7: step: expected exactly one of decode and prefill");
}

TEST_CASE("a tab is called a tab") {
  CHECK(refused("a:\n\tb: 1\n") == "x.yaml:2:1: not YAML: a tab; YAML is indented by spaces");
  CHECK(refused("a:\n  \tb: 1\n  \tc: 2\n").find("not YAML: a tab; YAML is indented by spaces") !=
        std::string::npos);
}

TEST_CASE("an amount that is too large is not blamed on its form") {
  CHECK(mistakes("t: 1e8 s\n", [](const YamlNode& root) { root.at("t").duration(); }) ==
        "x.yaml:1:4: t: \"1e8 s\" is more than 106 days, which is the most");
  CHECK(mistakes("t: -3 us\n", [](const YamlNode& root) { root.at("t").duration(); }) ==
        "x.yaml:1:4: t: \"-3 us\" is negative");
  CHECK(mistakes("b: 1e5 PB\n", [](const YamlNode& root) { root.at("b").bytes(); }) ==
        "x.yaml:1:4: b: \"1e5 PB\" is more than 9.2e18 bytes, which is the most");
  CHECK(mistakes("b: 1 PiB\n", [](const YamlNode& root) {
          CHECK(root.at("b").bytes() == Bytes(std::int64_t{1} << 50));
        }) == kNothing);
}

TEST_CASE("what is said of a value after it was found wrong is not told") {
  const auto read = [](const YamlNode& root) {
    const YamlNode speed = root.at("speed");
    if (speed.number(0, 1) == 0) speed.error("nothing is left");
  };
  CHECK(mistakes("speed: 2\n", read) ==
        "x.yaml:1:8: speed: expected a number from 0 to 1, not \"2\"");
  CHECK(mistakes("speed: 0\n", read) == "x.yaml:1:8: speed: nothing is left");
}

TEST_CASE("a share is a number or a percentage") {
  YamlDocument document =
      YamlDocument::parse("a: 0.005\nb: 0.5 %\nc: 0.5%\nd: \"99 %\"\ne: {f: 100 %}\n", "x.yaml");
  const YamlNode root = document.root();
  for (const char* key : {"a", "b", "c"}) CHECK(io::share_of(root.at(key)) == 0.005);
  CHECK(io::share_of(root.at("d")) == 0.99);
  CHECK(io::share_of(root.at("e").at("f")) == 1);
  document.throw_errors();
}

TEST_CASE("a share that is none, or out of its range, is told") {
  const auto told = [](const std::string& text) {
    return mistakes("a: " + text + "\n",
                    [](const YamlNode& root) { (void)io::share_of(root.at("a"), 0.01, 0.5); });
  };
  CHECK(told("60 %") ==
        "x.yaml:1:4: a: expected a part from 0.01 to 0.5, or as much in percent, such as 50 %, not "
        "\"60 %\"");
  CHECK(told("0.5 %") ==
        "x.yaml:1:4: a: expected a part from 0.01 to 0.5, or as much in percent, such as 50 %, not "
        "\"0.5 %\"");
  CHECK(told("2 x%") ==
        "x.yaml:1:4: a: expected a part from 0.01 to 0.5, or as much in percent, such as 50 %, not "
        "\"2 x%\"");
  CHECK(told("nan %") ==
        "x.yaml:1:4: a: expected a part from 0.01 to 0.5, or as much in percent, such as 50 %, not "
        "\"nan %\"");
  CHECK(told("\"%\"") ==
        "x.yaml:1:4: a: expected a part from 0.01 to 0.5, or as much in percent, such as 50 %, not "
        "\"%\"");
  CHECK(told("0.6").starts_with("x.yaml:1:4: a: expected "));
  CHECK(told("[1]").starts_with("x.yaml:1:4: a: expected "));
}
