#include "tests/fuzz/target.h"
#include "workloads/serving/requests/detect_format.h"

namespace moesim::fuzz {

using workloads::serving::Lengths;
using workloads::serving::Request;

// A recorded trace of requests, as far as a thousand of them.
void requests(Input input) {
  const InputFile file(input);
  taken(
      [&] {
        const auto stream = workloads::serving::open_trace(
            {.file = file.path(), .format = workloads::serving::detect_format(file.path())}, 1);
        for (int i = 0; i < 1000 && stream->next_arrival(); ++i) {
          const Request request = stream->take();
          stream->answered(request, request.arrival);
        }
        (void)stream->notes();
      },
      file.path().filename().string());
}

}  // namespace moesim::fuzz
