#include <fmt/format.h>

#include <chrono>
#include <cmath>
#include <nlohmann/json.hpp>
#include <optional>
#include <ostream>
#include <string>

#include "sim/io/atomic_file.h"
#include "sim/io/json.h"
#include "sim/units_range.h"
#include "sim/units_text.h"
#include "tools/moesim/html_output.h"
#include "tools/moesim/network/network_commands.h"
#include "tools/moesim/sized_cluster.h"
#include "tools/report/page_kinds.h"
#include "tools/report/step_figures.h"
#include "workloads/exchange/exchange_question.h"

namespace moesim::tools {

namespace {

using sim::Bytes;
using sim::ConfigError;
using workloads::ExchangeInput;
using workloads::ExchangeQuestion;

Bytes bytes_of(const Arguments& arguments) {
  const std::string text = arguments.text("bytes");
  auto bytes = sim::parse_bytes(text);
  // The option's name is the unit of a plain number.
  if (!bytes) bytes = sim::parse_bytes(text + " B");
  if (const std::string why = sim::wrong_bytes(text); !bytes && !why.empty()) {
    throw ConfigError(fmt::format("--bytes: \"{}\" {}", text, why));
  }
  if (!bytes) {
    throw ConfigError(fmt::format("--bytes: expected a size, such as {} or 1048576, not \"{}\"",
                                  sim::kBytesExample, text));
  }
  return *bytes;
}

// Options that say what is sent, by what an algorithm takes.
void refuse(const Arguments& arguments, const std::string& algorithm,
            std::initializer_list<const char*> options, const char* why) {
  for (const char* option : options) {
    if (arguments.has(option)) {
      throw ConfigError(
          fmt::format("--{}: does not apply to --algorithm {}, {}", option, algorithm, why));
    }
  }
}

void refuse_what_does_not_apply(const Arguments& arguments, const std::string& algorithm) {
  switch (workloads::input_of(algorithm)) {
    case ExchangeInput::Tokens:
      refuse(arguments, algorithm, {"bytes", "matrix"}, "which takes tokens: --tokens, --hidden");
      return;
    case ExchangeInput::Buffer:
      refuse(arguments, algorithm,
             {"matrix", "law", "skew", "tokens", "hidden", "top-k", "experts", "precision",
              "combine", "sms"},
             "which takes one buffer: --bytes");
      return;
    case ExchangeInput::Transfers:
      refuse(arguments, algorithm,
             {"tokens", "hidden", "top-k", "experts", "precision", "combine", "sms"},
             "which takes bytes of pairs: --bytes or --matrix");
      if (arguments.has("matrix")) {
        refuse(arguments, algorithm + " --matrix", {"law", "skew"},
               "which says every pair's bytes");
      }
      if (arguments.find("law").value_or("uniform") == "uniform") {
        refuse(arguments, algorithm, {"skew"}, "where all pairs are alike: --law zipf has a skew");
      }
  }
}

void read_tokens(const Arguments& arguments, workloads::TokenQuestion& tokens) {
  const auto count = [&](const char* name, std::int64_t most, std::int64_t fallback) {
    return arguments.has(name) ? arguments.integer(name, 1, most) : fallback;
  };
  tokens.tokens_per_rank = count("tokens", 1 << 20, 128);
  tokens.hidden = count("hidden", 1 << 20, 7168);
  tokens.top_k = static_cast<std::uint32_t>(count("top-k", 1024, 8));
  tokens.experts = static_cast<std::uint32_t>(count("experts", workloads::kMostExperts, 256));
  tokens.sms = count("sms", 1024, 20);
  tokens.back = arguments.has("combine");
  const std::string law = arguments.find("law").value_or("uniform");
  tokens.law = workloads::law_from_name(law);
  tokens.skew = arguments.find("skew") ? arguments.number("skew", 0, 100)
                                       : workloads::default_skew(tokens.law);
  const std::string precision =
      arguments.find("precision").value_or(tokens.back ? "bf16" : "fp8_block");
  const auto parsed = hardware::parse_precision(precision);
  if (!parsed) throw ConfigError(fmt::format("--precision: there is no \"{}\"", precision));
  tokens.precision = *parsed;
}

ExchangeQuestion question_of(const Arguments& arguments) {
  ExchangeQuestion question;
  question.ranks = arguments.integer("ranks", 1, hardware::kMostDevices);
  question.algorithm = arguments.text("algorithm");
  const auto ranks = static_cast<sim::Rank>(question.ranks);
  const auto seed = static_cast<std::uint64_t>(arguments.integer("seed", 0, 1LL << 62));
  question.tokens.seed = seed;
  refuse_what_does_not_apply(arguments, question.algorithm);
  switch (workloads::input_of(question.algorithm)) {
    case ExchangeInput::Tokens:
      read_tokens(arguments, question.tokens);
      break;
    case ExchangeInput::Buffer:
      if (!arguments.has("bytes")) {
        throw ConfigError(fmt::format("--algorithm {} needs --bytes, the size of the whole buffer",
                                      question.algorithm));
      }
      question.buffer = bytes_of(arguments);
      break;
    case ExchangeInput::Transfers:
      if (arguments.has("matrix") == arguments.has("bytes")) {
        throw ConfigError(
            "what is sent: give either --bytes SIZE (of each pair; with --law zipf their mean) or "
            "--matrix FILE.csv");
      }
      if (arguments.has("matrix")) {
        question.transfers = read_matrix(arguments.text("matrix"), ranks);
      } else if (const auto law = arguments.find("law"); law && *law == "zipf") {
        const double skew = arguments.has("skew") ? arguments.number("skew", 0, 100) : 1;
        question.transfers = workloads::zipf_transfers(ranks, bytes_of(arguments), skew, seed);
      } else if (law && *law != "uniform") {
        throw ConfigError(
            fmt::format("--law: bytes of pairs are uniform or zipf; {} is a law of tokens", *law));
      } else {
        question.each_pair = bytes_of(arguments);
      }
      break;
  }
  return question;
}

// nccl-tests' bandwidths (its doc/PERFORMANCE.md), GB = 10^9 bytes.
struct Bandwidths {
  double algorithm = 0, bus = 0;
};

// algbw = S / t. S is the whole buffer; of transfers and tokens what the busiest rank sends, its
// part to itself included where all parts are equal. busbw = algbw x what the algorithm moves over
// a port: (n - 1) / n, twice that for an all-reduce.
Bandwidths bandwidths_of(const ExchangeQuestion& question, const sim::Exchange& exchange,
                         sim::Duration time) {
  const auto n = static_cast<double>(question.ranks);
  const double us = sim::to_us(time);
  if (!(us > 0)) return {};
  double size = static_cast<double>(question.buffer.count());
  double moved = (n - 1) / n;
  if (question.algorithm.starts_with("all_reduce")) moved *= 2;
  if (question.algorithm == "broadcast") moved = 1;
  if (workloads::input_of(question.algorithm) != ExchangeInput::Buffer) {
    std::vector<double> sent(exchange.participants.back() + 1, 0);
    sim::for_each_transfer(exchange, [&](const sim::Transfer& t) {
      sent[t.source] += static_cast<double>(t.bytes.count());
    });
    size = *std::max_element(sent.begin(), sent.end()) * (n > 1 ? n / (n - 1) : 0);
  }
  const double algorithm = size / us * 1e-3;
  return {algorithm, algorithm * moved};
}

// Whose numbers the time rests on, and what the true one is with 80 %.
void print_trust(const hardware::Trust& trust, sim::Duration completion, std::ostream& out) {
  if (trust.use == nullptr) return;
  const auto times = [&](double ratio) {
    return sim::to_text(
        sim::Duration(std::llround(static_cast<double>(completion.count()) * ratio)));
  };
  out << fmt::format("  priced by     {} {}: 80 % interval {} to {}\n", trust.use->kind,
                     trust.use->used, times(trust.p10), times(trust.p90));
  if (const std::string why = reason_of(*trust.use, trust.outside); !why.empty())
    out << fmt::format("  extrapolated  {}\n", why);
}

// What the tolerance costs, of flows that have one.
struct Lateness {
  // Of the completion: no play is faster than the lower bound, so an exact one is no earlier.
  double most = 0;
  // Of its time, the most that a full port idled because rates were computed late; nothing where
  // none did, or flows are played over links, where it is not counted.
  std::optional<double> idled = {};
};

std::optional<Lateness> lateness_of(const Arguments& arguments,
                                    const hardware::PlayedExchange& played) {
  if (arguments.text("network") == "bound" || arguments.number("tolerance", 0, 0.5) == 0) return {};
  const double completion = sim::to_us(played.completion);
  Lateness late;
  if (completion > 0) late.most = std::max(0.0, 1 - sim::to_us(played.lower_bound) / completion);
  if (played.counters.wasted > 0) late.idled = played.counters.wasted;
  return late;
}

// Links carry more than what is sent, where a kernel does not reach their rate.
std::string wire_text(const sim::Exchange& exchange) {
  std::string text;
  for (const auto& [name, wire] :
       {std::pair{"in a node", exchange.near}, {"between nodes", exchange.far}})
    if (wire.factor != 1)
      text += fmt::format("{}{:.3g} times {}", text.empty() ? "" : ", ", wire.factor, name);
  if (text.empty()) return {};
  return fmt::format(
      "  of which      links' bytes are those of the time that they are taken for, at full rate: "
      "what "
      "is sent {}, with headers and what the protocol leaves of their rate\n",
      text);
}

void print_text(const ExchangeQuestion& question, const sim::Exchange& exchange,
                const hardware::Cluster& cluster, const hardware::Trust& trust,
                const hardware::PlayedExchange& played, const Bandwidths& bandwidths,
                double tolerance, const std::optional<Lateness>& late, std::optional<double> wall,
                std::int64_t most_links, std::ostream& out) {
  out << fmt::format("{} of {} ranks on {}\n", question.algorithm, question.ranks, cluster.name);
  out << fmt::format("  completion    {}\n", sim::to_text(played.completion));
  out << fmt::format(
      "  lower bound   {}  (start-up and the busiest port alone: {:.1f} % of the time)\n",
      sim::to_text(played.lower_bound),
      100 * sim::to_us(played.lower_bound) / std::max(1e-6, sim::to_us(played.completion)));
  if (late) {
    out << fmt::format(
        "  tolerance     {:g} %: late by {:.2f} % at most{}\n", 100 * tolerance, 100 * late->most,
        late->idled
            ? fmt::format("; a full port idled {:.2g} % of its time at most", 100 * *late->idled)
            : "");
  }
  print_trust(trust, played.completion, out);
  out << fmt::format("  bandwidth     {:.2f} GB/s (algorithm), {:.2f} GB/s (bus)\n",
                     bandwidths.algorithm, bandwidths.bus);
  const std::string took = wall ? fmt::format("{:.3f} s, ", *wall) : "";
  out << fmt::format("  simulation    {}{} events, {} flows, {} computations of rates\n", took,
                     played.events, played.counters.flows, played.counters.rate_computations);
  if (played.links.empty()) return;
  out << fmt::format("  busiest links {:<40} {:>10} {:>12} {:>6}\n", "", "bytes", "capacity",
                     "busy");
  for (std::size_t i = 0; i < std::min(played.links.size(), static_cast<std::size_t>(most_links));
       ++i) {
    const auto& link = played.links[i];
    out << fmt::format("    {:<50} {:>10} {:>12} {:>5.1f}%\n", link.name, sim::to_text(link.bytes),
                       sim::to_text(link.capacity),
                       100 * sim::to_us(link.busy) / sim::to_us(played.completion));
  }
  out << wire_text(exchange);
}

sim::io::Json to_json(const Arguments& arguments, const ExchangeQuestion& question,
                      const hardware::Cluster& cluster, const hardware::Trust& trust,
                      const hardware::PlayedExchange& played, const Bandwidths& bandwidths,
                      const std::optional<Lateness>& late, std::optional<double> wall) {
  sim::io::Json json = sim::io::Json::object();
  json["schema_version"] = 1;
  json["cluster"] = cluster.name;
  json["ranks"] = question.ranks;
  json["algorithm"] = question.algorithm;
  json["network"] = arguments.text("network");
  json["tolerance"] =
      arguments.text("network") == "fluid" ? arguments.number("tolerance", 0, 0.5) : 0.0;
  json["late_at_most"] = late ? late->most : 0.0;
  json["idled_at_most"] = late && late->idled ? sim::io::Json(*late->idled) : sim::io::Json();
  json["completion_us"] = sim::to_us(played.completion);
  json["lower_bound_us"] = sim::to_us(played.lower_bound);
  if (trust.use != nullptr) {
    json["priced_by"] = trust.use->kind + " " + trust.use->used;
    json["interval"]["completion_us"] = {{"p10", sim::to_us(played.completion) * trust.p10},
                                         {"p90", sim::to_us(played.completion) * trust.p90}};
    json["extrapolated"] = reason_of(*trust.use, trust.outside);
  }
  json["algbw_GBps"] = bandwidths.algorithm;
  json["busbw_GBps"] = bandwidths.bus;
  json["wall_s"] = wall ? sim::io::Json(*wall) : sim::io::Json();
  json["events"] = played.events;
  json["flows"] = played.counters.flows;
  json["rate_computations"] = played.counters.rate_computations;
  json["flows_touched"] = played.counters.flows_touched;
  sim::io::Json& links = json["links"] = sim::io::Json::array();
  for (const auto& link : played.links) {
    links.push_back({{"name", link.name},
                     {"kind", std::string(name_of(link.kind))},
                     {"bytes", link.bytes.count()},
                     {"busy_us", sim::to_us(link.busy)},
                     {"busy_fraction", sim::to_us(link.busy) / sim::to_us(played.completion)},
                     {"capacity_GBps", link.capacity.bytes_per_second() * 1e-9}});
  }
  return json;
}

sim::ExitCode run(const Arguments& arguments, Console console) {
  const auto cluster = named_cluster(arguments.text("CLUSTER"), overrides_of(arguments));
  const ExchangeQuestion question = question_of(arguments);
  const hardware::PricedExchange priced = make_exchange(cluster, question);
  const sim::Exchange& exchange = priced.exchange;
  const auto fidelity =
      arguments.text("network") == "bound" ? hardware::Fidelity::Bound : hardware::Fidelity::Fluid;
  const double tolerance = arguments.number("tolerance", 0, 0.5);
  const auto start = std::chrono::steady_clock::now();
  const auto played = hardware::play_exchange(cluster, exchange, fidelity, tolerance);
  // How long it took here and now: told where it is asked for, so that equal questions have answers
  // that are equal to the byte.
  std::optional<double> wall;
  if (arguments.has("time"))
    wall = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  const Bandwidths bandwidths = bandwidths_of(question, exchange, played.completion);
  if (const auto file = arguments.find("timeline")) {
    sim::io::write_file(*file, exchange_trace(exchange, played));
  }
  const std::optional<Lateness> late = lateness_of(arguments, played);
  const sim::io::Json json =
      to_json(arguments, question, cluster, priced.trust, played, bandwidths, late, wall);
  if (const auto html = arguments.find("html")) {
    Page page = exchange_page(json);
    add_exchange_figures(exchange, played, *cluster.topology, page);
    write_page(*html, page, json);
  }
  if (arguments.json()) {
    console.out << sim::io::to_text(json);
  } else {
    print_text(question, exchange, cluster, priced.trust, played, bandwidths, tolerance, late, wall,
               arguments.integer("links", 0, 1'000'000), console.out);
  }
  return sim::ExitCode::Ok;
}

}  // namespace

Command exchange_command() {
  std::vector<std::string> algorithms(workloads::exchange_algorithms().begin(),
                                      workloads::exchange_algorithms().end());
  return {
      .name = "exchange",
      .summary = "one exchange alone on a cluster: its time, its bound, the busiest links",
      .description =
          "Plays one exchange between the first ranks of a cluster. direct sends the bytes of each "
          "pair as they are; nccl does it with the library's costs; the collectives take the size "
          "of "
          "the whole buffer, as nccl-tests does; the token algorithms route tokens to experts by a "
          "law. Bandwidths are nccl-tests': algbw = size / time, busbw = what a port carries; of "
          "pairs the size is n times the mean that the busiest rank sends.",
      .options = {{.name = "CLUSTER",
                   .value = "",
                   .help = "a cluster's .yaml, or a name in configs/clusters",
                   .required = true,
                   .is_file = true},
                  {.name = "--ranks", .value = "N", .help = "the first N ranks", .required = true},
                  {.name = "--bytes",
                   .value = "SIZE",
                   .help = "of each pair (direct, nccl), or of the whole buffer (collectives)"},
                  {.name = "--matrix",
                   .value = "FILE",
                   .help = "bytes of every pair as CSV, row = source, column = destination",
                   .is_file = true},
                  {.name = "--law",
                   .value = "LAW",
                   .help = "how sizes or tokens are distributed; of pairs: uniform, zipf (of "
                           "destinations)",
                   .choices = {"balanced", "uniform", "zipf", "power_law", "log_normal"}},
                  {.name = "--skew", .value = "S", .help = "of the law"},
                  {.name = "--algorithm",
                   .value = "NAME",
                   .help = "who carries it",
                   .fallback = "direct",
                   .choices = std::move(algorithms)},
                  {.name = "--network",
                   .value = "FIDELITY",
                   .help = "max-min fair flows, or the busiest port alone",
                   .fallback = "fluid",
                   .choices = {"fluid", "bound"}},
                  {.name = "--tolerance",
                   .value = "T",
                   .help =
                       "how much of a full link may stay unused before rates are computed anew; "
                       "0: at every completion",
                   .fallback = "0.0005"},
                  {.name = "--tokens", .value = "N", .help = "of each rank; default 128"},
                  {.name = "--hidden", .value = "N", .help = "numbers a token; default 7168"},
                  {.name = "--top-k", .value = "K", .help = "experts a token; default 8"},
                  {.name = "--experts", .value = "E", .help = "of the layer; default 256"},
                  {.name = "--precision",
                   .value = "PRECISION",
                   .help = "of a token's numbers; default fp8_block, with --combine bf16"},
                  {.name = "--combine", .value = "", .help = "the way back"},
                  {.name = "--sms",
                   .value = "N",
                   .help = "multiprocessors that the kernel holds; default 20"},
                  {.name = "--seed", .value = "N", .help = "of the law", .fallback = "1"},
                  set_option(),
                  {.name = "--links",
                   .value = "N",
                   .help = "how many of the busiest links the text shows",
                   .fallback = "8"},
                  {.name = "--time",
                   .value = "",
                   .help =
                       "how long the simulation itself took (wall_s), which differs from run to "
                       "run; without it wall_s is null"},
                  {.name = "--timeline",
                   .value = "FILE",
                   .help = "a Chrome/Perfetto trace of ranks and busiest links",
                   .is_file = true,
                   .is_output = true},
                  html_option(),
                  format_option()},
      .examples =
          {"moesim exchange h800-16x8 --ranks 128 --bytes 1MiB",
           "moesim exchange h100-8x8 --ranks 64 --law zipf --skew 0.5 --bytes 1MiB --format json",
           "moesim exchange h800-16x8 --ranks 128 --algorithm deepep_low_latency --tokens 128",
           "moesim exchange h100-4x8 --ranks 32 --bytes 1MiB --set "
           "'faults=[{at: node0.nic3, capacity: 0.5}]'"},
      .run = run,
  };
}

}  // namespace moesim::tools
