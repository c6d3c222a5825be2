// What a test asserts of an error: all of its message.
#pragma once

#include <string>

namespace moesim::tests {

// The message of the exception of that type that the call throws; "(nothing was thrown)" where none
// is.
template <typename Exception, typename Call>
std::string thrown(Call&& call) {
  try {
    call();
  } catch (const Exception& error) {
    return error.what();
  }
  return "(nothing was thrown)";
}

}  // namespace moesim::tests
