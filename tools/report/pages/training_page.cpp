// What a step of training comes to, and what a run of it.
#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <nlohmann/json.hpp>

#include "tools/report/number_text.h"
#include "tools/report/page_kinds.h"
#include "tools/report/pages/shared_sections.h"

namespace moesim::tools {
namespace {

using sim::io::Json;

std::string answer_of(const Json& report) {
  const Json &training = report.at("training"), &memory = report.at("memory");
  std::string text;
  if (!memory.at("fits").get<bool>()) {
    text = fmt::format("It does not fit: {}. What follows is what it would be. ",
                       memory.value("advice", "more than the GPU has"));
  }
  const bool late = training.contains("stragglers");
  text += fmt::format("A step takes {}", time_text(late ? training.at("stragglers").at("mean_us")
                                                        : training.at("step_time_us")));
  if (const Json interval = report.at("interval").value("step_time_us", Json());
      interval.is_object()) {
    text += fmt::format(" (80 % interval {} to {})", time_text(interval.at("p10")),
                        time_text(interval.at("p90")));
  }
  if (late)
    text += fmt::format(" on average, {} with no GPU late", time_text(training.at("step_time_us")));
  const Json& throughput = report.at("throughput");
  text += fmt::format(
      ": {} tokens/s, {} tokens/s per GPU, {:.1f} TFLOPS a GPU, {} of the {} peak (MFU). The "
      "pipeline stands still for {} of the step; the fullest GPU takes {} of {}.",
      count_text(throughput.at("tokens_per_s")), count_text(throughput.at("tokens_per_s_per_gpu")),
      training.at("tflops_per_gpu").get<double>(), percent_text(training.at("mfu")),
      training.at("peak").at("precision").get<std::string>(),
      percent_text(training.at("bubble_share")), bytes_text(memory.at("peak_bytes")),
      bytes_text(memory.at("capacity_bytes")));
  if (training.contains("goodput")) {
    const Json& run = training.at("goodput");
    text += run.at("ends").get<bool>()
                ? fmt::format(" Of a run {} is progress", percent_text(run.at("goodput")))
                : std::string(" A run never ends: next to nothing of the time is progress");
    if (run.at("days").is_number())
      text += fmt::format(": {:.1f} days, {} GPU-hours", run.at("days").get<double>(),
                          count_text(run.at("gpu_hours")));
    text += ".";
  }
  return text;
}

struct Part {
  std::string name;
  std::vector<double> us;  // of each pipeline rank
};

// In the order of the report; those that no rank has are left out.
std::vector<Part> parts_of(const Json& ranks) {
  std::vector<Part> parts;
  const auto add = [&](std::string name, const auto& value) {
    Part part{std::move(name), {}};
    for (const Json& rank : ranks) part.us.push_back(value(rank));
    if (std::ranges::any_of(part.us, [](double us) { return us > 0; }))
      parts.push_back(std::move(part));
  };
  const auto at = [](const char* key) {
    return [key](const Json& rank) { return rank.at(key).template get<double>(); };
  };
  add("forward", at("f_us"));
  add("backward", at("b_us"));
  add("weight gradients apart", at("w_us"));
  add("forward and backward woven", at("fb_us"));
  for (const auto& [name, us] : ranks.at(0).at("exposed_us").items()) {
    add("exposed: " + name, [key = name](const Json& rank) {
      return rank.at("exposed_us").at(key).template get<double>();
    });
  }
  add("optimizer", at("optimizer_us"));
  add("standing still", at("bubble_us"));
  return parts;
}

double mean_of(const std::vector<double>& values) {
  double sum = 0;
  for (const double value : values) sum += value;
  return sum / static_cast<double>(values.size());
}

// As many as there are colours: the smallest are put together.
std::vector<Part> drawn(const std::vector<Part>& parts) {
  constexpr std::size_t kColours = 8;
  if (parts.size() <= kColours) return parts;
  std::vector<double> means;
  for (const Part& part : parts) means.push_back(mean_of(part.us));
  std::ranges::sort(means, std::greater<>());
  std::vector<Part> all;
  Part others{"all others", std::vector<double>(parts.front().us.size())};
  for (const Part& part : parts) {
    if (mean_of(part.us) > means[kColours - 1]) {
      all.push_back(part);
      continue;
    }
    for (std::size_t r = 0; r < part.us.size(); ++r) others.us[r] += part.us[r];
  }
  all.push_back(std::move(others));
  return all;
}

Figure by_part(const Json& training) {
  const Json& ranks = training.at("ranks");
  const double step = training.at("step_time_us");
  const TimeUnit unit = time_unit(step);
  Bars chart{.unit = fmt::format("time of a pipeline rank's step, {}", unit.name),
             .categories = {},
             .series = {},
             .stacked = true};
  const std::size_t shown = std::min(ranks.size(), kMostBars);
  for (std::size_t r = 0; r < shown; ++r) chart.categories.push_back(fmt::format("rank {}", r));
  Table table{{"part", "mean rank", "of the step", "least", "most"}, {}};
  std::string largest;
  double most = 0;
  const std::vector<Part> parts = parts_of(ranks);
  for (const Part& part : drawn(parts)) {
    Bars::Series series{part.name, {}};
    for (std::size_t r = 0; r < shown; ++r) {
      series.values.push_back({part.us[r] / unit.us, fmt::format("{}, {}", time_text(part.us[r]),
                                                                 percent_text(part.us[r] / step))});
    }
    chart.series.push_back(std::move(series));
  }
  for (const Part& part : parts) {
    const double mean = mean_of(part.us);
    if (mean > most) {
      most = mean;
      largest = part.name;
    }
    table.rows.push_back({part.name, time_text(mean), percent_text(mean / step),
                          time_text(*std::ranges::min_element(part.us)),
                          time_text(*std::ranges::max_element(part.us))});
  }
  return {.title = "Step by part",
          .sentence = fmt::format("Where the {} of a step go on each pipeline rank; on the mean "
                                  "rank the most is {}, {}.",
                                  time_text(step), largest, percent_text(most / step)),
          .chart = std::move(chart),
          .table = std::move(table),
          .note = shown < ranks.size() ? fmt::format("The first {} of {} pipeline ranks; the table "
                                                     "is of all.",
                                                     shown, ranks.size())
                                       : ""};
}

Figure arithmetic(const Json& training) {
  const Json& flops = training.at("flops_per_token");
  const auto gflop = [&](const char* key) {
    return fmt::format("{:.2f}", flops.at(key).get<double>() * 1e-9);
  };
  return {
      .title = "Arithmetic",
      .sentence = fmt::format("By three counts, each of {:.1f} TFLOPS ({}).",
                              training.at("peak").at("tflops").get<double>(),
                              training.at("peak").at("precision").get<std::string>()),
      .table = Table{
          {"count", "GFLOP a token", "of the peak"},
          {{"model, causal mask (Megatron's): MFU", gflop("model_causal"),
            percent_text(training.at("mfu"))},
           {"model, full mask: MFU", gflop("model_full"), percent_text(training.at("mfu_full"))},
           {"as the kernels compute: HFU", gflop("hardware"), percent_text(training.at("hfu"))}}}};
}

Figure waste(const Json& training) {
  const Json& ranks = training.at("ranks");
  const double step = training.at("step_time_us");
  const double own = training.at("bubble_schedule_share"), mean = training.at("bubble_share");
  Bars chart{.unit = "standing still, % of the step",
             .categories = {},
             .series = {{"standing still", {}}},
             .limit = Figured{100 * own, "the schedule's own: " + percent_text(own)}};
  Table table{{"pipeline rank", "standing still", "of the step"}, {}};
  for (std::size_t r = 0; r < std::min(ranks.size(), kMostTableRows); ++r) {
    const double us = ranks[r].at("bubble_us");
    const std::string share = percent_text(us / step);
    table.rows.push_back({std::to_string(r), time_text(us), share});
    if (r >= kMostBars) continue;
    chart.categories.push_back(fmt::format("rank {}", r));
    chart.series[0].values.push_back(
        {100 * us / step, fmt::format("{}, {}", time_text(us), share)});
  }
  return {.title = "What the pipeline wastes",
          .sentence =
              ranks.size() == 1
                  ? "One stage has no pipeline to wait for."
                  : fmt::format(
                        "The mean rank stands still for {} of the step. The schedule, {} with {} "
                        "micro-batches, would waste {} were all stages equal; the rest is stages "
                        "that differ and what they send.",
                        percent_text(mean), training.at("schedule").get<std::string>(),
                        count_text(training.at("micro_batches")), percent_text(own)),
          .chart = std::move(chart),
          .table = std::move(table)};
}

Figure stages(const Json& training) {
  Table table{{"rank", "chunk", "layers", "forward", "backward", "inputs' gradients",
               "weights' gradients", "woven"},
              {}};
  const auto text = [](const Json& us) { return us > 0 ? time_text(us) : std::string("-"); };
  for (const Json& stage : training.at("stages")) {
    if (table.rows.size() == kMostTableRows) break;
    table.rows.push_back({std::to_string(stage.at("rank").get<std::int64_t>()),
                          std::to_string(stage.at("chunk").get<std::int64_t>()),
                          std::to_string(stage.at("layers").get<std::int64_t>()),
                          text(stage.at("f_us")), text(stage.at("bw_us")), text(stage.at("b_us")),
                          text(stage.at("w_us")), text(stage.at("fb_us"))});
  }
  return {.title = "Stages",
          .sentence = "How long each stage takes for one micro-batch.",
          .table = std::move(table)};
}

Figure memory_by_rank(const Json& report) {
  const Json& rows = report.at("training").at("memory");
  const double capacity = report.at("memory").at("capacity_bytes");
  struct Kind {
    const char *name, *key;
  };
  constexpr Kind kKinds[] = {
      {"weights", "weights_bytes"},         {"gradients", "gradients_bytes"},
      {"optimizer", "optimizer_bytes"},     {"activations", "activations_bytes"},
      {"temporaries", "temporaries_bytes"}, {"buffers", "buffers_bytes"}};
  Bars chart{.unit = "GB of a GPU of each pipeline rank",
             .categories = {},
             .series = {},
             .stacked = true,
             .limit = Figured{capacity * 1e-9, "the card: " + bytes_text(capacity)}};
  Table table{{"pipeline rank"}, {}};
  for (const Kind& kind : kKinds) {
    chart.series.push_back({kind.name, {}});
    table.columns.emplace_back(kind.name);
  }
  chart.series.push_back({"others", {}});
  for (const char* name : {"others", "peak", "of the card"}) table.columns.emplace_back(name);
  double fullest = 0;
  std::int64_t where = 0;
  for (const Json& row : rows) {
    const double peak = row.at("peak_bytes");
    const std::int64_t rank = row.at("rank");
    if (peak > fullest) {
      fullest = peak;
      where = rank;
    }
    const bool drawn = chart.categories.size() < kMostBars;
    if (drawn) chart.categories.push_back(fmt::format("rank {}", rank));
    std::vector<std::string> cells{std::to_string(rank)};
    double rest = peak;
    std::size_t series = 0;
    const auto add = [&](double bytes) {
      cells.push_back(bytes_text(bytes));
      if (drawn) chart.series[series].values.push_back({bytes * 1e-9, bytes_text(bytes)});
      ++series;
    };
    for (const Kind& kind : kKinds) {
      const double bytes = row.at(kind.key);
      rest -= bytes;
      add(bytes);
    }
    add(rest);
    cells.push_back(bytes_text(peak));
    cells.push_back(percent_text(peak / capacity));
    if (table.rows.size() < kMostTableRows) table.rows.push_back(std::move(cells));
  }
  std::erase_if(chart.series, [](const Bars::Series& series) {
    return std::ranges::all_of(series.values, [](const Figured& f) { return f.value <= 0; });
  });
  return {
      .title = "Memory by rank",
      .sentence = fmt::format("Rank {} is the fullest, {} of {}: it {}.", where,
                              bytes_text(fullest), bytes_text(capacity),
                              report.at("memory").at("fits").get<bool>() ? "fits" : "does not fit"),
      .chart = std::move(chart),
      .table = std::move(table),
      .note = rows.size() > kMostBars ? fmt::format("The first {} of {} ranks; the table has more.",
                                                    kMostBars, rows.size())
                                      : ""};
}

Figure run_of(const Json& goodput) {
  Table table{{"what", "of a run"}, {}};
  const auto row = [&](const char* what, std::string text) {
    table.rows.push_back({what, std::move(text)});
  };
  row("progress", percent_text(goodput.at("goodput")));
  row("lost", percent_text(goodput.at("lost_share")));
  const auto known = [&](const char* key) { return goodput.at(key).is_number(); };
  if (known("mtbf_h"))
    row("a failure every", while_text(3600 * goodput.at("mtbf_h").get<double>()));
  else
    row("failures", "none are counted");
  if (goodput.contains("source")) row("failures are as", goodput.at("source"));
  if (known("checkpoint_every_s"))
    row("a checkpoint every", while_text(goodput.at("checkpoint_every_s").get<double>()));
  if (!goodput.at("ends").get<bool>()) row("it takes", "for ever");
  if (known("days")) {
    row("it takes", fmt::format("{:.1f} days", goodput.at("days").get<double>()));
    row("GPU-hours", count_text(goodput.at("gpu_hours")));
  }
  return {.title = "Goodput",
          .sentence = fmt::format("{} of the time is progress; the rest are checkpoints, and work "
                                  "that failures undo.",
                                  percent_text(goodput.at("goodput"))),
          .table = std::move(table)};
}

}  // namespace

Page training_page(const Json& report) {
  const Json& training = report.at("training");
  Page page{.kind = "training",
            .title = report.at("title"),
            .what = report.at("what"),
            .answer = answer_of(report)};
  page.sections.push_back({.title = "Time",
                           .text = {report.at("routing")},
                           .figures = {by_part(training), arithmetic(training)}});
  page.sections.push_back({.title = "Pipeline", .figures = {waste(training), stages(training)}});
  if (report.at("memory").at("capacity_bytes") != 0)
    page.sections.push_back({.title = "Memory", .figures = {memory_by_rank(report)}});
  if (training.contains("goodput"))
    page.sections.push_back({.title = "Run", .figures = {run_of(training.at("goodput"))}});
  if (auto energy = energy_section(report)) page.sections.push_back(std::move(*energy));
  page.sections.push_back(trust_section(report));
  page.sections.push_back(made_from_section(report));
  return page;
}

}  // namespace moesim::tools
