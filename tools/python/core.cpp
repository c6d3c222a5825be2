// moesim._core: what Python's module calls. Texts in (YAML, or JSON, which is YAML), JSON out; the
// package around it makes them from, and into, dicts.
#include <pybind11/functional.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <atomic>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <optional>
#include <thread>
#include <type_traits>
#include <utility>

#include "sim/error.h"
#include "sim/io/yaml_reader.h"
#include "tools/moesim/serving/capacity_json.h"
#include "tools/moesim/shipped.h"
#include "tools/moesim/trace_cache.h"
#include "tools/python/traces.h"
#include "tools/report/compare_text.h"
#include "tools/study/compare.h"
#include "tools/study/executor.h"
#include "tools/study/plan/plan.h"
#include "tools/study/study_inputs.h"
#include "tools/study/table.h"
#include "workloads/run.h"
#include "workloads/serving_capacity.h"

namespace py = pybind11;
using namespace moesim;
using namespace moesim::tools;

namespace {

using Texts = std::vector<std::string>;
// How far it is; with the GIL.
using Progress = std::function<void(std::uint64_t, std::uint64_t)>;

// Ctrl-C, and what a progress function throws, end a call that has let go of the GIL. Other threads
// than the caller's are told.
class Interruption {
 public:
  bool asked() {
    if (std::this_thread::get_id() == caller_) hold([] {});
    return is_asked_;
  }
  // On the caller's thread: calls what needs the GIL, and keeps what is raised there.
  template <class Call>
  void hold(Call call) {
    const py::gil_scoped_acquire gil;
    try {
      call();
      if (PyErr_CheckSignals() != 0) throw py::error_already_set();
    } catch (py::error_already_set& error) {
      if (!raised_) raised_ = std::move(error);
      is_asked_ = true;
    }
  }
  // Once all is over, with the GIL.
  void raise() {
    if (raised_) throw std::move(*raised_);
  }

 private:
  std::thread::id caller_ = std::this_thread::get_id();
  std::atomic<bool> is_asked_ = false;
  std::optional<py::error_already_set> raised_;
};

// Calls what may take long, without the GIL; what was raised meanwhile is raised in place of what
// the call gave, or threw because of it.
template <class Call>
std::invoke_result_t<Call, Interruption&> without_gil(Call call) {
  Interruption interruption;
  std::invoke_result_t<Call, Interruption&> result;
  std::exception_ptr thrown;
  {
    const py::gil_scoped_release released;
    try {
      result = call(interruption);
    } catch (...) {
      thrown = std::current_exception();
    }
  }
  interruption.raise();
  if (thrown) std::rethrow_exception(std::move(thrown));
  return result;
}

// What calls share: clusters, kernels, unpacked traces, hashes of files.
std::shared_ptr<StudyInputs> new_inputs() {
  return std::make_shared<StudyInputs>(shipped(), trace_cache(std::getenv));
}

// A scenario's file or name, or, where it has a name to be called by, its text. `inputs` may be
// null: then nothing is shared.
workloads::Scenario scenario_of(const std::string& source, const std::string& text_name,
                                const Texts& sets, std::shared_ptr<StudyInputs> inputs = nullptr) {
  if (!inputs) inputs = new_inputs();
  if (text_name.empty()) return inputs->load(find_config("scenarios", source), sets);
  auto document = sim::io::YamlDocument::parse(source, text_name);
  workloads::apply_overrides(document, sets);
  workloads::Scenario scenario = inputs->read(document);
  scenario.inputs.scenario.clear();
  return scenario;
}

workloads::RunResult played(const workloads::Scenario& scenario, std::size_t jobs,
                            Interruption& interruption) {
  return workloads::run(scenario, {.threads = jobs,
                                   .progress =
                                       [&](std::int64_t, std::int64_t steps) {
                                         if (steps > 0 && interruption.asked())
                                           throw sim::Error(sim::ExitCode::Interrupted,
                                                            "moesim.run: interrupted");
                                       },
                                   .stop = [&] { return interruption.asked(); }});
}

// A scenario that has been read, with what it names: Python holds it and looks not into it.
std::shared_ptr<workloads::Scenario> load(const std::string& source, const std::string& text_name,
                                          const Texts& sets,
                                          const std::shared_ptr<StudyInputs>& inputs) {
  return without_gil([&](Interruption&) {
    return std::make_shared<workloads::Scenario>(scenario_of(source, text_name, sets, inputs));
  });
}

std::string run(const workloads::Scenario& scenario, std::size_t jobs) {
  return without_gil([&](Interruption& interruption) {
    return workloads::to_json(played(scenario, jobs, interruption), scenario).dump();
  });
}

std::string config(const workloads::Scenario& scenario) {
  return without_gil([&](Interruption&) { return workloads::resolved(scenario).dump(); });
}

std::string capacity(const workloads::Scenario& scenario) {
  return without_gil([&](Interruption& interruption) {
    const workloads::ServingCapacity found = workloads::find_capacity(
        scenario, {.progress = {}, .stop = [&] { return interruption.asked(); }});
    return to_json(found, scenario).dump();
  });
}

std::string sweep_points(const std::string& source, const StudyOptions& study,
                         const std::string& file, bool resume, bool reports, unsigned jobs,
                         const std::optional<Progress>& progress) {
  return without_gil([&](Interruption& interruption) {
    const auto find = [](const std::string& name) { return find_config("scenarios", name); };
    const StudySpec spec = read_study(find(source), study, find);
    SweepOptions options{.jobs = jobs,
                         .shipped = shipped(),
                         .traces = trace_cache(std::getenv),
                         .version = MOESIM_VERSION,
                         .stop = [&] { return interruption.asked(); }};
    options.progress = [&](std::uint64_t done, std::uint64_t all) {
      interruption.hold([&] {
        if (progress) (*progress)(done, all);
      });
    };
    const std::uint64_t points = check_points(spec, options);
    Store store = resume ? Store::resume(file, spec, MOESIM_VERSION)
                         : Store::create(file, spec, MOESIM_VERSION);
    if (!options.stop()) store.expect(points);
    sweep(spec, store, options);
    std::string table = to_json(table_of(store, {}), store, reports).dump();
    store.close();
    return table;
  });
}

std::string plan(const std::string& source, const std::string& text_name, const Texts& sets) {
  return without_gil([&](Interruption& interruption) {
    auto document = text_name.empty() ? sim::io::YamlDocument::load(find_config("plans", source))
                                      : sim::io::YamlDocument::parse(source, text_name);
    workloads::apply_overrides(document, sets);
    const PlanSpec spec = read_plan(document.root());
    const Plan made = make_plan(spec, {.shipped = shipped(),
                                       .traces = trace_cache(std::getenv),
                                       .version = MOESIM_VERSION,
                                       .stop = [&] { return interruption.asked(); }});
    return to_json(made, spec).dump();
  });
}

// A side of a comparison: a report as JSON, or a scenario that is run.
struct Side {
  std::string name, source, text_name;
  Texts sets;
  bool is_report = false;
};

std::string compare(const Side& a, const Side& b, bool why) {
  return without_gil([&](Interruption& interruption) {
    std::optional<workloads::Scenario> scenarios[2];
    sim::io::Json reports[2];
    const Side* sides[] = {&a, &b};
    for (std::size_t i = 0; i < 2; ++i) {
      const Side& side = *sides[i];
      if (side.is_report) {
        reports[i] = sim::io::parse_json(side.source, side.name);
        continue;
      }
      scenarios[i] = scenario_of(side.source, side.text_name, side.sets);
      reports[i] = workloads::to_json(played(*scenarios[i], 1, interruption), *scenarios[i]);
    }
    Comparison comparison = compare_reports(reports[0], a.name, reports[1], b.name);
    if (why) {
      for (std::size_t i = 0; i < 2; ++i) {
        if (scenarios[i]) continue;
        throw sim::ConfigError("why: plays mixtures of two scenarios, and " + sides[i]->name +
                               " is a report");
      }
      explain(*scenarios[0], *scenarios[1], comparison);
    }
    return to_json(comparison, a.name, b.name).dump();
  });
}

// An error of this program is one of the package's, which takes its text apart.
void raise(const sim::Error& error) {
  const char* kind = dynamic_cast<const sim::ConfigError*>(&error)       ? "ConfigError"
                     : dynamic_cast<const sim::InputError*>(&error)      ? "InputError"
                     : dynamic_cast<const sim::InfeasibleError*>(&error) ? "InfeasibleError"
                                                                         : "Error";
  const py::object type = py::module_::import("moesim._errors").attr(kind);
  const py::object raised = type(std::string(error.what()), static_cast<int>(error.code()));
  PyErr_SetObject(type.ptr(), raised.ptr());
}

}  // namespace

PYBIND11_MODULE(_core, module) {
  module.doc() = "Texts in, JSON out: the package moesim makes them from, and into, dicts.";
  module.attr("version") = MOESIM_VERSION;
  py::register_exception_translator([](std::exception_ptr thrown) {
    try {
      if (thrown) std::rethrow_exception(std::move(thrown));
    } catch (const sim::Error& error) {
      raise(error);
    }
  });
  py::class_<StudyOptions>(module, "StudyOptions")
      .def(py::init([](Texts vary, Texts zip, Texts derive, Texts where, Texts measure, Texts set) {
             return StudyOptions{std::move(vary),  std::move(zip),     std::move(derive),
                                 std::move(where), std::move(measure), std::move(set)};
           }),
           py::arg("vary"), py::arg("zip"), py::arg("derive"), py::arg("where"), py::arg("measure"),
           py::arg("set"));
  py::class_<Side>(module, "Side")
      .def(py::init([](std::string name, std::string source, std::string text_name, Texts sets,
                       bool is_report) {
             return Side{std::move(name), std::move(source), std::move(text_name), std::move(sets),
                         is_report};
           }),
           py::arg("name"), py::arg("source"), py::arg("text_name"), py::arg("sets"),
           py::arg("is_report"));
  py::class_<StudyInputs, std::shared_ptr<StudyInputs>>(module, "Inputs")
      .def(py::init(&new_inputs));
  py::class_<workloads::Scenario, std::shared_ptr<workloads::Scenario>>(module, "Scenario")
      .def("__repr__",
           [](const workloads::Scenario& s) { return "moesim.Scenario(" + s.name + ")"; });
  module.def("load", load, py::arg("source"), py::arg("text_name"), py::arg("sets"),
             py::arg("inputs"));
  module.def("run", run, py::arg("scenario"), py::arg("jobs"));
  module.def("config", config, py::arg("scenario"));
  module.def("capacity", capacity, py::arg("scenario"));
  module.def("sweep", sweep_points, py::arg("source"), py::arg("study"), py::arg("file"),
             py::arg("resume"), py::arg("reports"), py::arg("jobs"), py::arg("progress"));
  module.def("plan", plan, py::arg("source"), py::arg("text_name"), py::arg("sets"));
  module.def("compare", compare, py::arg("a"), py::arg("b"), py::arg("why"));
  define_traces(module);
}
