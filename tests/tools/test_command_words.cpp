#include <doctest/doctest.h>

#include "tests/support/temporary_folder.h"
#include "tests/support/thrown.h"
#include "tools/moesim/command.h"

using moesim::tests::thrown;

namespace {

std::string wrong_command(const std::vector<std::string>& words) {
  return moesim::tools::wrong_command(moesim::tools::commands(), words);
}

}  // namespace

TEST_CASE("a command that there is not is named, with the one that was meant") {
  CHECK(wrong_command({"runn"}) == "there is no command \"runn\"; did you mean \"run\"?");
  CHECK(wrong_command({"trace", "inf"}) ==
        "there is no command \"trace inf\"; did you mean \"trace info\"?");
  CHECK(wrong_command({"validate", "tabel", "gemm"}) ==
        "there is no command \"validate tabel\"; did you mean \"validate table\"?");
  CHECK(wrong_command({"serve-everything"}) == "there is no command \"serve-everything\"");
}

TEST_CASE("words that name a command, or stop short of one, are not wrong") {
  CHECK(wrong_command({"run", "no-such-file.yaml"}).empty());
  CHECK(wrong_command({"trace"}).empty());
  CHECK(wrong_command({"trace", "info"}).empty());
  CHECK(wrong_command({}).empty());
}

TEST_CASE("every file that a command writes is known as such") {
  for (const moesim::tools::Command& command : moesim::tools::commands()) {
    CAPTURE(command.name);
    for (const moesim::tools::Option& option : command.options) {
      CAPTURE(option.name);
      const std::string key = moesim::tools::key_of(option.name);
      const bool named = key == "output" || key == "html" || key == "timeline" || key == "emit";
      const bool writes = (named && option.is_file) || option.help.starts_with("write ");
      if (writes) CHECK(option.is_output);
      if (option.is_output) CHECK(option.is_file);
    }
  }
}

TEST_CASE("two files that a command writes are not one, nor one that it reads") {
  namespace fs = std::filesystem;
  const moesim::tests::TemporaryFolder folder;
  const std::string a = folder.file("a.yaml", "x").string(), b = (folder.path() / "b").string();
  const moesim::tools::Command command{
      .name = "c",
      .summary = "",
      .options = {{.name = "IN", .repeated = true, .is_file = true},
                  {.name = "-o,--output", .value = "FILE", .is_file = true, .is_output = true},
                  {.name = "--html", .value = "FILE", .is_file = true, .is_output = true}},
      .run = {}};
  const auto wrong = [&](std::map<std::string, std::vector<std::string>> values) {
    return thrown<moesim::sim::ConfigError>(
        [&] { moesim::tools::check_outputs(command, {std::move(values)}); });
  };
  const auto passes = [&](std::map<std::string, std::vector<std::string>> values) {
    moesim::tools::check_outputs(command, {std::move(values)});
    return true;
  };
  const std::string around = (folder.path() / "." / "b").string();
  CHECK(wrong({{"output", {b}}, {"html", {around}}}) ==
        "-o and --html: both would write " + around + ": say another name for one");
  CHECK(wrong({{"IN", {b, a}}, {"html", {a}}}) ==
        "--html: " + a + " is read, and would be written over: say another name");
  fs::create_hard_link(a, b);
  CHECK(wrong({{"IN", {a}}, {"output", {b}}}) ==
        "-o: " + b + " is read, and would be written over: say another name");
  CHECK(wrong({{"output", {""}}}) == "-o: expected a file's name");
  const auto cannot = [&](const std::string& html) {
    return thrown<moesim::sim::ConfigError>([&] {
      moesim::tools::check_outputs(command, {{{"html", {html}}}});
    });
  };
  CHECK(cannot(folder.path().string()) ==
        folder.path().string() + ": cannot be written: Is a directory");
  CHECK(cannot(b + "/none/x") == b + "/none/x: cannot be written: No such file or directory");
  // What may be a folder is one that is there, or a name in one; a folder that is made lies in one.
  const auto of = [&](const char* value, const std::string& text) {
    const moesim::tools::Command other{
        .name = "c",
        .summary = "",
        .options = {{.name = "--emit", .value = value, .is_file = true, .is_output = true}},
        .run = {}};
    return thrown<moesim::sim::ConfigError>([&] {
      moesim::tools::check_outputs(other, {{{"emit", {text}}}});
    });
  };
  const std::string missing = (folder.path() / "none").string();
  const std::string passed = "(nothing was thrown)";
  CHECK(of("PATH", folder.path().string()) == passed);
  CHECK(of("PATH", missing) == passed);
  CHECK(of("PATH", missing + "/") == missing + "/: cannot be written: No such file or directory");
  CHECK(of("FOLDER", missing + "/") == passed);
  CHECK(of("FOLDER", missing + "/a/") ==
        missing + "/a/: cannot be written: No such file or directory");
  CHECK(of("TRACE", missing + "/t.h5") ==
        missing + "/t.h5: cannot be written: No such file or directory");
  CHECK(passes({{"output", {"-"}}, {"html", {"-"}}}));
  CHECK(passes({{"output", {"/dev/null"}}, {"html", {"/dev/null"}}}));
  CHECK(passes({{"IN", {"a name", "b"}}, {"output", {a}}, {"html", {"b.html"}}}));
}
