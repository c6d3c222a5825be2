#include "tools/report/schedule_svg.h"

#include <doctest/doctest.h>

#include "workloads/step/phases.h"

using namespace moesim;
using namespace moesim::workloads;

TEST_CASE("a schedule is drawn to scale, a row a rank, a box a pass") {
  Recording recording{.graph = sim::OpGraph(2, 2), .timeline = {}};
  const auto add = [&](sim::Rank rank, const char* name, Phase phase, sim::Duration from,
                       sim::Duration to) {
    const sim::LabelId label = recording.graph.add_label({.name = name, .phase = index_of(phase)});
    recording.graph.add_compute(rank, 0, label, to - from, {});
    recording.timeline.spans.push_back({sim::Time{from}, sim::Time{to}});
  };
  using std::chrono::microseconds;
  add(0, "F 12 stage 0", Phase::Pipeline, microseconds(0), microseconds(300));
  add(1, "F 13 stage 1, B 2 stage 1", Phase::Pipeline, microseconds(300), microseconds(1000));
  add(1, "experts L3", Phase::Experts, microseconds(310), microseconds(400));
  recording.timeline.finish = sim::Time{microseconds(1000)};
  const std::string svg = tools::schedule_svg(recording, "a & b");
  CHECK(svg.starts_with("<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"1272\" height=\"122\""));
  CHECK(svg.find("<title>a &amp; b</title>") != std::string::npos);
  // 1,200 wide for 1,000 us: the first is 360 wide, the second starts there and is 840.
  CHECK(svg.find("<rect x=\"60.00\" y=\"54\" width=\"360.00\" height=\"20\" fill=\"#8db4e2\"") !=
        std::string::npos);
  CHECK(svg.find("<rect x=\"420.00\" y=\"76\" width=\"840.00\" height=\"20\" fill=\"#b59bd6\"") !=
        std::string::npos);
  CHECK(svg.find("<title>F 12 stage 0: 300.0 us from 0.0 us</title>") != std::string::npos);
  CHECK(svg.find(">12</text>") != std::string::npos);
  // What passes are made of is not drawn.
  CHECK(svg.find("experts") == std::string::npos);
  CHECK(svg.ends_with("1.000 ms</text>\n</svg>\n"));
}
