#include "tools/moesim/calibrate/cost_commands.h"

#include "validation/tables/tables.h"

namespace moesim::tools {

std::vector<Command> cost_commands() {
  return {predict_command(), validate_table_command(), validate_cases_command(),
          calibrate_fit_command()};
}

Option device_option() {
  return {.name = "--device",
          .value = "DEVICE",
          .help = "a device file, or a name in configs/devices such as h200",
          .required = true,
          .is_file = true};
}

Option implementation_option() {
  return {.name = "--impl",
          .value = "NAME",
          .help =
              "whose kernels: trtllm, sglang, vllm, deepgemm, moesim, nccl, deepep; the "
              "kind's own where none is given"};
}

Option kind_argument() {
  const auto kinds = validation::table_kinds();
  return {.name = "KIND",
          .value = "",
          .help = "what the table is about",
          .required = true,
          .choices = {kinds.begin(), kinds.end()}};
}

}  // namespace moesim::tools
