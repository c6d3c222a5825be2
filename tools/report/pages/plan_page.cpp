// A plan: how many of which GPUs carry the load, how sure that is, what else there is, why not.
#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "tools/report/number_text.h"
#include "tools/report/page_kinds.h"
#include "tools/study/plan/rate_text.h"

namespace moesim::tools {
namespace {

using sim::io::Json;

class PlanPage {
 public:
  explicit PlanPage(const Json& report)
      : plan_(report.at("plan")),
        unit_(plan_.at("unit").get<std::string>()),
        rate_(plan_.at("rate_per_s")) {}

  Page page() const {
    Page page{.kind = "plan",
              .title = plan_.at("title"),
              .what = fmt::format("{} within {}", with_unit(rate_),
                                  plan_.at("targets").get<std::string>()),
              .answer = answer()};
    const Json& answers = plan_.at("answers");
    if (!answers.empty())
      page.sections.push_back({.title = "Answers", .figures = {carried(answers), told(answers)}});
    if (!plan_.at("pareto").empty())
      page.sections.push_back({.title = "Trade-off", .figures = {trade_off()}});
    page.sections.push_back({.title = "Search", .figures = {stages(), why_not()}});
    return page;
  }

 private:
  std::string with_unit(double a_second) const { return rate_text(a_second) + " " + unit_; }

  static bool is_chosen(const Json& answer) { return answer.at("roles").front() == "chosen"; }

  static std::string roles_of(const Json& answer) {
    std::string text;
    for (const Json& role : answer.at("roles"))
      text += (text.empty() ? "" : ", ") + role.get<std::string>();
    std::ranges::replace(text, '_', ' ');
    return text;
  }

  static std::string engines_of(const Json& answer) {
    const std::int64_t engines = answer.at("engines");
    return fmt::format("{} {}{} of {} {} ({})", engines,
                       answer.value("pools", Json::array()).size() > 1 ? "group" : "engine",
                       engines == 1 ? "" : "s", count_text(answer.at("gpus_per_engine")),
                       answer.at("device").get<std::string>(),
                       answer.at("engine").get<std::string>());
  }

  std::string answer() const {
    const Json& answers = plan_.at("answers");
    if (answers.empty() || !is_chosen(answers.front())) return nearest();
    const Json& a = answers.front();
    const Json& capacity = a.at("capacity_per_s");
    const std::int64_t nodes = a.at("nodes");
    return fmt::format(
        "{} GPUs on {} node{}: {}. They carry {} ({} to {} in 80 of 100 cases), and meet "
        "the targets with probability {:.2f}.",
        count_text(a.at("gpus")), nodes, nodes == 1 ? "" : "s", engines_of(a),
        with_unit(capacity.at("p50")), rate_text(capacity.at("p10")), rate_text(capacity.at("p90")),
        a.at("probability").get<double>());
  }

  std::string nearest() const {
    std::string text = "Nothing within the limits meets the targets with that confidence.";
    const auto found = plan_.find("nearest");
    if (found == plan_.end()) return text;
    const Json& n = *found;
    const std::string engine =
        fmt::format("{} {} ({})", count_text(n.at("gpus")), n.at("device").get<std::string>(),
                    n.at("engine").get<std::string>());
    if (n.contains("days")) {
      return text +
             fmt::format(" Nearest are {}, in {:.1f} days.", engine, n.at("days").get<double>());
    }
    if (n.contains("lacking_bytes")) {
      return text + fmt::format(" Nearest are {}: a GPU lacks {:.1f} GB.", engine,
                                n.at("lacking_bytes").get<double>() / 1e9);
    }
    if (n.contains("would_do") && !n.contains("refused")) {
      return text +
             fmt::format(" Nearest are engines of {}: {} within the limits; {} GPUs would do.",
                         engine, with_unit(n.at("carries_per_s")),
                         count_text(n.at("would_do").at("gpus")));
    }
    if (n.contains("least_token_ms")) {
      return text + fmt::format(" Nearest is {}: alone, one takes {}.", engine,
                                time_text(1e3 * n.at("least_token_ms").get<double>()));
    }
    if (n.contains("least_first_ms")) {
      return text + fmt::format(" Nearest is {}: alone, a prompt takes {}.", engine,
                                time_text(1e3 * n.at("least_first_ms").get<double>()));
    }
    return text + fmt::format(" Nearest is {}: {}.", engine,
                              n.value("refused", std::string("no rate attains the targets")));
  }

  Figure carried(const Json& answers) const {
    Bars chart{.unit = unit_,
               .categories = {},
               .series = {{"low", {}}, {"carried", {}}, {"high", {}}},
               .limit = Figured{rate_, "asked: " + with_unit(rate_)}};
    Table table{{"answer", "low", "carried", "high", "used", "probability", "without one node"},
                {}};
    for (const Json& a : answers) {
      const Json& capacity = a.at("capacity_per_s");
      chart.categories.push_back(roles_of(a));
      table.rows.push_back({roles_of(a)});
      std::size_t series = 0;
      for (const char* key : {"p10", "p50", "p90"}) {
        chart.series[series++].values.push_back({capacity.at(key), with_unit(capacity.at(key))});
        table.rows.back().push_back(with_unit(capacity.at(key)));
      }
      table.rows.back().push_back(percent_text(a.at("saturation")));
      table.rows.back().push_back(fmt::format("{:.2f}", a.at("probability").get<double>()));
      const auto left = a.find("without_one_node");  // a run of training waits and goes on
      table.rows.back().push_back(left == a.end() ? "-" : with_unit(left->at("capacity_per_s")));
    }
    return {.title = "What is carried",
            .sentence =
                "Within the targets, by the cost models' intervals and what no model has: "
                "80 of 100 cases lie from low to high.",
            .chart = std::move(chart),
            .table = std::move(table)};
  }

  // A row for what is told of an answer.
  Figure told(const Json& answers) const {
    Table table{{"answer"}, {}};
    std::vector<std::string> engines{"engines"}, gpus{"GPUs"}, cost{"cost"}, million{"a million"},
        power{"power"}, first{"p99 TTFT"}, token{"p99 TPOT"}, step{"a step"}, up{"too few run"},
        days{"days"}, hours{"GPU-hours"}, run_cost{"cost of the run"};
    const auto add = [](std::vector<std::string>& row, const Json& json, const char* key,
                        auto text) {
      row.push_back(json.contains(key) ? text(json.at(key)) : "-");
    };
    for (const Json& a : answers) {
      table.columns.push_back(roles_of(a));
      engines.push_back(engines_of(a));
      gpus.push_back(fmt::format("{} on {} node{}", count_text(a.at("gpus")),
                                 count_text(a.at("nodes")), a.at("nodes") == 1 ? "" : "s"));
      add(cost, a, "cost", [](const Json& c) {
        return fmt::format("{:.2f} {}/h", c.at("per_h").get<double>(),
                           c.at("currency").get<std::string>());
      });
      add(million, a, "cost", [](const Json& c) {
        return fmt::format("{:.3f} {} of output tokens",
                           c.at("per_million_output_tokens").get<double>(),
                           c.at("currency").get<std::string>());
      });
      add(power, a, "power", [](const Json& p) {
        return fmt::format("{:.1f} kW (+-{:.0f} %)", p.at("total_w").get<double>() / 1e3,
                           100 * p.at("error").get<double>());
      });
      const Json& metrics = a.at("metrics");
      const auto of_ms = [](const Json& ms) { return time_text(1e3 * ms.get<double>()); };
      add(first, metrics, "p99_ttft_ms", of_ms);
      add(token, metrics, "p99_tpot_ms", of_ms);
      add(step, metrics, "step_time_us", [](const Json& us) { return time_text(us); });
      add(up, a, "availability", [](const Json& times) {
        return fmt::format("{:.3g} minutes a year",
                           365.25 * 24 * 60 * (1 - times.at("enough").get<double>()));
      });
      add(days, a, "run", [](const Json& run) {
        const Json& of_run = run.at("days");
        return fmt::format("{:.1f} ({:.1f} to {:.1f})", of_run.at("p50").get<double>(),
                           of_run.at("p10").get<double>(), of_run.at("p90").get<double>());
      });
      add(hours, a, "run", [](const Json& run) { return count_text(run.at("gpu_hours")); });
      const Json run = a.value("run", Json::object());
      add(run_cost, run, "cost", [&](const Json& in_all) {
        return fmt::format("{:.0f} {}", in_all.get<double>(),
                           a.at("cost").at("currency").get<std::string>());
      });
    }
    for (auto* row : {&engines, &gpus, &days, &hours, &run_cost, &cost, &million, &power, &first,
                      &token, &step, &up}) {
      const bool is_known = std::ranges::any_of(
          row->begin() + 1, row->end(), [](const std::string& cell) { return cell != "-"; });
      if (is_known) table.rows.push_back(std::move(*row));
    }
    return {.title = "What it takes",
            .sentence =
                "Times are of a run of the whole load; the scenario of each answer is in "
                "the report's data, and moesim plan --emit writes it.",
            .table = std::move(table)};
  }

  Figure trade_off() const {
    Lines chart{.x = {.name = "tokens/s of a user"},
                .y = {.name = unit_ + " of a GPU"},
                .series = {{"beaten by none", {}}}};
    Table table{{"engine", "GPUs", "tokens/s of a user", unit_ + " of a GPU"}, {}};
    for (const Json& point : plan_.at("pareto")) {
      const double user = point.at("tokens_per_s_per_user"),
                   gpu = point.at("capacity_per_s_per_gpu");
      const std::string engine =
          point.at("device").get<std::string>() + ", " + point.at("engine").get<std::string>();
      if (table.rows.size() == kMostTableRows) break;
      chart.series[0].points.push_back(
          {user, gpu, fmt::format("{}: {:.4g}, {:.4g}", engine, user, gpu)});
      table.rows.push_back({engine, count_text(point.at("gpus")), fmt::format("{:.4g}", user),
                            fmt::format("{:.4g}", gpu)});
    }
    const std::size_t engines = table.rows.size();
    Figure figure{.title = "A GPU's load against a user's speed",
                  .sentence = fmt::format(
                      "{} beaten by none in both, as estimated.",
                      engines == 1 ? "One engine is" : fmt::format("{} engines are", engines)),
                  .table = std::move(table)};
    if (engines > 1) figure.chart = std::move(chart);
    return figure;
  }

  Figure stages() const {
    Bars chart{.unit = "engines", .categories = {}, .series = {{"passed on", {}}}};
    Table table{{"stage", "in", "out"}, {}};
    bool any_measured = false;
    for (const Json& stage : plan_.at("stages")) {
      const std::string name = stage.at("name");
      if (name == "measure") any_measured = stage.at("out") > 0;
      const double out = stage.at("out");
      chart.categories.push_back(name);
      chart.series[0].values.push_back({out, count_text(out)});
      table.rows.push_back({name, count_text(stage.at("in")), count_text(out)});
    }
    const Json& search = plan_.at("search");
    return {.title = "Engines that were thought of",
            .sentence =
                any_measured
                    ? fmt::format("Estimates are off by {:.0f} % at most of those measured; the "
                                  "margin was {:.0f} %.",
                                  100 * search.at("largest_error").get<double>(),
                                  100 * search.at("margin_used").get<double>())
                    : "Nothing was measured.",
            .chart = std::move(chart),
            .table = std::move(table)};
  }

  Figure why_not() const {
    Table table{{"code", "engines", "such as", "why"}, {}};
    for (const Json& code : plan_.at("why_not")) {
      const Json& example = code.at("example");
      table.rows.push_back({code.at("code"), count_text(code.at("count")),
                            fmt::format("{} {}, {}", count_text(example.at("gpus")),
                                        example.at("device").get<std::string>(),
                                        example.at("engine").get<std::string>()),
                            example.at("reason")});
    }
    return {.title = "Why not the others",
            .sentence = "By code, with one of the largest of each; moesim plan --rejected has all.",
            .table = std::move(table)};
  }

  const Json& plan_;
  std::string unit_;
  double rate_;
};

}  // namespace

Page plan_page(const Json& report) {
  return PlanPage(report).page();
}

}  // namespace moesim::tools
