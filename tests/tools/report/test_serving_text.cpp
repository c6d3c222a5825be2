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

TEST_CASE("a service's text says what makes slow gaps slow") {
  workloads::serving::ServingReport r;
  r.completed = 1;
  CHECK(tools::serving_text(r, {}, {}).find("ITL's tail") == std::string::npos);
  r.itl_tail = workloads::serving::ItlTail{
      .tail_ms = 10, .routing = 0.125, .composition = 0.25, .queues = 0.625, .p99_over_p50 = 2.5};
  CHECK(tools::serving_text(r, {}, {}).find(
            "\n  ITL's tail    p99 is 2.50 times p50: 25 % by what else is in a pass, 62 % by "
            "waiting for passes of others, 12 % by routing\n") != std::string::npos);
}

TEST_CASE("a share of the saturation says whose it is: clients who wait were always 100 % of it") {
  workloads::serving::ServingReport r;
  r.completed = 1;
  r.factors[0] = sim::Duration(1);
  r.saturation = {.rate = 1, .capacity = 4, .distance = 0.75, .by = "replicas: 5 run at once"};
  workloads::serving::ServingQuestion q;
  workloads::serving::RequestLaws laws;
  const auto text = [&] {
    q.requests = laws;
    const std::string all = tools::serving_text(r, {}, q);
    const std::string begin =
        "\n  saturation    at about 4.00 requests/s (replicas: 5 run at once): ";
    const auto at = all.find(begin);
    REQUIRE(at != std::string::npos);
    return all.substr(at + begin.size(), all.find('\n', at + 1) - at - begin.size());
  };
  using workloads::serving::ArrivalLaw;
  laws.arrivals.law = ArrivalLaw::Poisson;
  CHECK(text() == "this load is 25 % of it");
  laws.arrivals.law = ArrivalLaw::AtOnce;
  CHECK(text() == "of requests that come at once it serves 25 % of it");
  q.client.concurrency = 32;
  CHECK(text() == "with 32 in flight at most it serves 25 % of it");
  laws.arrivals.law = ArrivalLaw::Closed;
  CHECK(text() == "32 clients, who wait for their answers, bring 25 % of it");
}
