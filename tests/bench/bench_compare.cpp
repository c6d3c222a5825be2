// What a comparison takes of the processor: where two runs of Mixtral differ, from their reports,
// and why, where six parts of the scenario were changed (64 mixtures, bound network).
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "tests/bench/cpu_time.h"
#include "tests/support/temporary_folder.h"
#include "tools/moesim/shipped.h"
#include "tools/study/compare.h"
#include "tools/study/study_inputs.h"
#include "workloads/routing/trace/trace_cache.h"
#include "workloads/run.h"

using namespace moesim;

int main() {
  const tests::TemporaryFolder folder;
  tools::StudyInputs inputs(
      tools::shipped(), std::make_shared<const workloads::TraceCache>(folder.path() / "traces"));
  const std::filesystem::path file = "configs/scenarios/mixtral-8x7b-decode-h100.yaml";
  const auto a = inputs.load(file, {"network=bound"});
  const auto b =
      inputs.load(file, {"network=bound", "cluster=h200-1x8", "precision.kv_cache=fp8",
                         "overlap.two_batch=true", "routing.order=one_per_request",
                         "kernels.all_to_all=deepep_low_latency", "step.batch_per_rank=48"});
  const auto report = [](const workloads::Scenario& s) {
    return workloads::to_json(workloads::run(s), s);
  };
  const sim::io::Json report_a = report(a), report_b = report(b);
  const double begin = tests::cpu_seconds();
  tools::Comparison c = tools::compare_reports(report_a, "A", report_b, "B");
  const double where = tests::cpu_seconds() - begin;
  tools::explain(a, b, c);
  const double why = tests::cpu_seconds() - begin - where;
  fmt::print("{} cells: where {:.1f} ms; {} parts: why {:.2f} s\n", c.where.size(), 1e3 * where,
             c.why.size(), why);
  return c.why.size() == 6 && !c.approximate_why ? 0 : 1;
}
