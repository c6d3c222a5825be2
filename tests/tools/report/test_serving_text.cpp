#include "tools/report/serving_text.h"

#include <doctest/doctest.h>

#include <string>

#include "workloads/report/report.h"

using namespace moesim;

TEST_CASE("a throughput says how long of it no request came any more, where that matters") {
  workloads::serving::ServingReport r;
  r.gpus = 4;
  r.duration_s = 100;
  const auto text = [&](double drain_s) {
    r.drain_s = drain_s;
    return tools::serving_text(r, {}, {});
  };
  const std::string told =
      "  throughput    0 tokens/s out, 0.0 per GPU (4 GPUs); 0 in and out\n"
      "                until the last answer: 12.0 s, 12 % of the time, are after the last request "
      "came\n";
  CHECK(text(12).find(told) != std::string::npos);
  // A twentieth is not told.
  CHECK(text(5.1).find("until the last answer: 5.1 s, 5 %") != std::string::npos);
  CHECK(text(5).find("until the last answer") == std::string::npos);
}

TEST_CASE("a service's text says what its cards draw") {
  workloads::serving::ServingReport r;
  r.gpus = 4;
  workloads::Report report;
  CHECK(tools::serving_text(r, report, {}).find("energy") == std::string::npos);
  report.energy = workloads::EnergyReport{.tokens = "output",
                                          .gpu_w = 500,
                                          .total_w = 2000,
                                          .gpu_j_per_token = 0.25,
                                          .total_j_per_token = 0.25,
                                          .error = 0.22};
  CHECK(tools::serving_text(r, report, {})
            .find("\n  energy        0.25 J per output token, 500 W a GPU (+-22 %)\n") !=
        std::string::npos);
}
