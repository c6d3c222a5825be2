#include <doctest/doctest.h>

#include "validation/cuda/emulation/machine.h"
#include "validation/cuda/protocol/guarded_machine.h"
#include "validation/cuda/protocol/points_file.h"

using namespace moesim::validation::cuda;

namespace {

// Fails in its router.
class Failing : public emulation::EmulatedMachine {
 public:
  void run(const Operation& operation) override {
    if (std::holds_alternative<EmptyKernel>(operation)) throw OutOfMemory("too large");
    if (std::holds_alternative<RouterArgs>(operation))
      throw MachineError("router: a wrong address");
    EmulatedMachine::run(operation);
  }
};

}  // namespace

TEST_CASE("a kernel is not asked again after one hang or two wrong steps") {
  KernelRecord record;
  CHECK(record.why_not("sort").empty());
  record.wrong("sort", "10");
  record.wrong("sort", "10");  // the same step in another pass
  CHECK(record.why_not("sort").empty());
  CHECK(record.distrusted().empty());
  record.wrong("sort", "11");
  CHECK(record.why_not("sort") == "sort went wrong twice before");
  record.hung("permute");
  CHECK(record.why_not("permute") == "permute hung before");
  record.leave_out("router");
  CHECK(record.why_not("router") == "router is left out");
  // What was asked for is no finding.
  CHECK(record.distrusted() == std::vector<std::string>{"permute", "sort"});
}

TEST_CASE("a record is one word from process to process") {
  KernelRecord record;
  CHECK(record.text().empty());
  record.wrong("sort", "10");
  record.wrong("sort", "grouped-017");
  record.hung("permute");
  record.leave_out("router");
  CHECK(record.text() == "without:router,hung:permute,wrong:sort:10,wrong:sort:grouped-017");
  CHECK(KernelRecord::parse(record.text()).text() == record.text());
  KernelRecord other;
  other.wrong("swiglu", "3");
  other.merge(record);
  CHECK(other.text() == record.text() + ",wrong:swiglu:3");
  for (const char* bad : {"hung", "hung:a:b", "wrong:a", "liked:a"}) {
    CHECK_THROWS_WITH_AS(
        KernelRecord::parse(bad),
        (std::string("a record of kernels that cannot be read: \"") + bad + "\"").c_str(),
        PlanError);
  }
}

TEST_CASE("each point is of a kernel that has a name") {
  const auto kernel = [](const char* op, const char* impl) {
    PlanPoint p;
    p.op = op;
    p.impl = impl;
    return kernel_of(p);
  };
  CHECK(kernel("gemm", "moesim_mma") == "grouped_gemm_mma");
  CHECK(kernel("grouped_gemm", "moesim_fp8") == "grouped_gemm_fp8");
  CHECK(kernel("grouped_gemm", "cublaslt") == "cublaslt");
  CHECK(kernel("layer", "moesim_wgmma") == "layer_wgmma");
  CHECK(kernel("copy", "moesim") == "stream_copy");
  CHECK(kernel("copy", "cuda") == "transfer");
  CHECK(kernel("h2d", "cuda") == "transfer");
  CHECK(kernel("empty", "moesim") == "empty_kernel");
  CHECK(kernel("router", "moesim") == "router");
  // Every operation's name is one of the list.
  const std::vector<std::string>& names = kernel_names();
  for (const Operation& operation :
       {Operation(RouterArgs{}), Operation(GroupedGemm{}), Operation(LibraryGemm{}),
        Operation(EmptyKernel{}), Operation(TransferArgs{}), Operation(CountNanArgs{})}) {
    CHECK(std::find(names.begin(), names.end(), name_of(operation)) != names.end());
  }
}

TEST_CASE("a guarded machine says what it is about to run, and keeps away from what it must not") {
  Failing failing;
  KernelRecord record;
  std::vector<std::string> heard;
  GuardedMachine machine(failing, record,
                         [&](const std::string& kernel) { heard.push_back(kernel); });
  const Operation router = RouterArgs{};
  machine.step("10", "router");
  CHECK_THROWS_WITH_AS(machine.run(router), "router: a wrong address", MachineError);
  CHECK_FALSE(machine.cannot(router));
  machine.step("11", "layer_mma");
  CHECK_THROWS_AS(machine.run(router), MachineError);
  CHECK(machine.cannot(router)->why == "router went wrong twice before");
  CHECK_THROWS_WITH_AS(machine.run(router), "router went wrong twice before", LeftOut);
  CHECK(heard == std::vector<std::string>{"router", "router"});
  // What does not fit into memory says nothing of a kernel.
  for (const char* step : {"1", "2"}) {
    machine.step(step, "empty_kernel");
    CHECK_THROWS_AS(machine.run(EmptyKernel{}), OutOfMemory);
  }
  CHECK_FALSE(machine.cannot(EmptyKernel{}));
  // Several kernels that are timed together are those of the step: nobody is blamed for another.
  Buffer<std::uint64_t> count(machine, 1);
  const std::vector<Operations> sets{{EmptyKernel{}, router}};
  machine.step("12", "layer_mma");
  heard.clear();
  CHECK_THROWS_AS(machine.time(sets, {}), MachineError);
  CHECK(heard == std::vector<std::string>{"layer_mma"});
}

TEST_CASE("points that are gone on with must be of the same card, plan and program") {
  const Metadata before{{"device", "H100"}, {"seed", "1"}, {"free_bytes", "5"}};
  CHECK(why_another(before, {{"device", "H100"}, {"seed", "1"}, {"free_bytes", "7"}}).empty());
  CHECK(why_another(before, {{"device", "H200"}, {"seed", "1"}}) == "device: H100, and now H200");
  CHECK(why_another(before, {{"device", "H100"}, {"seed", "1"}, {"program", "9"}}) ==
        "program: unknown, and now 9");
  CHECK(kernel_that_hung(hung_flag("sort", "no answer")) == "sort");
  CHECK(kernel_that_hung("failed: no answer").empty());
}

TEST_CASE(
    "what is known of kernels is read back from points, and a line that was cut is not there") {
  Plan plan;
  plan.points.resize(2);
  plan.points[0].id = "a";
  plan.points[0].op = "sort";
  plan.points[1].id = "b";
  plan.points[1].op = "permute";
  const std::vector<RunStep> steps{{1, 0}, {1, 1}, {2, 1}, {2, 0}};
  PointResult hung, wrong;
  hung.pass = wrong.pass = 1;
  hung.flags = {hung_flag("fill_normal", "no answer")};
  wrong.flags = {"noisy", "wrong"};
  const std::string text = points_header({{"device", "H100"}}) + point_line(plan.points[0], hung) +
                           point_line(plan.points[1], wrong);
  const PointsSoFar points = parse_points(text + "b,fit", "p.csv", plan, steps);
  CHECK(points.text == text);
  CHECK(points.steps == 2);
  CHECK(points.summary.measured == 2);
  CHECK(points.record.text() == "hung:fill_normal,wrong:permute:b");
  CHECK(points.metadata == Metadata{{"device", "H100"}});
  CHECK(parse_points("", "p.csv", plan, steps).steps == 0);
  // The third line must be b, in the second pass.
  CHECK_THROWS_WITH_AS(
      parse_points(text + point_line(plan.points[0], hung), "p.csv", plan, steps),
      "p.csv:5: expected b in pass 2, not a in pass 1: these are points of another "
      "plan or seed",
      PlanError);
}
