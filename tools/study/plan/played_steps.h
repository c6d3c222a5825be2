// Steps of one engine, each played once, on all of its layers or on a part of them.
//
// A part is what tells quickly that an engine is no answer (search.h). Of every kind of layer it
// has its share of kLayersOfAPart, one at least, evenly spread; a step of all is then
//
//   time = around + (played - around) x longest stage / longest stage of the part
//
// around: head, embedding and host, as far as the step waited for them. What this is off by is the
// routing: a layer that is left out has experts that are loaded otherwise.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>

#include "hardware/power.h"
#include "workloads/deployment/deployment.h"
#include "workloads/step/player.h"

namespace moesim::tools {

enum class Layers { All, Part };

// About as many; in a pipeline of more than six stages two a stage.
inline constexpr std::int64_t kLayersOfAPart = 12;

// The engine with a part of its layers; nothing where that says little or saves little: of few
// layers, of an encoder, of a placement from a file (it names layers), of drafts (they are passes
// of their own, which no part of the layers makes shorter).
std::optional<workloads::Deployment> with_a_part(const workloads::Deployment& deployment,
                                                 std::int64_t draft);

class PlayedSteps {
 public:
  // The deployment outlives this. Throws as StepPlayer does.
  PlayedSteps(const workloads::Deployment& deployment, const workloads::Envelope& envelope,
              Layers layers, std::int64_t draft);
  PlayedSteps(const PlayedSteps&) = delete;  // the player points into it
  PlayedSteps& operator=(const PlayedSteps&) = delete;
  // Of a step with one draw of the routing.
  double seconds(const workloads::Batch& batch) { return of(batch).seconds; }
  // How it uses its cards. The part's is taken for that of all.
  const hardware::PowerUse& use(const workloads::Batch& batch) { return of(batch).use; }

 private:
  struct Step {
    workloads::Batch batch;
    double seconds = 0;
    hardware::PowerUse use = {};
  };
  const Step& of(const workloads::Batch& batch);

  std::optional<workloads::Deployment> part_;
  double times_ = 1;  // as long as the part's layers are those of all
  workloads::StepPlayer player_;
  std::deque<Step> played_;  // a handful
};

}  // namespace moesim::tools
