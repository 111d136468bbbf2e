// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cxxabi.h>

namespace weft::detail {

/// libstdc++'s record of the exceptions being handled and thrown: a thread has one, hence each
/// fiber keeps its own aside while it does not run. The layout is the Itanium C++ ABI's.
/// Boost.Context from 1.88 on swaps it inside its own jump; weft uses neither that jump nor that
/// version, since swapping twice would give a fiber back another's exceptions.
struct exception_state {
  void* caught = nullptr;
  unsigned int uncaught = 0;
};

/// The calling thread's. The address never changes in a thread's life.
inline exception_state* thread_exception_state() noexcept {
  return reinterpret_cast<exception_state*>(abi::__cxa_get_globals());
}

} // namespace weft::detail
