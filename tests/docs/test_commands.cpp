// Does every command of the guide do what the guide says? Each document's are run in order, by a
// copy of the built program, in a folder that looks like the root of the source tree and is thrown
// away.
//
// A command is an indented line that begins with "moesim "; a line that ends in "\" goes on in the
// next. It must end with 0, or with what follows it as "# exit 3". Files that a document shows are
// written first.
#include <doctest/doctest.h>
#include <sys/wait.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "sim/io/csv.h"
#include "tests/docs/markdown.h"
#include "tests/support/temporary_folder.h"

using namespace moesim;
using namespace moesim::tests;

namespace {

namespace fs = std::filesystem;

struct GuideCommand {
  std::string text;
  int exit = 0;
};

// What a document has its reader do: files to write, and commands to run.
struct Guide {
  std::vector<std::pair<std::string, std::string>> files;  // name, contents
  std::vector<GuideCommand> commands;
};

// A file is a fenced block with its name behind the language: ```yaml mine.yaml
// `strict`: throws std::runtime_error for an indented line that is no command, and for a block
// without a name, outside of what tests make, since nobody would try them.
Guide guide_of(const std::string& text, bool strict = true) {
  std::string written = text;
  const auto parts = made_parts(text);
  for (auto part = parts.rbegin(); part != parts.rend(); ++part)
    written.erase(part->begin, part->end - part->begin);
  Guide guide;
  bool goes_on = false, fenced = false;
  for (const std::string& line : lines_of(written)) {
    if (line.starts_with("```")) {
      fenced = !fenced;
      const std::size_t name = line.find(' ');
      if (fenced && strict && name == std::string::npos)
        throw std::runtime_error("a block without a file's name: " + line);
      if (fenced) guide.files.emplace_back(line.substr(std::min(name, line.size() - 1) + 1), "");
    } else if (fenced) {
      guide.files.back().second += line + "\n";
    } else if (!line.starts_with("    ")) {
      goes_on = false;
    } else {
      const std::string words = line.substr(line.find_first_not_of(' '));
      const bool starts = words.starts_with("moesim ");
      if (goes_on) {
        guide.commands.back().text.back() = ' ';
        guide.commands.back().text += words;
      } else if (starts) {
        guide.commands.push_back({words});
      } else if (strict) {
        throw std::runtime_error("no command: " + line);
      }
      goes_on = (goes_on || starts) && words.ends_with('\\');
      const std::size_t exit = words.find("# exit ");
      if (exit != std::string::npos) guide.commands.back().exit = std::stoi(words.substr(exit + 7));
    }
  }
  return guide;
}

// A folder with configs/, validation/ and the page of reports of the tree and a program of the name
// moesim, with a stand-in for the one that measures a GPU beside it.
class Checkout {
 public:
  Checkout() {
    fs::copy("configs", root() / "configs", fs::copy_options::recursive);
    fs::create_directory_symlink(fs::absolute("validation"), root() / "validation");
    fs::create_directories(root() / "tools/report/template");
    fs::copy_file("tools/report/template/report.html",
                  root() / "tools/report/template/report.html");
    fs::create_directory(root() / "bin");
    for (const char* name : {"MOESIM_PROGRAM", "MOESIM_GPU_PROGRAM"}) {
      const char* program = std::getenv(name);
      REQUIRE_MESSAGE(program != nullptr, "run this by ctest, which sets ", name);
      fs::copy_file(program, root() / "bin" /
                                 (std::string(name) == "MOESIM_PROGRAM" ? "moesim" : "moesim-gpu"));
    }
  }

  void write(const std::string& name, const std::string& contents) const {
    folder_.file(name, contents);
  }

  // The exit code, and what was printed last.
  int run(const std::string& command, std::string& output) const {
    const fs::path log = root() / "bin" / "output";
    const std::string line = "cd '" + root().string() + "' && HOME=\"$PWD/home\" PATH='" +
                             (root() / "bin").string() + "':\"$PATH\" && { " + command + "\n} > '" +
                             log.string() + "' 2>&1";
    const int status = std::system(line.c_str());
    output = sim::io::read_text(log);
    if (output.size() > 2000) output = "…" + output.substr(output.size() - 2000);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }

 private:
  const fs::path& root() const { return folder_.path(); }
  TemporaryFolder folder_;
};

}  // namespace

TEST_CASE("every command of the README and the guide ends as it says") {
  std::size_t guides = 0;
  for (const fs::path& file : markdown_files()) {
    const bool guide = file.string().starts_with("docs/guide/");
    if (!guide && file != "README.md") continue;
    CAPTURE(file.string());
    std::string text = sim::io::read_text(file);
    if (!guide) text = text.substr(text.find("\n## A worked example"));  // .ci runs what is before
    const Guide read = guide_of(text, guide);
    CHECK(!read.commands.empty());
    const Checkout checkout;
    for (const auto& [name, contents] : read.files) checkout.write(name, contents);
    for (const GuideCommand& command : read.commands) {
      std::string output;
      const int exit = checkout.run(command.text, output);
      CAPTURE(command.text);
      CAPTURE(output);
      CHECK(exit == command.exit);
    }
    guides += guide ? 1 : 0;
  }
  CHECK(guides == 12);
}

TEST_CASE("a document is read as a reader would follow it") {
  const Guide guide = guide_of(
      "Run it:\n\n    moesim run a.yaml\n    moesim card \\\n      mixtral  # exit 2\n\n"
      "```yaml b.yaml\nname: b\n    x: 1\n```\n<!-- made: x -->\n    output\n<!-- end -->\n");
  REQUIRE(guide.commands.size() == 2);
  CHECK(guide.commands[0].text == "moesim run a.yaml");
  CHECK(guide.commands[0].exit == 0);
  CHECK(guide.commands[1].text == "moesim card  mixtral  # exit 2");
  CHECK(guide.commands[1].exit == 2);
  REQUIRE(guide.files.size() == 1);
  CHECK(guide.files[0].first == "b.yaml");
  CHECK(guide.files[0].second == "name: b\n    x: 1\n");
  CHECK_THROWS_WITH(guide_of("    rm x\n"), "no command:     rm x");
  CHECK_THROWS_WITH(guide_of("```sh\nrm x\n```\n"), "a block without a file's name: ```sh");
  CHECK(guide_of("    sim <- hardware\n", false).commands.empty());
}
