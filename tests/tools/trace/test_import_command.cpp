#include <doctest/doctest.h>

#include <fstream>
#include <sstream>

#include "tests/workloads/routing/trace_files.h"
#include "tools/moesim/trace/trace_commands.h"
#include "workloads/routing/importers/importers.h"
#include "workloads/routing/trace/trace.h"

using namespace moesim;
using namespace moesim::tools;
using moesim::tests::Folder;

TEST_CASE("every importer is offered, explained and in the README") {
  const Command command = trace_import_command();
  const Option* from = nullptr;
  for (const Option& option : command.options) {
    if (option.name == "--from") from = &option;
  }
  REQUIRE(from != nullptr);
  std::ostringstream readme;
  readme << std::ifstream("workloads/routing/README.md").rdbuf();
  std::vector<std::string> names;
  std::string description;
  for (const workloads::Importer& importer : workloads::kImporters) {
    const std::string name(importer.name);
    CAPTURE(name);
    names.push_back(name);
    description += name + ": " + std::string(importer.reads) + ". ";
    CHECK(readme.str().find("\n| `" + name + "` | ") != std::string::npos);
  }
  CHECK(from->choices == names);
  CHECK(command.description.starts_with(description));
}

TEST_CASE("--from chooses the importer") {
  const Folder folder;
  std::ofstream(folder / "c.csv") << "layer,expert,count\n0,0,3\n0,1,1\n";
  std::ostringstream out, err;
  const std::string trace = (folder / "t.h5").string();
  const auto code = trace_import_command().run(Arguments{{{"FILE", {(folder / "c.csv").string()}},
                                                          {"from", {"counts"}},
                                                          {"top-k", {"2"}},
                                                          {"output", {trace}}}},
                                               Console{out, err});
  CHECK(code == sim::ExitCode::Ok);
  CHECK(err.str() == trace + ": 2 tokens from 2 records\n");
  CHECK_FALSE(workloads::RoutingTrace::open(trace).info().per_token);
}
