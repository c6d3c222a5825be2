#include "tools/moesim/calibrate/fit_jobs.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <ostream>

#include "sim/error.h"
#include "validation/tables/detect_kind.h"

namespace moesim::tools {
namespace {

// Files of the same columns as one table, whose lines go on from file to file.
sim::io::CsvTable read_joined(const std::vector<std::string>& files) {
  sim::io::CsvTable first = sim::io::CsvTable::read(files.front());
  if (files.size() == 1) return first;
  sim::io::CsvWriter joined(first.columns());
  std::string name;
  for (const std::string& file : files) {
    const sim::io::CsvTable table = sim::io::CsvTable::read(file);
    name += (name.empty() ? "" : "+") + table.name();
    if (table.columns() != first.columns())
      throw sim::InputError(fmt::format("{} and {} have other columns: they are no one table",
                                        first.name(), table.name()));
    for (std::size_t row = 0; row < table.rows(); ++row) {
      for (std::size_t c = 0; c < table.columns().size(); ++c) joined.add(table.text(row, c));
      joined.end_row();
    }
  }
  return sim::io::CsvTable::parse(joined.text(), name);
}

}  // namespace

std::string FitSource::names() const {
  std::string list;
  for (const std::string& file : files)
    list += (list.empty() ? "" : "+") + std::filesystem::path(file).filename().string();
  return list;
}

FitSource parse_fit_source(const std::string& text) {
  FitSource source;
  const std::size_t equals = text.find('=');
  const bool named = equals != std::string::npos && text.find('/') > equals;
  if (named) source.implementation = text.substr(0, equals);
  std::size_t begin = named ? equals + 1 : 0;
  while (begin <= text.size()) {
    const std::size_t end = std::min(text.find('+', begin), text.size());
    source.files.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return source;
}

std::string title_of(const validation::Task& task) {
  return fmt::format("{} {} {}", task.kind(), task.implementation(), task.variant());
}

FitJob read_fit_job(const Arguments& arguments, const std::string& text,
                    const hardware::Device& device, std::ostream& err) {
  FitJob job{
      .source = parse_fit_source(text), .table = {}, .kind = {}, .implementation = {}, .tasks = {}};
  job.table = read_joined(job.source.files);
  job.kind = arguments.find("kind").value_or(validation::detect_kind(job.table));
  job.implementation = job.source.implementation.empty() ? arguments.find("impl").value_or("")
                                                         : job.source.implementation;
  if (job.implementation.empty()) {
    job.implementation = validation::named_implementation(job.kind, job.source.names());
    if (!job.implementation.empty())
      err << fmt::format(
          "{}: taken for kernels of {}, by its name; IMPL=FILE or --impl says else\n",
          job.table.name(), job.implementation);
  }
  job.said = !job.implementation.empty();
  job.tasks = validation::read_tasks(job.kind, job.table, device, job.implementation);
  return job;
}

void check_places(const std::vector<FitJob>& jobs,
                  const std::vector<hardware::FittedModel>& there) {
  std::map<std::string, const FitJob*> taken;
  for (const FitJob& job : jobs) {
    for (const auto& task : job.tasks) {
      const std::string title = title_of(*task);
      const auto [at, fresh] = taken.try_emplace(title, &job);
      if (!fresh && at->second != &job)
        throw sim::InputError(fmt::format(
            "{} and {} are both of {}: IMPL=FILE says whose one of them is, FILE+FILE fits them "
            "as one table",
            at->second->table.name(), job.table.name(), title));
      if (job.said) continue;
      for (const hardware::FittedModel& m : there)
        if (m.kind == task->kind() && m.implementation == task->implementation() &&
            m.variant == task->variant() && !m.provenance.source.starts_with(job.source.names()))
          throw sim::InputError(fmt::format(
              "{}: {} is there already, fitted on {}; whose kernels are these? IMPL=FILE or --impl "
              "says, --impl {} replaces it",
              job.table.name(), title, m.provenance.source, task->implementation()));
    }
  }
}

}  // namespace moesim::tools
