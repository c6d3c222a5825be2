// No answer rests on a run that does not trust itself, nor draws more than the limits allow: an
// engine whose sampled iterations, played again, differ from their prices, or whose run takes more
// watts than its estimate did, is refused, and the question is asked again without it.
#pragma once

#include "tools/study/plan/plan_work.h"

namespace moesim::tools {

// choose() and answer_questions() until every answer's self-check holds. Where nothing is left to
// choose then, the answers are those that there were, with what is said of their check; those that
// draw too much stay refused.
void answer_with_trust(PlanWork& work);

}  // namespace moesim::tools
