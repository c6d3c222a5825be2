#include "tools/moesim/self_check.h"

#include <fmt/format.h>
#include <stdlib.h>

#include <array>
#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>

#include "sim/io/atomic_file.h"
#include "sim/io/csv.h"
#include "sim/io/hdf5_file.h"
#include "sim/io/json.h"
#include "sim/io/yaml_reader.h"
#include "sim/units.h"

namespace moesim::tools {
namespace {

namespace io = sim::io;

class Folder {
 public:
  Folder() {
    std::string name = (std::filesystem::temp_directory_path() / "moesim-doctor-XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) throw sim::InputError(name + ": cannot be made");
    path_ = name;
  }
  ~Folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  std::filesystem::path operator/(const char* name) const { return path_ / name; }

 private:
  std::filesystem::path path_;
};

void expect(bool holds, const char* what) {
  if (!holds) throw sim::InputError(what);
}

void check_yaml(const Folder& folder) {
  io::write_file(folder / "t.yaml", "memory: 80 GiB\n");
  const io::YamlDocument document = io::YamlDocument::load(folder / "t.yaml");
  const sim::Bytes memory = document.root().at("memory").bytes();
  document.throw_errors();
  expect(memory.count() == std::int64_t{80} << 30, "80 GiB was read as something else");
}

void check_json(const Folder& folder) {
  io::Json value;
  value["rate"] = 0.1;
  io::write_file(folder / "t.json", io::to_text(value));
  expect(io::read_json(folder / "t.json") == value, "what was written was read as something else");
}

void check_csv(const Folder& folder) {
  io::CsvWriter writer({"m", "latency_us"});
  writer.add(std::int64_t{8}).add(2.5).end_row();
  io::write_file(folder / "t.csv", writer.text());
  const io::CsvTable table = io::CsvTable::read(folder / "t.csv");
  expect(table.rows() == 1 && table.number(0, table.column("latency_us")) == 2.5,
         "what was written was read as something else");
}

void check_gzip(const Folder& folder) {
  // "m\n8\n" as gzip writes it.
  constexpr std::array<unsigned char, 24> kPacked = {
      0x1f, 0x8b, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0x03, 0xcb, 0xe5,
      0xb2, 0xe0, 0x02, 0x00, 0xf1, 0x20, 0xd5, 0x12, 0x04, 0x00, 0x00, 0x00};
  io::write_file(folder / "t.csv.gz",
                 {reinterpret_cast<const char*>(kPacked.data()), kPacked.size()});
  const io::CsvTable table = io::CsvTable::read(folder / "t.csv.gz");
  expect(table.rows() == 1 && table.integer(0, 0) == 8, "8 was read as something else");
}

void check_hdf5(const Folder& folder) {
  const std::vector<std::int32_t> ids = {3, 1, 2, 0};
  io::Hdf5Writer writer(folder / "t.h5");
  const std::vector<std::uint64_t> row = {2};
  writer.append(writer.create("/expert_ids", io::Hdf5Writer::Stored::U2, row), ids);
  writer.close();
  const io::Hdf5Dataset set = io::Hdf5File::open(folder / "t.h5").dataset("/expert_ids");
  std::vector<std::int32_t> found(4);
  set.read(0, 2, std::span(found));
  expect(found == ids, "what was written was read as something else");
}

}  // namespace

std::vector<SelfCheck> check_readers() {
  const std::pair<const char*, std::function<void(const Folder&)>> tries[] = {
      {"YAML", check_yaml}, {"JSON", check_json}, {"CSV", check_csv},
      {"gzip", check_gzip}, {"HDF5", check_hdf5},
  };
  std::vector<SelfCheck> checks;
  for (const auto& [name, run] : tries) {
    SelfCheck& check = checks.emplace_back(SelfCheck{name, true, {}});
    try {
      const Folder folder;
      run(folder);
    } catch (const std::exception& error) {
      check.ok = false;
      check.message = error.what();
    }
  }
  return checks;
}

}  // namespace moesim::tools
