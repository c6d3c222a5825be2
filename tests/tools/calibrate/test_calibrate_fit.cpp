#include <doctest/doctest.h>
#include <fmt/format.h>

#include <cmath>
#include <fstream>
#include <sstream>

#include "hardware/device.h"
#include "sim/error.h"
#include "sim/io/csv.h"
#include "tests/support/temporary_folder.h"
#include "tools/moesim/command.h"

using namespace moesim;

namespace {

// What the command says on standard error; its error's text where it fails.
std::string fit(std::vector<std::string> tables, const std::string& output) {
  for (const tools::Command& command : tools::commands()) {
    if (command.name != "calibrate fit") continue;
    tools::Arguments arguments;
    arguments.values = {{"TABLE", std::move(tables)},
                        {"device", {"h100"}},
                        {"format", {"text"}},
                        {"evaluations", {"100"}},
                        {"output", {output}}};
    std::ostringstream out, err;
    try {
      command.run(arguments, {out, err});
    } catch (const sim::Error& error) {
      return error.what();
    }
    return err.str();
  }
  return "no command";
}

// 24 products in fp8 and as many in bf16, about as long as H100's take.
void write_products(const std::string& file) {
  std::ofstream out(file);
  out << "gemm_dtype,m,n,k,latency_us\n";
  for (int i = 0; i < 24; ++i)
    for (const char* format : {"fp8", "bfloat16"})
      out << fmt::format("{},{},{},4096,{}\n", format, 1 << (i % 6), 1024 << (i % 4),
                         12 + i % 4 * 3);
}

}  // namespace

TEST_CASE("a table's engine is taken from its name, and no fit takes another's place in silence") {
  const tests::TemporaryFolder folder;
  const auto file = [&](const char* name) { return (folder.path() / name).string(); };
  write_products(file("gemm_sglang.csv"));
  write_products(file("mine.csv"));
  write_products(file("gemm_trtllm.csv"));
  CHECK(fit({file("gemm_trtllm.csv")}, file("o.yaml")) ==
        fmt::format("{}: taken for kernels of trtllm, by its name; IMPL=FILE or --impl says else\n",
                    file("gemm_trtllm.csv")));
  CHECK(fit({file("gemm_sglang.csv")}, file("o.yaml")).find("kernels of sglang") !=
        std::string::npos);
  CHECK(hardware::load_fitted(file("o.yaml")).size() == 4);
  // Both commands are at the top of the file, in their order.
  const std::string text = sim::io::read_text(file("o.yaml"));
  const std::size_t first = text.find("# moesim calibrate fit --device h100 gemm_trtllm.csv");
  CHECK(first != std::string::npos);
  CHECK(text.find("# moesim calibrate fit --device h100 gemm_sglang.csv", first) !=
        std::string::npos);
  // The kind's own is trtllm, which is there.
  CHECK(fit({file("mine.csv")}, file("o.yaml")) ==
        fmt::format("{}: gemm trtllm fp8 is there already, fitted on gemm_trtllm.csv on H100 SXM; "
                    "whose kernels are these? IMPL=FILE or --impl says, --impl trtllm replaces it",
                    file("mine.csv")));
  CHECK(fit({"trtllm=" + file("mine.csv")}, file("o.yaml")).empty());
  CHECK(hardware::load_fitted(file("o.yaml")).size() == 4);
}

TEST_CASE("two tables of the same kernels are refused apart and fitted as one") {
  const tests::TemporaryFolder folder;
  const auto file = [&](const char* name) { return (folder.path() / name).string(); };
  write_products(file("a.csv"));
  write_products(file("b.csv"));
  CHECK(fit({"x=" + file("a.csv"), "x=" + file("b.csv")}, file("o.yaml")) ==
        fmt::format("{} and {} are both of gemm x fp8: IMPL=FILE says whose one of them is, "
                    "FILE+FILE fits them as one table",
                    file("a.csv"), file("b.csv")));
  CHECK(fit({"x=" + file("a.csv") + "+" + file("b.csv")}, file("o.yaml")).empty());
  for (const hardware::FittedModel& m : hardware::load_fitted(file("o.yaml")))
    CHECK(m.points == 48);
  std::ofstream(file("c.csv")) << "gemm_dtype,m,n,k\nfp8,1,1,1\n";
  CHECK(fit({"x=" + file("a.csv") + "+" + file("c.csv")}, file("o.yaml")) ==
        fmt::format("{} and {} have other columns: they are no one table", file("a.csv"),
                    file("c.csv")));
}
