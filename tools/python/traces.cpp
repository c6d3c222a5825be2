#include "tools/python/traces.h"

#include <fmt/format.h>
#include <pybind11/numpy.h>
#include <pybind11/stl.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "sim/error.h"
#include "sim/io/json.h"
#include "tools/moesim/shipped.h"
#include "workloads/routing/trace/trace.h"
#include "workloads/routing/trace/trace_writer.h"

namespace py = pybind11;

namespace moesim::tools {
namespace {

using namespace workloads;

template <class Number>
using Array = py::array_t<Number, py::array::c_style | py::array::forcecast>;

constexpr std::pair<const char*, TokenColumn> kColumns[] = {{"requests", TokenColumn::Request},
                                                            {"positions", TokenColumn::Position},
                                                            {"phases", TokenColumn::Phase},
                                                            {"domains", TokenColumn::Domain}};

// The numbers in the memory of an array of that shape.
template <class To, class From>
py::array_t<To> shaped(const std::vector<From>& numbers, const std::vector<py::ssize_t>& shape) {
  py::array_t<To> array(shape);
  To* const out = array.mutable_data();
  for (std::size_t i = 0; i < numbers.size(); ++i) out[i] = static_cast<To>(numbers[i]);
  return array;
}

// A file that is open, its tokens (or steps) a range at a time.
class Trace {
 public:
  explicit Trace(const std::string& file) : trace_(RoutingTrace::open(file)) {}

  std::string info() const {
    const TraceInfo& i = trace_.info();
    return sim::io::Json{
        {"file", i.file},        {"model", i.model},         {"source", i.source},
        {"created", i.created},  {"per_token", i.per_token}, {"tokens", i.tokens},
        {"steps", i.steps},      {"layers", i.layers},       {"experts", i.experts},
        {"top_k", i.top_k},      {"layer_ids", i.layer_ids}, {"domains", i.domains},
        {"physical", i.physical}}
        .dump();
  }

  // [count x layers x top_k] int32, -1 where nobody was recorded.
  py::array ids(std::uint64_t first, std::uint64_t count) const {
    require(trace_.info().per_token, "ids: has counts, not tokens: counts() gives them");
    check(first, count, trace_.info().tokens, "tokens");
    std::vector<ExpertId> ids;
    trace_.read_ids(first, count, ids);
    return shaped<std::int32_t>(ids, of_tokens(count));  // kMissingExpert is -1
  }
  py::object weights(std::uint64_t first, std::uint64_t count) const {
    if (!trace_.info().has_weights) return py::none();
    check(first, count, trace_.info().tokens, "tokens");
    std::vector<float> weights;
    trace_.read_weights(first, count, weights);
    return shaped<float>(weights, of_tokens(count));
  }
  // [count] uint32 of "requests", "positions", "phases", "domains"; none where the file has none.
  py::object column(const std::string& name, std::uint64_t first, std::uint64_t count) const {
    if (!trace_.info().per_token) return py::none();
    check(first, count, trace_.info().tokens, "tokens");
    for (const auto& [known, column] : kColumns) {
      std::vector<std::uint32_t> values;
      if (name != known) continue;
      if (!trace_.read_column(column, first, count, values)) return py::none();
      return shaped<std::uint32_t>(values, {static_cast<py::ssize_t>(count)});
    }
    throw py::key_error(name);
  }
  // [steps + 1] of tokens, or none.
  py::object step_offsets() const {
    const auto offsets = trace_.step_offsets();
    if (offsets.empty()) return py::none();
    return shaped<std::int64_t>(offsets, {static_cast<py::ssize_t>(offsets.size())});
  }
  // Of a trace of counts: [count x layers x experts] uint32.
  py::array counts(std::uint64_t first, std::uint64_t count) const {
    const TraceInfo& i = trace_.info();
    require(!i.per_token, "counts: has tokens, not counts: ids() gives them");
    check(first, count, i.steps, "steps");
    std::vector<std::uint32_t> all, step;
    for (std::uint64_t s = first; s < first + count; ++s) {
      trace_.read_counts(s, step);
      all.insert(all.end(), step.begin(), step.end());
    }
    return shaped<std::uint32_t>(
        all, {static_cast<py::ssize_t>(count), static_cast<py::ssize_t>(i.layers),
              static_cast<py::ssize_t>(i.experts)});
  }

 private:
  std::vector<py::ssize_t> of_tokens(std::uint64_t count) const {
    return {static_cast<py::ssize_t>(count), static_cast<py::ssize_t>(trace_.info().layers),
            static_cast<py::ssize_t>(trace_.info().top_k)};
  }
  void require(bool holds, const char* what) const {
    if (!holds) throw sim::ConfigError(fmt::format("{}: {}", trace_.info().file, what));
  }
  void check(std::uint64_t first, std::uint64_t count, std::uint64_t all, const char* what) const {
    if (first <= all && count <= all - first) return;
    throw sim::ConfigError(
        fmt::format("{}: {} {} to {} of {}", trace_.info().file, what, first, first + count, all));
  }

  RoutingTrace trace_;
};

std::string shape_text(const py::array& array) {
  std::vector<py::ssize_t> shape(array.shape(), array.shape() + array.ndim());
  return fmt::format("[{}]", fmt::join(shape, ", "));
}

// One number a token.
std::vector<std::uint32_t> column_of(const py::dict& columns, const char* name,
                                     py::ssize_t tokens) {
  if (!columns.contains(name)) return {};
  const auto array = Array<std::int64_t>::ensure(columns[name]);
  if (!array || array.ndim() != 1 || array.shape(0) != tokens) {
    throw sim::ConfigError(
        fmt::format("write_trace: {}: expected a whole number for each of {} "
                    "tokens{}",
                    name, tokens, array ? ", not " + shape_text(array) : ""));
  }
  std::vector<std::uint32_t> values;
  for (py::ssize_t t = 0; t < tokens; ++t) {
    const std::int64_t value = array.at(t);
    if (value < 0 || value > std::int64_t{0x7FFF'FFFF}) {
      throw sim::ConfigError(fmt::format(
          "write_trace: {}[{}]: expected a number from 0 to 2147483647, not {}", name, t, value));
    }
    values.push_back(static_cast<std::uint32_t>(value));
  }
  return values;
}

// `columns`: weights, requests, positions, phases, domains, each or none.
void write_trace(const std::string& file, const py::object& ids_given, std::uint32_t experts,
                 const py::dict& columns, const std::string& model, const std::string& source,
                 const std::vector<std::int64_t>& layer_ids,
                 const std::vector<std::string>& domain_names,
                 const std::vector<std::uint64_t>& step_offsets) {
  const py::array given = py::array::ensure(ids_given);
  if (!given || given.ndim() != 3 || (given.dtype().kind() != 'i' && given.dtype().kind() != 'u')) {
    throw sim::ConfigError(fmt::format(
        "write_trace: ids: expected whole numbers [tokens, mixture layers, top_k], not {}",
        given ? shape_text(given) : "that"));
  }
  const Array<std::int64_t> ids(given);
  const py::ssize_t tokens = ids.shape(0), row = ids.shape(1) * ids.shape(2);
  if (tokens == 0 || row == 0)
    throw sim::ConfigError("write_trace: ids: has nothing in it: " + shape_text(given));
  if (experts == 0 || experts > kMostExperts) {
    throw sim::ConfigError(
        fmt::format("write_trace: experts: expected 1 to {}, not {}", kMostExperts, experts));
  }
  if (!layer_ids.empty() && static_cast<py::ssize_t>(layer_ids.size()) != ids.shape(1)) {
    throw sim::ConfigError(fmt::format("write_trace: layer_ids: {} of {} mixture layers",
                                       layer_ids.size(), ids.shape(1)));
  }
  std::vector<ExpertId> experts_of;
  experts_of.reserve(static_cast<std::size_t>(tokens * row));
  const std::int64_t* const numbers = ids.data();
  for (py::ssize_t i = 0; i < tokens * row; ++i) {
    if (numbers[i] < -1 || numbers[i] >= static_cast<std::int64_t>(experts)) {
      throw sim::ConfigError(
          fmt::format("write_trace: ids of token {}: expected experts 0 to {}, or -1 where nobody "
                      "was recorded, "
                      "not {}",
                      i / row, experts - 1, numbers[i]));
    }
    experts_of.push_back(static_cast<ExpertId>(numbers[i]));
  }
  std::vector<float> weights;
  if (columns.contains("weights")) {
    const auto array = Array<float>::ensure(columns["weights"]);
    if (!array || array.ndim() != 3 || array.size() != ids.size() || array.shape(0) != tokens ||
        array.shape(1) != ids.shape(1)) {
      throw sim::ConfigError(
          fmt::format("write_trace: weights: expected numbers of the shape of ids, "
                      "{}{}",
                      shape_text(given), array ? ", not " + shape_text(array) : ""));
    }
    weights.assign(array.data(), array.data() + array.size());
  }
  const auto requests = column_of(columns, "requests", tokens),
             positions = column_of(columns, "positions", tokens),
             phases = column_of(columns, "phases", tokens),
             domains = column_of(columns, "domains", tokens);
  for (std::size_t t = 0; t < phases.size(); ++t) {
    if (phases[t] > kMostPhase)
      throw sim::ConfigError(fmt::format(
          "write_trace: phases[{}]: expected 0 (prefill), 1 (decode) or 2 (mixed), not {}", t,
          phases[t]));
  }
  for (std::size_t t = 0; t < domains.size(); ++t) {
    if (domains[t] >= domain_names.size())
      throw sim::ConfigError(fmt::format("write_trace: domains[{}]: {} of {} domain_names", t,
                                         domains[t], domain_names.size()));
  }
  std::vector<std::uint64_t> ends{static_cast<std::uint64_t>(tokens)};
  if (!step_offsets.empty()) {
    ends.assign(step_offsets.begin() + 1, step_offsets.end());
    if (step_offsets.front() != 0 || step_offsets.back() != static_cast<std::uint64_t>(tokens) ||
        !std::ranges::is_sorted(step_offsets)) {
      throw sim::ConfigError(fmt::format(
          "write_trace: step_offsets: expected numbers from 0 up to the {} tokens", tokens));
    }
  }
  TraceWriter writer(file, {.layers = static_cast<std::uint32_t>(ids.shape(1)),
                            .experts = experts,
                            .top_k = static_cast<std::uint32_t>(ids.shape(2)),
                            .model = model,
                            .source = source,
                            .layer_ids = layer_ids,
                            .domains = domain_names});
  std::uint64_t first = 0;
  for (const std::uint64_t end : ends) {
    const std::size_t at = first * static_cast<std::size_t>(row),
                      size = (end - first) * static_cast<std::size_t>(row);
    const auto part = [&](const std::vector<std::uint32_t>& column) {
      return column.empty() ? std::span<const std::uint32_t>()
                            : std::span<const std::uint32_t>(column).subspan(first, end - first);
    };
    if (end > first) {
      writer.append({.ids = std::span<const ExpertId>(experts_of).subspan(at, size),
                     .weights = weights.empty() ? std::span<const float>()
                                                : std::span<const float>(weights).subspan(at, size),
                     .requests = part(requests),
                     .positions = part(positions),
                     .phases = part(phases),
                     .domains = part(domains)});
    }
    if (!step_offsets.empty()) writer.end_step();
    first = end;
  }
  writer.close();
}

}  // namespace

void define_traces(py::module_& module) {
  py::class_<Trace>(module, "Trace")
      .def(py::init<const std::string&>(), py::arg("file"))
      .def("info", &Trace::info)
      .def("ids", &Trace::ids, py::arg("first"), py::arg("count"))
      .def("weights", &Trace::weights, py::arg("first"), py::arg("count"))
      .def("column", &Trace::column, py::arg("name"), py::arg("first"), py::arg("count"))
      .def("step_offsets", &Trace::step_offsets)
      .def("counts", &Trace::counts, py::arg("first"), py::arg("count"));
  module.def(
      "find_trace",
      [](const std::string& source) { return find_config("traces", source).string(); },
      py::arg("source"));
  module.def("write_trace", write_trace, py::arg("file"), py::arg("ids"), py::arg("experts"),
             py::arg("columns"), py::arg("model"), py::arg("source"), py::arg("layer_ids"),
             py::arg("domain_names"), py::arg("step_offsets"));
}

}  // namespace moesim::tools
