// A placement that is a file: what it gives, and every mistake with its place.
#include <doctest/doctest.h>

#include "sim/error.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/thrown.h"
#include "workloads/placement/experts.h"
#include "workloads/placement/placement_file.h"

using namespace moesim;
using namespace moesim::workloads;

namespace {

struct File {
  explicit File(std::string_view text) : path(folder.file("slots.yaml", text)) {}
  ExpertPlacement read(std::uint32_t experts = 4, std::uint32_t ranks = 2,
                       std::uint32_t layers = 2) const {
    return placement_from_file(path, experts, ranks, layers);
  }
  std::string mistakes() const {
    std::string text = tests::thrown<sim::ConfigError>([&] { (void)read(); });
    // Without the folder's name.
    const std::string where = path.string();
    for (std::size_t at; (at = text.find(where)) != std::string::npos;)
      text.replace(at, where.size(), "slots.yaml");
    return text;
  }

  tests::TemporaryFolder folder;
  std::filesystem::path path;
};

std::vector<ExpertId> slots(const ExpertPlacement& placement, std::uint32_t layer) {
  const auto span = placement.layer(layer).slot_expert();
  return {span.begin(), span.end()};
}

}  // namespace

TEST_CASE("a placement's file has a list of slots for each mixture layer") {
  const ExpertPlacement placement =
      File("name: by hand\nslots:\n  - [0, 2, 1, 3]\n  - [3, 2, 1, 0]\n").read();
  CHECK(placement.name == "by hand");
  REQUIRE(placement.layers.size() == 2);
  CHECK(slots(placement, 0) == std::vector<ExpertId>{0, 2, 1, 3});
  CHECK(slots(placement, 1) == std::vector<ExpertId>{3, 2, 1, 0});
  CHECK(placement.layer(1).rank_of_slot(2) == 1);
}

TEST_CASE(
    "one list is for all layers, redundant slots are more of them, and the file is its name") {
  const ExpertPlacement placement = File("slots: [[0, 1, 2, 3, 0, 1]]\n").read();
  CHECK(placement.name == "slots.yaml");
  CHECK(slots(placement, 0).size() == 6);
  CHECK(slots(placement, 1) == slots(placement, 0));
  CHECK(placement.layer(0).slots_per_rank() == 3);
}

TEST_CASE("what a placement's text says is read as that placement again") {
  const File file("name: swapped\nslots:\n  - [1, 0, 3, 2]\n  - [0, 1, 2, 3]\n");
  CHECK(placement_text(file.read()) ==
        "name: swapped\nslots:\n  - [1, 0, 3, 2]\n  - [0, 1, 2, 3]\n");
}

TEST_CASE("a list for some of the layers is refused with how many there are") {
  CHECK(File("slots: [[0, 1, 2, 3], [0, 1, 2, 3], [0, 1, 2, 3]]\n").mistakes() ==
        "slots.yaml:1:8: slots: expected a list for each of 2 MoE layers, or one for all, not 3");
  CHECK(File("slots: []\n").mistakes() ==
        "slots.yaml:1:8: slots: expected a list for each of 2 MoE layers, or one for all, not 0");
}

TEST_CASE("all mistakes of a placement's file are told at once, each with its place") {
  CHECK(File("slot: 1\nslots: [[0, 1, 4, x]]\n").mistakes() ==
        "slots.yaml:1:1: unknown key \"slot\"; did you mean \"slots\"?\n"
        "slots.yaml:2:16: slots[0][2]: expected a whole number from 0 to 3, not \"4\"\n"
        "slots.yaml:2:19: slots[0][3]: expected a whole number from 0 to 3, not \"x\"");
  CHECK(File("name: x\n").mistakes() == "slots.yaml:1:1: key \"slots\" is missing");
}

TEST_CASE("slots that are no placement are refused with the layer") {
  CHECK(File("slots:\n  - [0, 1, 2, 3]\n  - [0, 1, 1, 3]\n").mistakes() ==
        "slots.yaml:3:5: slots[1]: expert 2 has no slot");
  CHECK(File("slots: [[0, 1, 2, 3, 0]]\n").mistakes() ==
        "slots.yaml:1:9: slots[0]: 5 expert slots do not divide over 2 ranks");
  // By the key of whose map it is.
  CHECK(File(R"({"physical_to_logical_map": [[0, 1, 2, 3], [0, 1, 1, 3]]})").mistakes() ==
        "slots.yaml:1:44: physical_to_logical_map[1]: expert 2 has no slot");
}

TEST_CASE("a placement's file that is not there is unreadable input") {
  CHECK_THROWS_AS(placement_from_file("no/such/slots.yaml", 4, 2, 2), sim::InputError);
}

TEST_CASE("maps of SGLang and of vLLM-Ascend are placements") {
  const ExpertPlacement sglang =
      File(R"({"physical_to_logical_map": [[0, 2, 1, 3], [3, 2, 1, 0]]})").read();
  CHECK(slots(sglang, 0) == std::vector<ExpertId>{0, 2, 1, 3});
  CHECK(slots(sglang, 1) == std::vector<ExpertId>{3, 2, 1, 0});
  const ExpertPlacement ascend =
      File(
          R"({"moe_layer_count": 1, "layer_list": [{"layer_id": 0, "device_count": 2, "device_list": [
          {"device_id": 0, "device_expert": [0, 2]}, {"device_id": 1, "device_expert": [1, 3]}]}]})")
          .read();
  CHECK(slots(ascend, 0) == std::vector<ExpertId>{0, 2, 1, 3});
  CHECK(
      File(R"({"layer_list": [{"device_list": [{"device_expert": [0, 1, 2, 3]}]}]})").mistakes() ==
      "slots.yaml:1:17: layer_list[0]: a map of 1 devices, but the experts are "
      "over 2 ranks");
}

TEST_CASE("a map of vLLM-Ascend whose counts are not those of what it lists is refused") {
  CHECK(
      File(
          R"({"moe_layer_count": 2, "layer_list": [{"layer_id": 0, "device_count": 3, "device_list": [
          {"device_id": 0, "device_expert": [0, 2]}, {"device_id": 1, "device_expert": [1, 3]}]}]})")
          .mistakes() ==
      "slots.yaml:1:21: moe_layer_count: 2, but 1 are listed: is the file whole?\n"
      "slots.yaml:1:71: layer_list[0].device_count: 3, but 2 are listed: is the file whole?");
}

TEST_CASE("a mistake that all layers of a map have is told once") {
  const std::string layer = R"({"layer_id": 0, "device_list": [{"device_expert": [0, 1, 2, 3]}]})";
  CHECK(File("{\"layer_list\": [" + layer + ", " + layer + "]}").mistakes() ==
        "slots.yaml:1:17: layer_list[0]: a map of 1 devices, but the experts are over 2 ranks");
  const std::string late =
      R"({"layer_id": 1, "device_list": [{"device_expert": [0, 2]}, {"device_expert": [1, 3]}]})";
  CHECK(File("{\"layer_list\": [" + late + ", " + late + "]}").mistakes() ==
        "slots.yaml:1:30: layer_list[0].layer_id: expected layer 0: layers stand in their order");
  CHECK(File(R"({"layer_list": [{"device_list": [{"device_id": 1, "device_expert": [0, 2]},
                                                  {"device_id": 0, "device_expert": [1, 3]}]}]})")
            .mistakes() ==
        "slots.yaml:1:48: layer_list[0].device_list[0].device_id: expected device 0: devices stand "
        "in their order");
}

TEST_CASE("the slots of a placement's file are known before its ranks are") {
  CHECK(slots_in_file(File("slots: [[0, 1, 2, 3, 0, 1]]\n").path, 4) == 6);
  // Where layers differ, those of the one with most.
  CHECK(slots_in_file(File("slots: [[0, 1, 2, 3], [0, 1, 2, 3, 3, 3]]\n").path, 4) == 6);
  CHECK(slots_in_file(File(R"({"layer_list": [{"device_list": [{"device_expert": [0, 1, 2]}, 
                          {"device_expert": [3, 1, 2]}]}]})")
                          .path,
                      4) == 6);
}
