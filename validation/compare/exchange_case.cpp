#include "validation/compare/exchange_case.h"

#include <nlohmann/json.hpp>

#include "hardware/network/play.h"
#include "workloads/exchange/exchange_question.h"

namespace moesim::validation {

namespace {

using sim::io::YamlNode;

hardware::Precision precision_of(const YamlNode& node) {
  return hardware::kPrecisions[node.one_of(hardware::kPrecisionNames)];
}

}  // namespace

sim::io::Json run_exchange_case(const YamlNode& node) {
  node.allow_only({"cluster", "ranks", "algorithm", "tokens", "hidden", "top_k", "experts",
                   "groups", "groups_per_token", "law", "skew", "seed", "sms", "network",
                   "dispatch", "combine"});
  workloads::ExchangeQuestion question;
  auto& tokens = question.tokens;
  question.ranks = node.at("ranks").integer(1, hardware::kMostDevices);
  const auto algorithms = workloads::exchange_algorithms();
  question.algorithm = algorithms[node.at("algorithm").one_of(algorithms)];
  tokens.tokens_per_rank = node.at("tokens").integer(1, 1 << 20);
  tokens.hidden = node.at("hidden").integer(1, 1 << 20);
  tokens.top_k = static_cast<std::uint32_t>(node.at("top_k").integer(1, 1024));
  tokens.experts = static_cast<std::uint32_t>(node.at("experts").integer(1, 65535));
  const auto small = [&](const char* key, std::uint32_t& into) {
    if (const auto found = node.find(key)) {
      into = static_cast<std::uint32_t>(found->integer(1, 65535));
    }
  };
  small("groups", tokens.groups);
  small("groups_per_token", tokens.groups_per_token);
  if (const auto law = node.find("law")) {
    tokens.law = static_cast<workloads::Law>(law->one_of(workloads::kLawNames));
  }
  tokens.skew = workloads::default_skew(tokens.law);
  if (const auto skew = node.find("skew")) tokens.skew = skew->number(0, 100);
  if (const auto seed = node.find("seed")) {
    tokens.seed = static_cast<std::uint64_t>(seed->integer(0));
  }
  if (const auto sms = node.find("sms")) tokens.sms = sms->integer(1, 1024);
  auto fidelity = hardware::Fidelity::Fluid;
  if (const auto network = node.find("network")) {
    if (network->one_of({"fluid", "bound"}) == 1) fidelity = hardware::Fidelity::Bound;
  }
  const hardware::Precision out = precision_of(node.at("dispatch"));
  const hardware::Precision back = precision_of(node.at("combine"));
  const YamlNode file = node.at("cluster");
  (void)file.text();
  node.throw_errors();
  const auto cluster = hardware::load_cluster(file.file());

  sim::io::Json report = sim::io::Json::object();
  for (const bool is_back : {false, true}) {
    tokens.back = is_back;
    tokens.precision = is_back ? back : out;
    const auto exchange = make_exchange(cluster, question).exchange;
    const auto played = hardware::play_exchange(cluster, exchange, fidelity, 0.01);
    const auto volumes = workloads::token_volumes(cluster, question);
    const double us = sim::to_us(played.completion);
    const std::string way = is_back ? "combine_" : "dispatch_";
    report[way + "us"] = us;
    report[way + "far_GBps"] = volumes.node_bytes / us * 1e-3;
    report[way + "near_GBps"] = volumes.copy_bytes / us * 1e-3;
    report[way + "message_GBps"] = volumes.message_bytes / us * 1e-3;
  }
  return report;
}

}  // namespace moesim::validation
