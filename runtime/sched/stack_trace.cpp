// SPDX-License-Identifier: BSL-1.0
#include "runtime/sched/stack_trace.hpp"

#include <cxxabi.h>
#include <dlfcn.h>
#include <unwind.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>

#include "runtime/sched/generator.hpp"
#include "runtime/sched/hub.hpp"
#include "runtime/sched/patch.hpp"

extern "C" void weft_call_as_if_from(weft::core::context parked, void (*f)(void*), void* argument);

namespace weft::detail {
namespace {

bool is_entry(std::uintptr_t function) noexcept {
  return function == reinterpret_cast<std::uintptr_t>(&hub::run_carrier) ||
         function == reinterpret_cast<std::uintptr_t>(&hub::run_identity) ||
         function == reinterpret_cast<std::uintptr_t>(&generator_stack::run);
}

struct walk {
  stack_trace* trace;
  int skip; // frames of this file
  bool from_signal = false;
};

_Unwind_Reason_Code visit(_Unwind_Context* context, void* argument) {
  auto& w = *static_cast<walk*>(argument);
  if (w.skip > 0) {
    --w.skip;
    return _URC_NO_REASON;
  }
  if (is_entry(_Unwind_GetRegionStart(context)) || w.trace->full()) return _URC_NORMAL_STOP;
  int before = 0; // of a signal's frame: the instruction itself, and not the one after a call
  const std::uintptr_t at = _Unwind_GetIPInfo(context, &before);
  if (at == 0) return _URC_NORMAL_STOP;
  if (before && w.from_signal) w.trace->clear(); // who was interrupted begins here
  w.trace->add(reinterpret_cast<const void*>(at - (before ? 0 : 1)));
  return _URC_NO_REASON;
}

[[gnu::noinline]] void walk_from_here(void* trace) {
  // Skipped: this function and weft_call_as_if_from.
  walk w{static_cast<stack_trace*>(trace), 2, false};
  _Unwind_Backtrace(&visit, &w);
}

void walk_parked(core::context parked, stack_trace& trace) noexcept {
  if (parked) weft_call_as_if_from(parked, &walk_from_here, &trace);
}

/// What lies beneath the generators that a fiber is in.
void walk_beneath(const carrier* stack, stack_trace& trace) noexcept {
  while (stack && !stack->home) {
    const auto* generator = static_cast<const generator_stack*>(stack);
    walk_parked(generator->other_context, trace);
    stack = generator->other_stack == generator ? nullptr : generator->other_stack;
  }
}

std::string demangled(const char* symbol) {
  int status = 0;
  const std::unique_ptr<char, decltype(&std::free)> text(
      abi::__cxa_demangle(symbol, nullptr, nullptr, &status), &std::free);
  return status == 0 ? text.get() : symbol;
}

/// Where weft itself is, if that is a library of its own.
const void* own_library() noexcept {
  Dl_info own;
  if (::dladdr(reinterpret_cast<const void*>(&hub::run_carrier), &own) == 0) return nullptr;
  const char* const name = std::strrchr(own.dli_fname, '/');
  return std::strstr(name ? name : own.dli_fname, "libweft") ? own.dli_fbase : nullptr;
}

/// Part of weft, as far as one can tell: what a parked fiber's stack begins and ends with.
bool is_wefts(const Dl_info& where) noexcept {
  if (const void* patch = patch_library(); patch && where.dli_fbase == patch) return true;
  static const void* const library = own_library();
  if (library) return where.dli_fbase == library;
  return where.dli_sname && std::strncmp(where.dli_sname, "_ZN4weft3hub", 12) == 0;
}

std::string name_of_frame(const void* address, const Dl_info& where) {
  char offset[32];
  if (where.dli_sname) {
    std::snprintf(offset, sizeof offset, "+0x%zx",
                  static_cast<std::size_t>(static_cast<const char*>(address) -
                                           static_cast<const char*>(where.dli_saddr)));
    return demangled(where.dli_sname) + offset;
  }
  std::snprintf(offset, sizeof offset, "+0x%zx",
                static_cast<std::size_t>(static_cast<const char*>(address) -
                                         static_cast<const char*>(where.dli_fbase)));
  return std::string(where.dli_fname) + offset;
}

} // namespace

namespace {
[[gnu::noinline]] stack_trace trace_from_here(bool from_signal) noexcept {
  stack_trace trace;
  walk w{&trace, 1, from_signal};
  _Unwind_Backtrace(&visit, &w);
  walk_beneath(current_stack(), trace);
  return trace;
}
} // namespace

stack_trace trace_of_interrupted() noexcept {
  return trace_from_here(true);
}

stack_trace trace_of(const state& fiber) noexcept {
  if (this_hub && this_hub->running() == &fiber) return trace_from_here(false);
  stack_trace trace;
  if (fiber.where != phase::parked && fiber.where != phase::ready) return trace;
  walk_parked(suspended_context(fiber), trace);
  walk_beneath(fiber.stack, trace);
  return trace;
}

std::string describe(const stack_trace& trace, std::size_t most, const char* indent) {
  Dl_info where[stack_trace::capacity];
  bool known[stack_trace::capacity];
  for (std::size_t i = 0; i < trace.size(); ++i)
    known[i] = ::dladdr(trace[i], &where[i]) != 0 && where[i].dli_fname;
  std::size_t begin = 0;
  std::size_t end = trace.size();
  while (begin < end && known[begin] && is_wefts(where[begin]))
    ++begin;
  while (begin < end && known[end - 1] && is_wefts(where[end - 1]))
    --end;
  std::string text;
  for (std::size_t i = begin; i < end && i - begin < most; ++i) {
    text += indent;
    if (known[i]) {
      text += name_of_frame(trace[i], where[i]);
    } else {
      char number[32];
      std::snprintf(number, sizeof number, "%p", trace[i]);
      text += number;
    }
    text += '\n';
  }
  return text;
}

} // namespace weft::detail
