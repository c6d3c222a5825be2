#include "hardware/network/topology.h"

namespace moesim::hardware {

std::string_view name_of(LinkKind kind) {
  switch (kind) {
    case LinkKind::ScaleUp:
      return "scale_up";
    case LinkKind::Host:
      return "host";
    case LinkKind::Nic:
      return "nic";
    case LinkKind::Fabric:
      return "fabric";
    case LinkKind::Torus:
      return "torus";
  }
  return "";
}

std::string Topology::link_name(LinkId link) const {
  return vertices[links[link].from].name + "->" + vertices[links[link].to].name;
}

}  // namespace moesim::hardware
