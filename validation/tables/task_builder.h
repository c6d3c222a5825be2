// Sorts the rows of a table into tasks by implementation and variant, in the order they first come.
#pragma once

#include <fmt/format.h>

#include <map>

#include "validation/tables/table_reader.h"
#include "validation/tables/tables.h"

namespace moesim::validation {

template <class M>
class TaskBuilder {
 public:
  TaskBuilder(std::string_view kind, const hardware::Device& device, const TableReader& reader)
      : kind_(kind), device_(device), reader_(reader) {}

  // The device's rates are taken at `precision`, the same for all rows of a variant.
  void add(const std::string& implementation, const std::string& variant,
           hardware::Precision precision, Item item, typename M::Shape shape) {
    const auto [at, fresh] = index_.try_emplace({implementation, variant}, tasks_.size());
    if (fresh) {
      auto task = std::make_unique<ModelTask<M>>(kind_, implementation, variant,
                                                 hardware::rates_of(device_, precision));
      raw_.push_back(task.get());
      tasks_.push_back(std::move(task));
    }
    item.guess = reader_.guess_of(item.row);
    raw_[at->second]->add(std::move(item), std::move(shape));
  }

  Tasks take() {
    tasks_.apart = reader_.apart();
    return std::move(tasks_);
  }

 private:
  std::string kind_;
  const hardware::Device& device_;
  const TableReader& reader_;
  Tasks tasks_;
  std::vector<ModelTask<M>*> raw_;
  std::map<std::pair<std::string, std::string>, std::size_t> index_;
};

}  // namespace moesim::validation
