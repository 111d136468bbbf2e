// SPDX-License-Identifier: BSL-1.0
#include <stdexcept>
#include <string>

#include "runtime/core/sys.hpp"
#include "runtime/sched/error_report.hpp"
#include "runtime/sched/generator.hpp"
#include "runtime/sched/hub.hpp"
#include "weft/error.hpp"
#include "weft/generator.hpp"

// What the members of generator come to, and how they refuse.

namespace weft::detail {
namespace {

// How often a body that is to go may yield instead.
constexpr int requests_to_exit = 3;

using phase_of = generator_phase;

/// Throws `error` in a body that has none to throw it in.
void end_with(generator_core& g, const std::exception_ptr& error) {
  if (g.where == phase_of::unstarted) {
    g.where = phase_of::finished;
    g.drop_body();
  }
  std::rethrow_exception(error);
}

[[gnu::always_inline]] inline void run_on(generator_core& g, const std::exception_ptr& error,
                                          bool lets_pass) {
  g.thrown = error;
  g.where = phase_of::running;
  g.stack->enter(lets_pass);
  if (g.where == phase_of::finished) std::exchange(g.stack, nullptr)->release();
  if (g.thrown) [[unlikely]]
    std::rethrow_exception(std::exchange(g.thrown, nullptr));
}

} // namespace

std::uint32_t generator_stack_class(std::size_t usable) {
  return usable ? stack_class_for(usable) : default_stack_class();
}

namespace {
[[gnu::noinline]] void refuse(const generator_core& g, const char* call) {
  if (g.where == phase_of::running)
    throw std::logic_error(std::string("weft: ") + call +
                           " of a generator whose body runs already, or blocks in another fiber; "
                           "give each fiber its own, or guard it with a mutex");
  throw std::logic_error(std::string("weft: ") + call +
                         " of a generator that was started on another thread; ask for its "
                         "values there, and pass them on by a queue");
}

inline void check(const generator_core& g, const char* call) {
  if (g.where == phase_of::running || (g.stack && !g.stack->started_here())) [[unlikely]]
    refuse(g, call);
}
} // namespace

void check_generator(const generator_core& g, const char* call) {
  check(g, call);
}

bool resume_generator(generator_core& g, const char* call, const std::exception_ptr& error) {
  check(g, call);
  if (g.where != phase_of::suspended) {
    if (error) end_with(g, error);
    if (g.where == phase_of::finished) return false;
    g.stack = generator_stack::make(g);
  }
  run_on(g, error, true);
  return g.where == phase_of::suspended;
}

std::exception_ptr suspend_generator(generator_core& g) {
  if (g.where != phase_of::running || current_stack() != g.stack)
    throw std::logic_error("weft: yield outside of the generator's own body; a fiber that the body "
                           "spawned, or a generator inside it, cannot yield for it");
  generator_stack& s = *g.stack;
  if (s.timeouts != current_timeouts())
    throw std::logic_error("weft: yield inside a timeout_scope that the generator's body opened: "
                           "it would go on in the caller; close it first");
  g.where = phase_of::suspended;
  s.cross(s.as, s.caller_as);
  return std::exchange(g.thrown, nullptr);
}

namespace {

void request_exit(generator_core& g, const std::exception_ptr& exit, bool lets_pass) {
  g.closing = true;
  try {
    run_on(g, exit, lets_pass);
  } catch (...) {
    g.closing = false;
    throw;
  }
  g.closing = false;
  if (g.where == phase_of::suspended)
    throw std::logic_error("weft: a generator's body yielded while it was being closed; let "
                           "generator_exit pass, or return");
}

} // namespace

void close_generator(generator_core& g, const std::exception_ptr& exit) {
  check_generator(g, "close");
  if (g.where == phase_of::unstarted) {
    g.where = phase_of::finished;
    g.drop_body();
  }
  if (g.where == phase_of::suspended) request_exit(g, exit, true);
}

void destroy_generator::operator()(generator_core* g) const noexcept {
  if (g->where == phase_of::running)
    core::sys::fatal("weft: a generator was destroyed while its body runs or blocks\n");
  for (int i = 0; i < requests_to_exit && g->where == phase_of::suspended; ++i) {
    try {
      request_exit(*g, std::make_exception_ptr(generator_exit()), false);
    } catch (const cancelled&) { // never reported
    } catch (...) {
      report_error("a generator that was destroyed", std::current_exception());
    }
  }
  if (g->where != phase_of::suspended) delete g; // else abandoned: frames on its stack use it
}

void refuse_empty_generator() {
  throw std::logic_error("weft: a call of an empty generator; it was default-made, or moved from");
}

void refuse_to_send() {
  throw std::logic_error("weft: send to a generator that waits at no yield yet; call next() first");
}

void refuse_null_exception() {
  throw std::invalid_argument("weft: throw_into with null; there is no exception to throw");
}

void refuse_null_body() {
  throw std::invalid_argument(
      "weft::generator: the body is null; give it a function that takes a yielder");
}

void refuse_result(const generator_core& g) {
  throw std::logic_error(
      g.where == phase_of::finished
          ? "weft: result of a generator that did not return: it was closed, or threw"
          : "weft: result of a generator that is not at its end; ask for its values first");
}

} // namespace weft::detail
