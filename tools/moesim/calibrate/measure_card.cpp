#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>
#include <ostream>
#include <string_view>

#include "sim/error.h"
#include "sim/io/atomic_file.h"
#include "sim/io/csv.h"
#include "tools/moesim/calibrate/calibrate_commands.h"
#include "tools/moesim/calibrate/calibration.h"
#include "tools/moesim/calibrate/cost_commands.h"
#include "validation/calibrate/device_file.h"
#include "validation/cuda/protocol/points.h"

namespace moesim::tools {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

// What fits into the minutes: about a fifth of a second a point and pass on a card.
struct PlanSize {
  int minutes, points, holdout;
};
constexpr std::array<PlanSize, 3> kSizes{{{3, 36, 8}, {8, 128, 32}, {20, 256, 64}}};

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

struct Points {
  std::int64_t done = 0, all = 0;
};

// Of "  7/1296 pass 1 grouped-017 …"; nothing of whatever else moesim-gpu says of its own.
std::optional<Points> points_of(const std::string& line) {
  Points points;
  const char* const end = line.data() + line.size();
  const char* const begin = line.data() + std::min(line.find_first_not_of(' '), line.size());
  const auto done = std::from_chars(begin, end, points.done);
  if (done.ec != std::errc{} || done.ptr == end || *done.ptr != '/') return {};
  const auto all = std::from_chars(done.ptr + 1, end, points.all);
  if (all.ec != std::errc{} || !std::string_view(all.ptr, end).starts_with(" pass")) return {};
  return points;
}

// moesim-gpu's lines into the log, and now and then one about how far it is.
class Progress {
 public:
  Progress(const fs::path& log, std::ostream& err) : log_(log, std::ios::app), err_(err) {}

  void begin(const std::string& what, double most_seconds) {
    what_ = what;
    most_ = most_seconds;
    start_ = last_ = Clock::now();
    err_ << fmt::format("{}, {:.1f} minutes at most\n", what, most_seconds / 60) << std::flush;
  }
  void operator()(const std::string& line) {
    log_ << line << '\n' << std::flush;
    last_line_ = line;
    if (const auto points = points_of(line)) {
      const auto [done, all] = *points;
      if (line.find("[failed") != std::string::npos) err_ << "  " << line << '\n';
      if (seconds_since(last_) < 5 && done != all) return;
      last_ = Clock::now();
      err_ << fmt::format("  {} of {} points, {:.0f} s\n", done, all, seconds_since(start_))
           << std::flush;
    } else if (line.rfind("WRONG", 0) == 0 || line.rfind("not asked", 0) == 0 ||
               line.rfind("moesim-gpu:", 0) == 0 || line.rfind("goes on", 0) == 0 ||
               line.rfind("SKIPPED", 0) == 0) {
      err_ << "  " << line << '\n' << std::flush;
    }
  }
  const std::string& last_line() const { return last_line_; }

 private:
  std::ofstream log_;
  std::ostream& err_;
  std::string what_, last_line_;
  double most_ = 0;
  Clock::time_point start_, last_;
};

std::optional<SelftestFound> read_selftest(const fs::path& file, bool& complete) {
  complete = false;
  std::error_code error;
  if (!fs::exists(file, error)) return {};
  const auto json = nlohmann::json::parse(sim::io::read_text(file), nullptr, false);
  if (json.is_discarded() || !json.contains("checks")) return {};
  SelftestFound found;
  complete = json.value("complete", false);
  found.passed = json.value("passed", 0);
  found.failed = json.value("failed", 0);
  found.skipped = json.value("skipped", 0);
  found.without = json.value("without", "");
  for (const auto& check : json["checks"]) {
    if (check.value("verdict", "") != "failed") continue;
    found.failures.push_back(check.value("check", "") + ": " + check.value("reason", ""));
  }
  return found;
}

std::string silent(const fs::path& program, int code) {
  return fmt::format("{} ended with {} and said nothing of a GPU: is it moesim-gpu?\n",
                     program.string(), code);
}

// Points that are there already were measured on this card.
void check_card(const fs::path& points, const std::string& card) {
  std::error_code error;
  if (!fs::exists(points, error)) return;
  for (const auto& [key, value] : validation::cuda::parse_metadata(sim::io::read_text(points))) {
    if (key == "device" && value != card) {
      throw sim::ConfigError(
          fmt::format("{} was measured on \"{}\", and this is \"{}\": give another folder with -o",
                      points.string(), value, card));
    }
  }
}

// The exit code of a program that ended the whole calibration; empty: it goes on.
std::optional<sim::ExitCode> fatal(int code, bool left_something) {
  if (code == 77) return sim::ExitCode::Skipped;
  if (code == 4) return sim::ExitCode::DamagedInput;
  if (code == 130) return sim::ExitCode::Interrupted;
  if (code >= 128 || !left_something) return sim::ExitCode::Failed;
  return {};
}

}  // namespace

FolderLock::FolderLock(const fs::path& folder) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (!error) descriptor_ = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor_ < 0) {
    throw sim::ConfigError(
        fmt::format("{} cannot be made a folder of a calibration: {}", folder.string(),
                    error ? error.message() : std::string(std::strerror(errno))));
  }
  if (::flock(descriptor_, LOCK_EX | LOCK_NB) == 0) return;
  ::close(descriptor_);
  throw sim::ConfigError(fmt::format(
      "another calibration is at work in {}: wait for it, or give another folder with -o",
      folder.string()));
}

FolderLock::~FolderLock() {
  ::close(descriptor_);
}

std::optional<sim::ExitCode> find_card(Calibration& c, Console console) {
  std::string said;
  const int code = run_program(c.request.program, {"info"}, [&](const std::string& line) {
    const std::string key = "device: ";
    if (line.rfind(key, 0) == 0) c.card = line.substr(key.size());
    said += line + "\n";
  });
  if (code != 0) {
    if (said.empty()) said = silent(c.request.program, code);
    console.err << said;
    return code == 77 ? sim::ExitCode::Skipped : sim::ExitCode::Failed;
  }
  c.base_name = c.request.base.value_or(validation::shipped_device_of(c.card));
  if (c.base_name.empty()) {
    throw sim::ConfigError(fmt::format(
        "no device that ships is known for \"{}\": name the nearest with --base, such as h100",
        c.card));
  }
  c.base = find_device(c.base_name, "--base");
  return {};
}

void write_plan(Calibration& c) {
  const auto size = std::ranges::find(kSizes, c.request.minutes, &PlanSize::minutes);
  validation::PlanOptions options = standard_plan();
  options.points = size->points - size->holdout;
  options.holdout = size->holdout;
  options.power = c.request.power;
  const validation::cuda::Plan plan = validation::make_plan(options);
  c.plan_text = validation::cuda::plan_text(plan);
  c.planned = 2 * static_cast<std::int64_t>(plan.points.size());
  const fs::path file = c.request.folder / "plan.csv";
  std::error_code error;
  if (fs::exists(file, error) && sim::io::read_text(file) != c.plan_text) {
    throw sim::ConfigError(fmt::format(
        "{} holds a calibration of another plan (--minutes or --power was another): give those "
        "again to go on with it, or another folder with -o",
        c.request.folder.string()));
  }
  sim::io::write_file(file, c.plan_text);
}

std::optional<sim::ExitCode> measure(Calibration& c, Console console) {
  const CalibrationRequest& request = c.request;
  const auto file = [&](const char* name) { return (request.folder / name).string(); };
  check_card(file("points.csv"), c.card);
  const Clock::time_point start = Clock::now();
  const double most = 60.0 * request.minutes;
  Progress progress(file("log.txt"), console.err);
  const auto ended = [&](int code, bool left_something) {
    const auto end = fatal(code, left_something);
    if (end == sim::ExitCode::Interrupted) {
      console.err << "broken off: the same command goes on where it was\n";
    } else if (end == sim::ExitCode::Failed) {
      console.err << fmt::format("{} ended with {}: {} has what it said\n",
                                 request.program.string(), code, file("log.txt"));
    }
    return end;
  };
  const auto call = [&](const std::string& what, double seconds,
                        std::vector<std::string> arguments) {
    progress.begin(what, seconds);
    arguments.insert(arguments.end(), {"--budget", fmt::format("{:.0f}s", seconds)});
    if (!c.selftest.without.empty()) {
      arguments.insert(arguments.end(), {"--without", c.selftest.without});
    }
    return run_program(request.program, arguments,
                       [&](const std::string& line) { progress(line); });
  };

  const std::string report = file("selftest.json");
  bool complete = false;
  auto found = read_selftest(report, complete);
  if (!complete) {
    std::vector<std::string> arguments{"selftest", "--patience", "5s", "--json", report};
    if (request.minutes < 8) arguments.push_back("--small");
    const int code = call("checking the kernels", 0.2 * most, arguments);
    found = read_selftest(report, complete);
    if (const auto end = ended(code, found.has_value())) return end;
  } else {
    console.err << "the kernels were checked before\n";
  }
  c.selftest = *found;

  const double left = std::max(10.0, most - seconds_since(start));
  const int code = call("measuring", left,
                        {"run", "--plan", file("plan.csv"), "--out", file("points.csv"),
                         "--patience", "15s", "--resume"});
  std::error_code error;
  if (const auto end =
          ended(code, fs::exists(file("points.csv"), error) && (code == 0 || code == 5)))
    return end;
  c.cut_short = code == 5;
  c.points = validation::summarise_points(sim::io::read_text(file("points.csv")), "points.csv");
  return {};
}

}  // namespace moesim::tools
