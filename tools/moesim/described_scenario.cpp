#include "tools/moesim/described_scenario.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <nlohmann/json.hpp>
#include <optional>

#include "hardware/kernels/kernels.h"
#include "tools/moesim/shipped.h"
#include "tools/study/default_layout.h"
#include "workloads/deployment/all_to_all.h"
#include "workloads/routing/trace/trace.h"
#include "workloads/scenario.h"

namespace moesim::tools {
namespace {

namespace fs = std::filesystem;
using workloads::Deployment;
using workloads::Parallelism;

constexpr std::array kOptions{"model",  "cluster", "phase",  "batch", "context",
                              "tokens", "prompt",  "layout", "engine"};

// One value of the scenario: where it goes, its text as YAML, and what to say of it.
struct Line {
  std::string key = {}, value = {}, option = {};
  std::string comment = {};       // in the file
  std::string default_text = {};  // where nobody said it: "batch 32: sequences of a dp rank"
};

// A word as YAML text: in quotes where it could be read otherwise; a path of this folder whole.
std::string yaml_word(const std::string& text) {
  std::error_code error;
  const std::string word = fs::exists(text, error) ? fs::absolute(text, error).string() : text;
  const bool plain = !word.empty() && std::ranges::all_of(word, [](unsigned char c) {
    return std::isalnum(c) ||
           std::string_view("._:/-").find(static_cast<char>(c)) != std::string_view::npos;
  });
  return plain && word.back() != ':' ? word : sim::io::Json(word).dump();
}

bool is_set(const Arguments& arguments, std::string_view key) {
  return std::ranges::any_of(arguments.all("set"), [&](const std::string& assignment) {
    const std::string_view set = std::string_view(assignment).substr(0, assignment.find('='));
    return set == key || key.starts_with(std::string(set) + ".") ||
           set.starts_with(std::string(key) + ".");
  });
}

class Description {
 public:
  explicit Description(const Arguments& arguments) : arguments_(arguments) {
    for (const std::string& assignment : arguments.all("set")) {
      if (!assignment.starts_with("parallelism")) continue;
      throw sim::ConfigError(fmt::format(
          "--set {}: without a scenario's file the layout is said by --layout, such as --layout "
          "tp1-dp8-ep8",
          assignment));
    }
  }

  DescribedScenario made() {
    word("model", "model", "mixtral-8x7b", "the model", "moesim list models");
    word("cluster", "cluster", "h100:1x8", "one node of eight H100",
         "device : nodes x GPUs a node, a name or a file: moesim list clusters");
    if (arguments_.has("engine"))
      word("engine", "engine", "", "", "its kernels, host and graphs: moesim list engines");
    step();
    if (!is_set(arguments_, "network")) {
      add({.key = "network",
           .value = "fluid",
           .option = "--set network=bound",
           .comment = "every link shared fairly; bound: the busiest port in closed form, quicker",
           .default_text = "network fluid: every link shared fairly"});
    }
    const workloads::Scenario stands = workloads::read_scenario(document().root(), shipped());
    formats_and_kernels(stands.deployment);
    layout(stands);
    if (!is_set(arguments_, "routing")) routing(stands.deployment.model);
    return {.document = document(), .defaults = defaults(), .file = file()};
  }

 private:
  void add(Line line) { lines_.push_back(std::move(line)); }
  bool said(const char* option, const std::string& key) const {
    return arguments_.has(option) || is_set(arguments_, key);
  }

  void word(const char* option, const std::string& key, const std::string& fallback,
            const std::string& what, const std::string& comment) {
    if (arguments_.has(option) && arguments_.text(option).empty()) {
      throw sim::ConfigError(
          fmt::format("--{}: expected a name or a file, not \"\"; {}", option, comment));
    }
    Line line{.key = key,
              .value = yaml_word(arguments_.find(option).value_or(fallback)),
              .option = fmt::format("--{}", option),
              .comment = comment};
    if (!said(option, key)) line.default_text = fmt::format("{} {}: {}", key, fallback, what);
    add(std::move(line));
  }

  void number(const char* option, const std::string& key, std::int64_t fallback,
              const std::string& what) {
    const std::int64_t value =
        arguments_.has(option) ? arguments_.integer(option, 1, 1 << 26) : fallback;
    Line line{.key = "step." + key,
              .value = std::to_string(value),
              .option = fmt::format("--{}", option),
              .comment = what};
    if (!said(option, line.key)) line.default_text = fmt::format("{} {}: {}", option, value, what);
    add(std::move(line));
  }

  void step() {
    const std::string phase = arguments_.find("phase").value_or("decode");
    const bool decode = phase == "decode";
    for (const char* other :
         decode ? std::array{"tokens", "prompt"} : std::array{"batch", "context"}) {
      if (!arguments_.has(other)) continue;
      throw sim::ConfigError(fmt::format(
          "--{}: belongs to --phase {}; {} has {}", other, decode ? "prefill" : "decode", phase,
          decode ? "--batch and --context" : "--tokens and --prompt"));
    }
    Line line{.key = "step.phase",
              .value = phase,
              .option = "--phase",
              .comment = "or prefill, which has tokens_per_rank and prompt"};
    if (!decode) line.comment = "or decode, which has batch_per_rank and context";
    if (!said("phase", "step.phase")) {
      line.default_text = "phase decode: a step that gives every sequence a token";
    }
    add(std::move(line));
    if (decode) {
      number("batch", "batch_per_rank", 32, "sequences of a dp rank");
      number("context", "context", 4096, "keys that each of them sees");
      return;
    }
    constexpr std::int64_t kPass = 8192;  // engines' default of tokens a pass (read_step.cpp)
    const std::int64_t prompt =
        arguments_.has("prompt") ? arguments_.integer("prompt", 1, 1 << 26) : 4096;
    // As many whole prompts as a pass takes, or a chunk of one.
    const std::int64_t tokens = prompt >= kPass ? kPass : kPass / prompt * prompt;
    number("tokens", "tokens_per_rank", tokens, "prompt tokens that a dp rank reads in a pass");
    const std::int64_t read =
        arguments_.has("tokens") ? arguments_.integer("tokens", 1, 1 << 26) : tokens;
    number("prompt", "prompt", read % prompt == 0 ? prompt : read, "tokens of a prompt");
  }

  // Said, not written: what is left out of a scenario follows its model and device.
  void formats_and_kernels(const Deployment& d) {
    const auto name = [](auto precision) { return hardware::name_of(precision); };
    if (!is_set(arguments_, "precision")) {
      notes_.push_back(fmt::format(
          "precision weights {}, experts {}, activations {}, cache {}: as the model is stored "
          "(--set precision.weights=fp8)",
          name(d.formats.attention), name(d.formats.experts), name(d.formats.activations),
          name(d.formats.kv_cache)));
    }
    if (is_set(arguments_, "kernels") || arguments_.has("engine")) return;
    const hardware::KernelChoice kernels = hardware::resolve(d.cluster.device, d.kernels);
    notes_.push_back(fmt::format(
        "kernels {} for GEMM, {} for experts, {} for attention, {} for tokens to experts: "
        "--engine has its own (--set kernels.all_to_all=…)",
        kernels.gemm, kernels.moe, kernels.attention, workloads::all_to_all_name(d)));
  }

  void layout(const workloads::Scenario& stands) {
    const Deployment& d = stands.deployment;
    Line line{.key = "parallelism", .option = "--layout"};
    Parallelism p;
    if (const auto text = arguments_.find("layout")) {
      line.default_text = read_layout(*text, d, p);
      line.comment = "as many GPUs as tp x cp x dp x pp = etp x ep x edp x pp";
    } else {
      const DefaultLayout chosen = default_layout(d, *stands.step());
      p = chosen.layout;
      const char* experts = p.ep == p.gpus() ? "the experts over all GPUs, " : "";
      if (p.ep > 1 && p.ep < p.gpus())
        experts = "the experts over the most GPUs that divide them, ";
      line.comment = fmt::format(
          "{}{}", experts,
          chosen.fits ? "the least tp that fits" : "no tp fits: the one that needs least");
      std::string sizes;
      for (const auto& [name, size] : named(p))
        sizes += fmt::format("{}{} {}", sizes.empty() ? "" : ", ", name, size);
      line.default_text = fmt::format("parallelism {}: {}", sizes, line.comment);
    }
    std::string sizes;
    for (const auto& [name, size] : named(p))
      sizes += fmt::format("{}{}: {}", sizes.empty() ? "" : ", ", name, size);
    line.value = "{" + sizes + "}";
    lines_.insert(lines_.begin() + 2, std::move(line));
  }

  static std::vector<std::pair<std::string, std::int64_t>> named(const Parallelism& p) {
    std::vector<std::pair<std::string, std::int64_t>> sizes{{"tp", p.tp}};
    if (p.pp > 1) sizes.emplace_back("pp", p.pp);
    if (p.cp > 1) sizes.emplace_back("cp", p.cp);
    sizes.emplace_back("dp", p.dp);
    if (p.ep > 1) sizes.emplace_back("ep", p.ep);
    if (p.etp > 1) sizes.emplace_back("etp", p.etp);
    return sizes;
  }

  // "tp1-dp128-ep128"; what of it is left out follows from the cluster, and is said.
  static std::string read_layout(const std::string& text, const Deployment& d, Parallelism& p) {
    const auto wrong = [&](const std::string& why) {
      return sim::ConfigError(fmt::format(
          "--layout {}: {}; expected sizes such as tp1-dp128-ep128, of tp, pp, cp, dp, ep and etp",
          text, why));
    };
    std::map<std::string, std::int64_t> sizes;
    for (std::size_t start = 0; start <= text.size();) {
      const std::size_t end = std::min(text.find('-', start), text.size());
      const std::string part = text.substr(start, end - start);
      const std::size_t digits = std::min(part.find_first_of("0123456789"), part.size());
      const std::string name = part.substr(0, digits);
      std::int64_t size = 0;
      const auto [rest, error] =
          std::from_chars(part.data() + digits, part.data() + part.size(), size);
      if (error != std::errc{} || rest != part.data() + part.size() || size < 1 || size > 1 << 20)
        throw wrong(fmt::format("\"{}\" is no size", part));
      constexpr std::array kNames{"tp", "pp", "cp", "dp", "ep", "etp"};
      if (std::ranges::find(kNames, name) == kNames.end())
        throw wrong(fmt::format("there is no \"{}\"", name));
      if (!sizes.emplace(name, size).second) throw wrong(fmt::format("\"{}\" is said twice", name));
      start = end + 1;
    }
    const auto of = [&](const char* name, std::int64_t fallback) {
      const auto found = sizes.find(name);
      return found == sizes.end() ? fallback : found->second;
    };
    p = {.tp = of("tp", 1), .pp = of("pp", 1), .cp = of("cp", 1)};
    const auto gpus = static_cast<std::int64_t>(d.cluster.ranks());
    const std::int64_t each = p.tp * p.pp * p.cp;
    if (!sizes.contains("dp") && gpus % each != 0)
      throw wrong(fmt::format("tp x pp x cp = {} does not divide {} GPUs", each, gpus));
    p.dp = of("dp", gpus / each);
    p.ep =
        of("ep", sizes.contains("etp")
                     ? default_ep(d, p.tp * p.cp * p.dp / std::max<std::int64_t>(1, of("etp", 1)))
                     : default_ep(d, p.tp * p.cp * p.dp));
    p.etp = of("etp", p.ep == 1 ? p.tp : 1);
    std::string followed;
    if (!sizes.contains("dp")) followed = fmt::format("dp {}", p.dp);
    if (!sizes.contains("ep") && p.ep > 1)
      followed += fmt::format("{}ep {}", followed.empty() ? "" : ", ", p.ep);
    return followed.empty() ? ""
                            : fmt::format("parallelism {}: over all GPUs of the cluster", followed);
  }

  // A trace that ships of a model's very shape.
  void routing(const workloads::ModelSpec& model) {
    Line line{.key = "routing", .option = "--set routing=…"};
    if (!model.is_moe()) return;
    const std::vector<std::int64_t> layers = model.moe_layers();
    const workloads::MoeFfn& moe = *model.moe(layers.front());
    line.value = "{law: uniform}";
    line.comment = "every choice alike; a trace of your own system: moesim trace import";
    line.default_text = "routing uniform: no trace of this model's shape is here";
    for (const auto& [name, file] : named_files("traces")) {
      const workloads::TraceInfo info = workloads::RoutingTrace::open(file).info();
      if (info.layers != layers.size() || info.experts != moe.experts || info.top_k != moe.top_k)
        continue;
      line.value = fmt::format("{{trace: {}}}", name);
      line.comment = "made up, of this model's shape; a law: {law: zipf, skew: 1}";
      line.default_text = fmt::format("routing trace {}: made up, of this model's shape", name);
      break;
    }
    lines_.insert(lines_.begin() + 3, std::move(line));
  }

  sim::io::YamlDocument document() const {
    auto document = sim::io::YamlDocument::parse("{}", "the options");
    document.set("name", sim::io::Json(title()).dump(), "the options");
    for (const Line& line : lines_) {
      const std::string where = line.option.substr(0, line.option.find(' '));
      document.set(line.key, line.value, arguments_.has(where.substr(2)) ? where : "the options");
    }
    workloads::apply_overrides(document, arguments_.all("set"));
    return document;
  }

  std::string title() const {
    return fmt::format("{} {} on {}", value("model"), value("step.phase"), value("cluster"));
  }
  std::string value(const std::string& key) const {
    for (const Line& line : lines_)
      if (line.key == key) return line.value;
    return {};
  }

  std::vector<std::string> defaults() const {
    std::vector<std::string> all;
    for (const Line& line : lines_) {
      if (!line.default_text.empty())
        all.push_back(fmt::format("{} ({})", line.default_text, line.option));
    }
    all.insert(all.end(), notes_.begin(), notes_.end());
    return all;
  }

  std::string file() const {
    std::string text = fmt::format(
        "# Made by: moesim init{}\n# moesim run FILE runs it, moesim config FILE shows every value "
        "that it leaves open.\nname: {}\n",
        description_words(arguments_), sim::io::Json(title()).dump());
    const auto line_of = [](const std::string& left, const std::string& comment) {
      return comment.empty() ? left + "\n" : fmt::format("{:<48} # {}\n", left, comment);
    };
    bool in_step = false;
    for (const Line& line : lines_) {
      const bool step = line.key.starts_with("step.");
      if (step && !in_step) text += "step:\n";
      in_step = step;
      text += line_of(fmt::format("{}{}: {}", step ? "  " : "",
                                  step ? line.key.substr(5) : line.key, line.value),
                      line.comment);
    }
    for (const std::string& note : notes_) text += fmt::format("# {}\n", note);
    return text;
  }

  const Arguments& arguments_;
  std::vector<Line> lines_;
  std::vector<std::string> notes_;
};

}  // namespace

std::vector<Option> description_options() {
  return {
      {.name = "--model",
       .value = "MODEL",
       .help = "in place of SCENARIO: a name, file or checkpoint's folder, or a hub id",
       .is_file = true},
      {.name = "--cluster",
       .value = "CLUSTER",
       .help = "a name or file, or h100:16x8: so many nodes of so many GPUs",
       .is_file = true},
      {.name = "--phase",
       .value = "PHASE",
       .help = "what a step is",
       .choices = {"decode", "prefill"}},
      {.name = "--batch", .value = "N", .help = "decode: sequences of a dp rank"},
      {.name = "--context", .value = "N", .help = "decode: keys that each of them sees"},
      {.name = "--tokens", .value = "N", .help = "prefill: tokens that a dp rank reads in a pass"},
      {.name = "--prompt", .value = "N", .help = "prefill: tokens of a prompt"},
      {.name = "--layout",
       .value = "SIZES",
       .help = "tp1-dp128-ep128; what is left out follows from the cluster"},
      {.name = "--engine",
       .value = "ENGINE",
       .help = "a name or file of configs/engines",
       .is_file = true},
  };
}

bool is_described(const Arguments& arguments) {
  return std::ranges::any_of(kOptions, [&](const char* name) { return arguments.has(name); });
}

std::string description_words(const Arguments& arguments) {
  std::string words;
  for (const char* name : kOptions) {
    if (const auto value = arguments.find(name)) words += fmt::format(" --{} {}", name, *value);
  }
  return words;
}

DescribedScenario described_scenario(const Arguments& arguments) {
  return Description(arguments).made();
}

}  // namespace moesim::tools
