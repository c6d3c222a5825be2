#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <ostream>

#include "tools/moesim/trace/trace_commands.h"
#include "tools/moesim/trace/trace_file.h"

namespace moesim::tools {
namespace {

using sim::io::Json;
using workloads::ExpertId;
using workloads::TokenColumn;

constexpr std::uint64_t kSlab = 1 << 16;
constexpr std::size_t kMostTokens = 1'000'000;

// The rows of the trace that belong to the request, in the file's order.
std::vector<std::uint64_t> rows_of(const workloads::RoutingTrace& trace, std::uint32_t request) {
  std::vector<std::uint64_t> rows;
  std::vector<std::uint32_t> requests;
  for (std::uint64_t first = 0; first < trace.info().tokens; first += kSlab) {
    trace.read_column(TokenColumn::Request, first, std::min(kSlab, trace.info().tokens - first),
                      requests);
    for (std::size_t i = 0; i < requests.size(); ++i) {
      if (requests[i] == request) rows.push_back(first + i);
    }
    if (rows.size() > kMostTokens) {
      throw sim::ConfigError(
          fmt::format("request {} has more than {} tokens", request, kMostTokens));
    }
  }
  return rows;
}

sim::ExitCode run(const Arguments& arguments, Console console) {
  const auto trace = workloads::RoutingTrace::open(trace_file(arguments.text("TRACE")));
  const auto& info = trace.info();
  const auto request = static_cast<std::uint32_t>(arguments.integer("REQUEST", 0, 0xFFFFFFFF));
  if (!info.per_token || !info.has_requests) {
    throw sim::InputError(
        fmt::format("{}: does not say which request a token is of (/token/request_id)", info.file));
  }
  const auto rows = rows_of(trace, request);
  if (rows.empty())
    throw sim::ConfigError(fmt::format("{}: has no request {}", info.file, request));

  Json tokens = Json::array();
  std::vector<std::vector<std::uint32_t>> used(info.layers,
                                               std::vector<std::uint32_t>(info.experts));
  std::vector<ExpertId> ids;
  std::vector<float> weights;
  std::vector<std::uint32_t> column;
  const auto value = [&](TokenColumn which, std::uint64_t row, std::uint32_t otherwise) {
    return trace.read_column(which, row, 1, column) ? column[0] : otherwise;
  };
  std::string domain;
  for (const std::uint64_t row : rows) {
    trace.read_ids(row, 1, ids);
    if (info.has_weights) trace.read_weights(row, 1, weights);
    Json layers = Json::array();
    for (std::uint32_t l = 0; l < info.layers; ++l) {
      Json experts = Json::array(), gates = Json::array();
      for (std::uint32_t k = 0; k < info.top_k; ++k) {
        const ExpertId id = ids[l * info.top_k + k];
        if (id == workloads::kMissingExpert) continue;
        ++used[l][id];
        experts.push_back(id);
        if (info.has_weights) gates.push_back(weights[l * info.top_k + k]);
      }
      Json layer = {{"layer", info.layer_ids[l]}, {"experts", experts}};
      if (info.has_weights) layer["weights"] = gates;
      layers.push_back(layer);
    }
    Json token = {{"row", row}};
    if (info.has_positions) token["position"] = value(TokenColumn::Position, row, 0);
    if (info.has_phases) token["phase"] = value(TokenColumn::Phase, row, 0);
    token["layers"] = layers;
    tokens.push_back(token);
    if (info.has_domains && !info.domains.empty())
      domain = info.domains[value(TokenColumn::Domain, row, 0)];
  }

  Json summary = Json::array();
  std::string text = fmt::format(
      "{}: request {}, {} tokens{}\n\n  {:>5}  {:>8}  tokens on each expert, most first\n",
      info.file, request, rows.size(), domain.empty() ? "" : ", domain " + domain, "layer",
      "distinct");
  for (std::uint32_t l = 0; l < info.layers; ++l) {
    std::vector<std::uint32_t> order;
    for (std::uint32_t e = 0; e < info.experts; ++e) {
      if (used[l][e] > 0) order.push_back(e);
    }
    std::stable_sort(order.begin(), order.end(),
                     [&](auto a, auto b) { return used[l][a] > used[l][b]; });
    Json experts = Json::array();
    text += fmt::format("  {:>5}  {:>8} ", info.layer_ids[l], order.size());
    for (const std::uint32_t e : order) {
      experts.push_back({{"expert", e}, {"tokens", used[l][e]}});
      text += fmt::format(" {}x{}", e, used[l][e]);
    }
    text += "\n";
    summary.push_back({{"layer", info.layer_ids[l]}, {"experts", experts}});
  }
  if (arguments.json()) {
    console.out << sim::io::to_text(Json{{"file", info.file},
                                         {"request", request},
                                         {"domain", domain},
                                         {"per_layer", summary},
                                         {"tokens", tokens}});
  } else {
    console.out << text;
  }
  return sim::ExitCode::Ok;
}

}  // namespace

Command trace_request_command() {
  return {
      .name = "trace request",
      .summary = "which experts one request used, layer by layer",
      .description =
          "For audits and incident reviews. The JSON form lists every token with its experts and "
          "gate weights.",
      .options = {{.name = "TRACE",
                   .value = "",
                   .help = "a routing trace with request ids",
                   .required = true,
                   .is_file = true},
                  {.name = "REQUEST",
                   .value = "",
                   .help = "the request's number in the trace",
                   .required = true},
                  format_option()},
      .examples = {"moesim trace request trace.h5 17",
                   "moesim trace request trace.h5 17 --format json"},
      .run = run,
  };
}

}  // namespace moesim::tools
