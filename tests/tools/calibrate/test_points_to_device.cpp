#include <doctest/doctest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "sim/error.h"
#include "tests/support/call_command.h"
#include "tests/support/synthetic_points.h"
#include "tests/support/temporary_folder.h"
#include "tools/moesim/command.h"
#include "validation/calibrate/import_points.h"
#include "validation/calibrate/plan.h"

using namespace moesim;

namespace {

tests::Called call(const std::string& name, tests::Values values) {
  for (const tools::Command& command : tools::commands()) {
    if (command.name == name) return tests::call(command, std::move(values));
  }
  throw std::runtime_error("no command " + name);
}

sim::io::CsvTable table(const std::string& rows) {
  return sim::io::CsvTable::parse("id,role,op,p50_us,flags\n" + rows, "p.csv");
}

}  // namespace

TEST_CASE("a plan's points go through import, fit and validate to a judged device file") {
  const tests::TemporaryFolder folder;
  const auto file = [&](const char* name) { return (folder.path() / name).string(); };
  CHECK(call("calibrate plan", {{"output", {file("plan.csv")}}}).code == sim::ExitCode::Ok);
  std::ifstream in(file("plan.csv"));
  std::stringstream text;
  text << in.rdbuf();
  const auto plan = validation::cuda::parse_plan(text.str(), "plan.csv");
  std::ofstream(file("points.csv")) << tests::synthetic_points(plan, 5);

  const tests::Called fit_points =
      call("calibrate import", {{"POINTS", {file("points.csv")}}, {"output", {file("fit.csv")}}});
  CHECK(fit_points.err.find(": wrong\n") != std::string::npos);
  call("calibrate import", {{"POINTS", {file("points.csv")}},
                            {"role", {"holdout", "holdout_model"}},
                            {"output", {file("judge.csv")}}});

  const tests::Called fit = call("calibrate fit", {{"TABLE", {"moesim_wgmma=" + file("fit.csv")}},
                                                   {"device", {"h100"}},
                                                   {"source", {"synthetic points"}},
                                                   {"output", {file("card.fitted.yaml")}}});
  CHECK(fit.code == sim::ExitCode::Ok);
  // The same card, with what was fitted in place of what ships.
  std::ifstream shipped("configs/devices/h100.yaml");
  std::ofstream device(file("card.yaml"));
  for (std::string line; std::getline(shipped, line);) {
    device << (line.rfind("fitted:", 0) == 0 ? "fitted: card.fitted.yaml" : line) << '\n';
  }
  device.close();

  const tests::Called judged = call("validate table", {{"KIND", {"points"}},
                                                       {"TABLE", {file("judge.csv")}},
                                                       {"device", {file("card.yaml")}},
                                                       {"impl", {"moesim_wgmma"}},
                                                       {"format", {"json"}}});
  const auto json = nlohmann::json::parse(judged.out);
  CAPTURE(judged.out.substr(0, 600));
  // 32 unseen shapes, 16 products and 5 layers of the held-out model, less one in forty.
  CHECK(json["n"].get<int>() >= 45);
  // The times were made by another formula than the one that is fitted, and scattered by 3 %: its
  // median is 2 %, and no fit can be better than that on unseen points.
  CHECK(json["median"].get<double>() < 8);
  CHECK(json["p90"].get<double>() < 25);
  CHECK(std::abs(json["bias"].get<double>()) < 5);
  CHECK(json["coverage90"].get<double>() > 75);
}

TEST_CASE("passes are brought together by their geometric mean, and drift leaves a point out") {
  // sqrt(2 * 2.42) = 2.2; 5 and 10 are a factor of 2 apart.
  const auto imported =
      validation::import_points(table("a,fit,gemm,2,\nb,fit,gemm,5,\nc,holdout,gemm,1,\na,fit,gemm,"
                                      "2.42,noisy\nb,fit,gemm,10,\n"),
                                {});
  // 2.42 is 1.21 times 2, within the drift that is allowed.
  CHECK(imported.csv == "id,role,op,p50_us,flags\na,fit,gemm,2.2,\n");
  CHECK(imported.left_out == std::vector<std::string>{"p.csv:3: b: passes of 5 and 10 us"});
}

TEST_CASE("points that cannot be trusted are left out and named") {
  const auto imported = validation::import_points(
      table("a,fit,gemm,2,wrong\nb,fit,gemm,3,power_cap\ne,fit,gemm,3,not_cold\nc,fit,gemm,,"
            "skipped: needs sm_90a\nd,fit,gemm,,\n"),
      {});
  CHECK(imported.points == 1);
  CHECK(imported.left_out == std::vector<std::string>{"p.csv:2: a: wrong", "p.csv:4: e: not_cold",
                                                      "p.csv:5: c: skipped: needs sm_90a",
                                                      "p.csv:6: d: no time"});
  CHECK_THROWS_WITH_AS(validation::import_points(table("a,fit,gemm,2,wrong\n"), {}),
                       "p.csv: no point of the roles fit is left (1 left out)", sim::InputError);
  CHECK_THROWS_AS(
      validation::import_points(sim::io::CsvTable::parse("id,role\na,fit\n", "p.csv"), {}),
      sim::InputError);
}
