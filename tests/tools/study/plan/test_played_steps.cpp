#include "tools/study/plan/played_steps.h"

#include <doctest/doctest.h>

#include <algorithm>

using namespace moesim;
using doctest::Approx;
using tools::Layers;
using tools::PlayedSteps;
using tools::with_a_part;

namespace {

workloads::Deployment mixtral() {
  workloads::Deployment d;
  d.model = workloads::load_model("configs/models/mixtral-8x7b.yaml");  // 32 layers, all alike
  d.cluster = hardware::load_cluster("configs/clusters/h100-1x8.yaml");
  d.network.fidelity = hardware::Fidelity::Bound;
  d.layout = {.dp = 8, .ep = 8};
  d.routing.law = workloads::Law::Balanced;
  return d;
}

std::ptrdiff_t layers_of_kind(const workloads::Deployment& d, std::size_t kind) {
  return std::ranges::count(d.model.layers, kind);
}

double seconds(const workloads::Deployment& d, const workloads::Batch& batch, Layers layers) {
  return PlayedSteps(d, {.fullest = batch}, layers, 0).seconds(batch);
}

}  // namespace

TEST_CASE("of every kind of layer a part has its share, one at least") {
  // 3 dense layers and 58 mixture layers of 61: of twelve 0.59, one, and 11.4, eleven.
  workloads::Deployment d = mixtral();
  d.model = workloads::load_model("configs/models/deepseek-v3.yaml");
  REQUIRE(d.model.layer_count() == 61);
  const auto part = with_a_part(d, 0);
  REQUIRE(part);
  const std::size_t dense = d.model.layers.front(), mixture = d.model.layers.back();
  CHECK(layers_of_kind(*part, dense) == 1);
  CHECK(layers_of_kind(*part, mixture) == 11);
  CHECK(part->model.layers.front() == dense);
  // Eight stages have two each: of sixteen 0.79 and 15.2.
  d.layout.pp = 8;
  CHECK(layers_of_kind(*with_a_part(d, 0), dense) == 1);
  CHECK(layers_of_kind(*with_a_part(d, 0), mixture) == 15);
}

TEST_CASE("where a part says little or saves little all layers are played") {
  workloads::Deployment d = mixtral();
  CHECK(with_a_part(d, 0));
  CHECK_FALSE(with_a_part(d, 1));  // drafts
  d.placement.file = "placement.json";
  CHECK_FALSE(with_a_part(d, 0));
  d.placement.file.clear();
  d.model.layers.resize(25);
  CHECK(with_a_part(d, 0));
  d.model.layers.resize(24);  // twelve are half of them
  CHECK_FALSE(with_a_part(d, 0));
  d.model.layers.resize(32);
  d.model.encoder_layers = 16;
  CHECK_FALSE(with_a_part(d, 0));
}

TEST_CASE("of layers that are all alike a part tells what all of them take") {
  // Experts are balanced: 32 layers take 32 / 12 of what 12 do, head, embedding and a host that
  // thinks for 3 ms between steps apart.
  workloads::Deployment d = mixtral();
  d.host.per_step = sim::Duration(3'000'000'000);
  const auto batch = workloads::on_every_rank({workloads::decoding(16, 2048)});
  const double all = seconds(d, batch, Layers::All);
  CHECK(all > 0.003);
  CHECK(seconds(d, batch, Layers::Part) == Approx(all).epsilon(1e-6));
  // Kernels that the host launches one by one are the layers'.
  d.host.per_launch = sim::Duration(100'000'000);
  d.host.graphs = workloads::Graphs::None;
  const double launched = seconds(d, batch, Layers::All);
  CHECK(launched > 1.2 * all);
  CHECK(seconds(d, batch, Layers::Part) == Approx(launched).epsilon(0.02));
  // Stages of a pipeline have 8 and 3 of them.
  d = mixtral();
  d.layout = {.pp = 4, .dp = 2, .ep = 2};
  CHECK(seconds(d, batch, Layers::Part) == Approx(seconds(d, batch, Layers::All)).epsilon(0.03));
}

TEST_CASE("a part is off by what its layers' routing is") {
  workloads::Deployment d = mixtral();
  d.routing.law = workloads::Law::LogNormal;
  d.routing.skew = 0.5;
  const auto batch = workloads::on_every_rank({workloads::decoding(64, 2048)});
  const double all = seconds(d, batch, Layers::All), part = seconds(d, batch, Layers::Part);
  CHECK(part != all);
  CHECK(part == Approx(all).epsilon(0.12));
}

TEST_CASE("a step is played once") {
  workloads::Deployment d = mixtral();
  const auto batch = workloads::on_every_rank({workloads::decoding(16, 2048)});
  PlayedSteps steps(d, {.fullest = batch}, Layers::All, 0);
  const auto& use = steps.use(batch);
  const double first = steps.seconds(batch);
  (void)steps.seconds(workloads::on_every_rank({workloads::decoding(8, 2048)}));
  CHECK(steps.seconds(batch) == first);
  CHECK(&steps.use(batch) == &use);
  // Decodes read memory, and nothing is more than fully used.
  CHECK(use.memory > 0.1);
  CHECK(use.memory <= 1);
}
