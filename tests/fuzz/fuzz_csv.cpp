#include "sim/check.h"
#include "sim/error.h"
#include "sim/io/csv.h"
#include "tests/fuzz/target.h"

namespace moesim::fuzz {
namespace {

using sim::io::CsvTable;
using sim::io::CsvWriter;

void check_table(const CsvTable& table, std::string_view name) {
  std::size_t numbers = 0;
  CsvWriter writer(table.columns());
  for (std::size_t row = 0; row < table.rows(); ++row) {
    for (std::size_t column = 0; column < table.columns().size(); ++column) {
      writer.add(table.text(row, column));
      if (numbers++ > 100) continue;
      taken([&] { table.number(row, column); }, name);
      taken([&] { table.integer(row, column); }, name);
    }
    writer.end_row();
  }
  taken([&] { table.column("latency_us"); }, name);
  const CsvTable again = CsvTable::parse(writer.text(), "again");
  SIM_CHECK(again.columns() == table.columns() && again.rows() == table.rows(),
            "what is written is read back the same");
  for (std::size_t row = 0; row < table.rows(); ++row) {
    for (std::size_t column = 0; column < table.columns().size(); ++column) {
      SIM_CHECK(again.text(row, column) == table.text(row, column), "value by value");
    }
  }
}

}  // namespace

void csv(Input input) {
  // What starts as gzip does is read from a file.
  if (input.size() > 2 && input[0] == 0x1F && input[1] == 0x8B) {
    const InputFile file(input);
    const std::string name = file.path().string();
    taken(
        [&] { check_table(CsvTable::parse(sim::io::read_text(file.path(), 1 << 20), name), name); },
        name);
    return;
  }
  taken([&] { check_table(CsvTable::parse(std::string(text_of(input)), "t.csv"), "t.csv"); },
        "t.csv");
}

}  // namespace moesim::fuzz
