// What holds of every step, whatever the model, the layout and the routing.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "workloads/run.h"
#include "workloads/training/training_report.h"

using namespace moesim;
using namespace moesim::workloads;

namespace {

std::vector<std::filesystem::path> files_in(const std::filesystem::path& folder,
                                            const std::string& extension) {
  std::vector<std::filesystem::path> files;
  if (!std::filesystem::is_directory(folder)) return files;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().extension() == extension) files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  return files;
}

const PhaseReport& phase(const Report& report, Phase which) {
  return report.phases[index_of(which)];
}

// The sums that every report must satisfy.
void check_sums(const Scenario& scenario, const Report& report) {
  // Exposed times and idle sum to the step; a step is a whole number of picoseconds on every rank,
  // so only the rounding of the sum of doubles is left.
  double exposed = report.idle_us;
  for (const PhaseReport& p : report.phases) {
    CHECK(p.exposed_us <= p.busy_us * (1 + 1e-12));
    CHECK(p.waiting_us <= p.exposed_us * (1 + 1e-12));
    exposed += p.exposed_us;
  }
  CHECK(exposed == doctest::Approx(report.step_time_us.mean).epsilon(1e-12));

  // Every selection that the routing gave is computed once.
  const Conservation& sums = report.conservation;
  CHECK(sums.selections == sums.rows + sums.missing);
  CHECK(sums.copies <= sums.selections);
  CHECK(sums.copies_away <= sums.copies);

  // What bounds the step is all of the step.
  double shares = 0;
  for (const BottleneckReport& part : report.bottleneck) shares += part.share;
  CHECK(shares == doctest::Approx(1).epsilon(1e-9));

  // FLOP of the routed experts: 2 x rows x matrices x hidden x inter, shared out over etp.
  double per_row = 0;
  std::size_t layers = 0;
  for (const std::int64_t layer : scenario.deployment.model.moe_layers()) {
    const MoeFfn& moe = *scenario.deployment.model.moe(layer);
    per_row += 2.0 * (moe.gated ? 3 : 2) * static_cast<double>(moe.inter) *
               static_cast<double>(moe.dispatch_width(scenario.deployment.model.hidden));
    ++layers;
  }
  if (layers > 0) {
    per_row /= static_cast<double>(layers);  // one size of experts
    CHECK(phase(report, Phase::Experts).flops ==
          doctest::Approx(per_row * static_cast<double>(sums.rows) /
                          static_cast<double>(report.step_times_us.size()))
              .epsilon(1e-9));
  }
}

// Of a step of training: each rank's times, rows of every micro-batch, three products a matrix.
void check_training(const Scenario& scenario, const RunResult& result) {
  const Report& report = result.report;
  double exposed = report.idle_us;
  for (const PhaseReport& p : report.phases) exposed += p.exposed_us;
  CHECK(exposed == doctest::Approx(report.step_time_us.mean).epsilon(1e-9));
  for (const TrainingReport::RankRow& rank : result.training->ranks)
    CHECK(rank.sum() == doctest::Approx(report.step_time_us.mean).epsilon(1e-9));
  // With a capacity so many times an expert's share; a matrix' products once more where its layer
  // is computed again.
  const TrainingQuestion& q = *scenario.training();
  const double rows = q.capacity.value_or(1) * static_cast<double>(report.conservation.selections);
  CHECK(static_cast<double>(report.conservation.rows) == doctest::Approx(rows).epsilon(1e-9));
  const MoeFfn* moe = scenario.deployment.model.largest_moe();
  if (moe == nullptr) return;  // a dense model
  const double per_row = 2.0 * (moe->gated ? 3 : 2) * static_cast<double>(moe->inter) *
                         static_cast<double>(scenario.deployment.model.hidden);
  const double products = q.recompute.full ? 4 : 3;
  // Rows of 8 bits are filled up: so large a part of those that are computed.
  const double computed = rows / (1 - result.training->aligned_share);
  CHECK(phase(report, Phase::Experts).flops ==
        doctest::Approx(products * per_row * computed).epsilon(1e-9));
}

// Mixtral cut to the shape of a trace, on 8 GPUs, tokens sent straight to their experts.
Scenario shaped_like(const RoutingTrace& trace, const std::filesystem::path& file) {
  Scenario s = load_scenario("configs/scenarios/mixtral-8x7b-decode-h100.yaml", {"network=bound"});
  const TraceInfo& info = trace.info();
  const LayerKind kind = s.deployment.model.layer(0);
  s.deployment.model.kinds = {kind};
  auto& moe = std::get<MoeFfn>(s.deployment.model.kinds[0].ffn);
  moe.experts = info.experts;
  moe.top_k = info.top_k;
  moe.inter = 512;
  s.deployment.model.layers.assign(info.layers, 0);
  s.deployment.routing = {.trace = file, .mapping = {.tokens = TokenMapping::Repeat}};
  s.step()->ranks = {{decoding(64, 4096)}};
  s.step()->count = 2;
  return s;
}

}  // namespace

TEST_CASE("the sums of every scenario that ships add up") {
  for (const auto& file : files_in("configs/scenarios", ".yaml")) {
    CAPTURE(file.string());
    const Scenario scenario = load_scenario(file, {"network=bound"});
    const RunResult result = run(scenario);
    if (result.training)
      check_training(scenario, result);
    else
      check_sums(scenario, result.report);
  }
}

TEST_CASE("the sums add up in every layout") {
  for (const char* layout :
       {"{dp: 8, ep: 8}", "{dp: 8, ep: 4}", "{dp: 8}", "{tp: 8, etp: 8}", "{tp: 2, dp: 4, ep: 8}",
        "{tp: 4, dp: 2, ep: 4, etp: 2}", "{pp: 2, dp: 4, ep: 4}", "{pp: 4, tp: 2, etp: 2}",
        "{cp: 2, tp: 2, dp: 2, ep: 8}", "{tp: 8, ep: 8}"}) {
    for (const char* phase_keys : {"{phase: decode, batch_per_rank: 24, context: 512}",
                                   "{phase: prefill, tokens_per_rank: 2048, prompt: 512}"}) {
      for (const char* two_batch : {"false", "true"}) {
        CAPTURE(layout);
        CAPTURE(phase_keys);
        CAPTURE(two_batch);
        const Scenario scenario = load_scenario(
            "configs/scenarios/mixtral-8x7b-decode-h100.yaml",
            {"network=bound", std::string("parallelism=") + layout,
             std::string("step=") + phase_keys, std::string("overlap.two_batch=") + two_batch});
        const Report report = run(scenario).report;
        check_sums(scenario, report);
        // Every token is routed in every layer, whoever holds it.
        CHECK(report.conservation.routed_tokens == report.conservation.tokens * 32);
        CHECK(report.conservation.selections == report.conservation.routed_tokens * 2);
      }
    }
  }
}

TEST_CASE("dispatched bytes are copies times width times bytes, and come back in the combine") {
  for (const auto& file : files_in("configs/traces", ".h5")) {
    CAPTURE(file.string());
    const Scenario s = shaped_like(RoutingTrace::open(file), file);
    const Report report = run(s).report;
    const auto steps = static_cast<double>(s.step()->count);
    const double bytes = static_cast<double>(report.conservation.copies_away) / steps * 4096 * 2;
    CHECK(phase(report, Phase::Dispatch).network_bytes == bytes);
    CHECK(phase(report, Phase::Combine).network_bytes == bytes);
    check_sums(s, report);
  }
}

TEST_CASE("every real trace gives a report whose sums add up") {
  const auto files = files_in("../shared/data/routing", ".h5");
  if (files.empty()) {
    MESSAGE("no routing traces beside the project: nothing to check");
    return;
  }
  for (const auto& file : files) {
    CAPTURE(file.string());
    const RoutingTrace trace = RoutingTrace::open(file);
    const Scenario s = shaped_like(trace, file);
    const Report report = run(s).report;
    check_sums(s, report);
    CHECK(report.conservation.routed_tokens == std::int64_t{64} * 8 * 2 * trace.info().layers);
    CHECK(phase(report, Phase::Dispatch).network_bytes ==
          phase(report, Phase::Combine).network_bytes);
  }
}

TEST_CASE("a report is the same to the byte when it is made again") {
  const Scenario s = load_scenario("configs/scenarios/mixtral-8x7b-decode-h100.yaml", {});
  CHECK(sim::io::to_text(to_json(run(s).report, resolved(s))) ==
        sim::io::to_text(to_json(run(s).report, resolved(s))));
}

TEST_CASE("a cluster with faster links is never slower") {
  double last = 1e30;
  for (const char* algorithm : {"nccl"}) {
    for (const double factor : {0.5, 1.0, 2.0}) {
      Scenario s = load_scenario("configs/scenarios/qwen3-235b-decode-h200.yaml",
                                 {std::string("kernels.all_to_all=") + algorithm});
      s.deployment.cluster.scale_up.bandwidth = s.deployment.cluster.scale_up.bandwidth * factor;
      s.deployment.cluster.scale_out.bandwidth = s.deployment.cluster.scale_out.bandwidth * factor;
      s.deployment.cluster.topology = hardware::make_topology(s.deployment.cluster);
      const double time = run(s).report.step_time_us.mean;
      CHECK(time <= last * 1.01);  // the tolerance of the fluid network
      last = time;
    }
  }
}

TEST_CASE("two batches that overlap hide exchanges and nothing else") {
  const std::string file = "configs/scenarios/deepseek-v3-prefill-h800-ep32.yaml";
  const auto exposed = [&](const char* overlap) {
    const Report report =
        run(load_scenario(file, {"network=bound", std::string("overlap.two_batch=") + overlap}))
            .report;
    return phase(report, Phase::Dispatch).exposed_us + phase(report, Phase::Combine).exposed_us;
  };
  CHECK(exposed("true") < 0.5 * exposed("false"));
}

TEST_CASE("a report is the same to the byte on 1, 2 and 7 threads") {
  // Steps of two kinds, where prompts are prefilled beside the decode, and flows.
  const std::string file = "configs/scenarios/mixtral-8x7b-decode-h100.yaml";
  for (const char* network : {"network=bound", "network=fluid"}) {
    const Scenario s = load_scenario(
        file, {network, "step.count=3", "step.refill={prompt: 1000, output: 100, chunk: 500}"});
    const auto report = [&](std::size_t threads) {
      std::vector<std::int64_t> told;
      const RunOptions options{
          .keep_timeline = true,
          .threads = threads,
          .progress = [&](std::int64_t step, std::int64_t) { told.push_back(step); }};
      RunResult result = run(s, options);
      CHECK(told.size() >= 3);
      CHECK(std::ranges::is_sorted(told));
      REQUIRE(result.recording.has_value());
      return sim::io::to_text(to_json(result.report, resolved(s))) + "\n" +
             std::to_string(result.recording->timeline.finish.time_since_epoch().count());
    };
    const std::string alone = report(1);
    CHECK(report(2) == alone);
    CHECK(report(7) == alone);
  }
}
