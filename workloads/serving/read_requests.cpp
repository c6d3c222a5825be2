#include "workloads/serving/read_requests.h"

#include <fmt/format.h>

#include <charconv>

#include "sim/error.h"

namespace moesim::workloads::serving {
namespace {

using sim::io::YamlNode;

constexpr std::int64_t kMost = std::int64_t{1} << 40;
constexpr std::int64_t kMostTokens = std::int64_t{1} << 31;

Lengths read_lengths(const YamlNode& node, const char* column, const char* histogram) {
  if (node.is_missing()) return {};
  if (!node.is_map()) return constant_length(node.integer(1, kMostTokens));
  Lengths lengths;
  lengths.law = static_cast<LengthLaw>(node.at("law").one_of(kLengthLawNames));
  try {
    switch (lengths.law) {
      case LengthLaw::Constant:
        node.allow_only({"law", "value"});
        return constant_length(node.at("value").integer(1, kMostTokens));
      case LengthLaw::Uniform: {
        node.allow_only({"law", "low", "high"});
        const std::int64_t low = node.at("low").integer(1, kMostTokens);
        const std::int64_t high = node.at("high").integer(1, kMostTokens);
        if (high < low) node.at("high").error(fmt::format("expected at least low, {}", low));
        return uniform_length(low, std::max(low, high));
      }
      case LengthLaw::LogNormal:
        node.allow_only({"law", "median", "p90"});
        lengths.median = node.at("median").number(1, 1e9);
        lengths.p90 = node.at("p90").number(1, 1e9);
        if (lengths.p90 < lengths.median) node.at("p90").error("expected at least the median");
        return lengths;
      case LengthLaw::Table: {
        node.allow_only({"law", "file", "column"});
        const auto own = node.find("column");
        const YamlNode file = node.at("file");
        return file.is_missing() ? lengths : length_table(file.file(), own ? own->text() : column);
      }
      case LengthLaw::Histogram: {
        node.allow_only({"law", "file"});
        const YamlNode file = node.at("file");
        return file.is_missing() ? lengths : length_histogram(file.file(), histogram);
      }
    }
  } catch (const sim::InputError& error) {
    node.at("file").error(error.what());
  }
  return lengths;
}

void read_stages(const YamlNode& node, Arrivals& arrivals) {
  const auto stages = node.find("stages"), ramp = node.find("ramp");
  const auto rate = node.at("arrivals").is_map() ? node.at("arrivals").find("rate") : std::nullopt;
  if ((stages ? 1 : 0) + (ramp ? 1 : 0) + (rate ? 1 : 0) != 1) {
    node.error(
        "expected one of arrivals.rate, stages and ramp, to say how many requests come a second");
    return;
  }
  if (rate) {
    const double value = read_rate(*rate);
    arrivals.stages = {{.from = value, .to = value}};
  } else if (ramp) {
    ramp->allow_only({"from", "to", "over"});
    const double from = read_rate(ramp->at("from"), 0), to = read_rate(ramp->at("to"));
    arrivals.stages = {{.from = from, .to = to, .time = ramp->at("over").duration()},
                       {.from = to, .to = to}};
  } else {
    for (const YamlNode& stage : stages->items()) {
      stage.allow_only({"rate", "for"});
      const double value = read_rate(stage.at("rate"));
      arrivals.stages.push_back({.from = value, .to = value, .time = stage.at("for").duration()});
    }
    if (arrivals.stages.empty()) stages->error("expected at least one stage");
  }
}

Arrivals read_arrivals(const YamlNode& node) {
  Arrivals arrivals;
  const YamlNode law = node.at("arrivals");
  if (law.is_missing()) return arrivals;
  law.allow_only({"law", "rate", "burstiness", "shape", "think"});
  arrivals.law = static_cast<ArrivalLaw>(law.at("law").one_of(kArrivalLawNames));
  const auto only = [&](const char* key, bool allowed, const char* whose) {
    const auto found = law.find(key);
    if (found && !allowed) found->error(fmt::format("belongs to the law {}", whose));
    return found && allowed ? found : std::nullopt;
  };
  if (const auto value = only("burstiness", arrivals.law == ArrivalLaw::Gamma, "gamma")) {
    arrivals.shape = value->number(1e-3, 1e6);
  }
  if (const auto value = only("shape", arrivals.law == ArrivalLaw::Weibull, "weibull")) {
    arrivals.shape = value->number(0.05, 1e3);
  }
  if (const auto value = only("think", arrivals.law == ArrivalLaw::Closed, "closed")) {
    arrivals.think = value->duration();
  }
  if (arrivals.has_rate()) {
    read_stages(node, arrivals);
  } else {
    for (const auto& found : {law.find("rate"), node.find("stages"), node.find("ramp")}) {
      if (found) found->error("all requests are there at once: leave the rate out");
    }
  }
  return arrivals;
}

RequestLaws read_laws(const YamlNode& node) {
  node.allow_only(
      {"arrivals", "stages", "ramp", "input", "output", "prefix", "count", "for", "warm_up"});
  RequestLaws laws;
  laws.arrivals = read_arrivals(node);
  laws.input = read_lengths(node.at("input"), "input_length", "input_tokens");
  laws.output = read_lengths(node.at("output"), "output_length", "output_tokens");
  if (const auto prefix = node.find("prefix")) {
    prefix->allow_only({"groups", "tokens", "turns", "think"});
    if (const auto groups = prefix->find("groups")) {
      laws.prefixes.groups = groups->integer(1, kMost);
      laws.prefixes.tokens = prefix->at("tokens").integer(1, kMostTokens);
    } else if (const auto tokens = prefix->find("tokens")) {
      tokens->error("of which prompts? give groups, the number of different beginnings");
    }
    if (const auto turns = prefix->find("turns")) laws.prefixes.turns = turns->integer(1, 10'000);
    if (const auto think = prefix->find("think")) laws.prefixes.think = think->duration();
  }
  const auto count = node.find("count"), until = node.find("for");
  if (count) laws.count = count->integer(1, kMost);
  if (until) laws.until = until->duration();
  const bool ends =
      !laws.arrivals.stages.empty() && laws.arrivals.stages.back().time != sim::kForever;
  if (!count && !ends && (!until || !laws.arrivals.has_rate())) {
    node.error(laws.arrivals.has_rate() ? "requests would come for ever: give count, or for: 600 s"
                                        : "requests would come for ever: give count");
  }
  return laws;
}

RequestTrace read_trace(const YamlNode& node) {
  node.allow_only(
      {"trace", "format", "scale", "rate", "from", "to", "count", "input", "output", "warm_up"});
  RequestTrace trace;
  trace.file = node.at("trace").file();
  trace.format = static_cast<TraceFormat>(node.at("format").one_of(kTraceFormatNames));
  if (const auto scale = node.find("scale")) trace.scale = scale->number(1e-6, 1e6);
  if (const auto rate = node.find("rate")) {
    trace.rate = read_rate(*rate);
    if (node.find("scale")) rate->error("says what scale says: leave out one of them");
  }
  if (const auto from = node.find("from")) trace.from = from->duration();
  if (const auto to = node.find("to")) {
    trace.to = to->duration();
    if (trace.to <= trace.from) to->error("expected a time after from");
  }
  if (const auto count = node.find("count")) trace.count = count->integer(1, kMost);
  if (trace.format == TraceFormat::ServeGen) {
    trace.input = read_lengths(node.at("input"), "input_length", "input_tokens");
    trace.output = read_lengths(node.at("output"), "output_length", "output_tokens");
    return trace;
  }
  for (const char* key : {"input", "output"}) {
    if (const auto found = node.find(key)) found->error("the trace has its own lengths");
  }
  return trace;
}

}  // namespace

double read_rate(const YamlNode& node, double least) {
  const std::string text = node.text();
  double rate = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), rate);
  const std::string_view rest(end, static_cast<std::size_t>(text.data() + text.size() - end));
  if (node.is_scalar() &&
      (error != std::errc{} || (rest != " /s" && rest != "/s") || !(rate >= least) || rate > 1e9)) {
    node.error(fmt::format("expected a rate such as 24 /s, not \"{}\"", text));
  }
  return rate;
}

void read_requests(const YamlNode& node, ServingQuestion& question) {
  if (node.is_missing()) return;
  if (node.find("trace")) {
    question.requests = read_trace(node);
  } else {
    question.requests = read_laws(node);
    question.client.think = std::get<RequestLaws>(question.requests).arrivals.think;
  }
  if (const auto warm_up = node.find("warm_up")) {
    question.warm_up = warm_up->integer(0, kMost);
    const auto count = std::visit([](const auto& asked) { return asked.count; }, question.requests);
    if (count && *count <= question.warm_up) {
      warm_up->error(fmt::format("all {} requests are warm-up: expected fewer than count", *count));
    }
  }
}

}  // namespace moesim::workloads::serving
