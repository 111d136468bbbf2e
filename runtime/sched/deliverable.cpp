// SPDX-License-Identifier: BSL-1.0
#include "runtime/sched/deliverable.hpp"

#include <unwind.h>

#include <cstdint>
#include <exception>

#include "runtime/sched/generator.hpp"
#include "runtime/sched/hub.hpp"

namespace weft::detail {
namespace {

/// Reader of a language specific data area's head and call-site table (Itanium C++ ABI, 7.x).
class call_sites {
 public:
  explicit call_sites(const std::uint8_t* area) noexcept : at_(area) {
    if (const std::uint8_t encoding = *at_++; encoding != omitted) value(encoding);
    if (*at_++ != omitted) uleb128();
    encoding_ = *at_++;
    const std::uint64_t length = uleb128();
    end_ = at_ + length;
  }

  /// Whether an exception may pass the instruction at `offset` of its function: gcc and clang
  /// leave the instructions from which none may out of the table.
  bool lets_pass(std::uint64_t offset) noexcept {
    while (at_ < end_) {
      const std::uint64_t start = value(encoding_);
      const std::uint64_t length = value(encoding_);
      value(encoding_);
      uleb128();
      if (unknown_) return true;
      if (offset < start) return false;
      if (offset < start + length) return true;
    }
    return false;
  }

 private:
  static constexpr std::uint8_t omitted = 0xff;

  std::uint64_t uleb128() noexcept {
    std::uint64_t result = 0;
    for (unsigned shift = 0;; shift += 7) {
      const std::uint8_t byte = *at_++;
      if (shift < 64) result |= static_cast<std::uint64_t>(byte & 0x7f) << shift;
      if (!(byte & 0x80)) return result;
    }
  }
  template <class T>
  std::uint64_t fixed() noexcept {
    T v;
    __builtin_memcpy(&v, at_, sizeof v);
    at_ += sizeof v;
    return v;
  }
  std::uint64_t value(std::uint8_t encoding) noexcept {
    switch (encoding & 0x0f) {
    case 0x00:
      return fixed<std::uintptr_t>();
    case 0x01:
      return uleb128();
    case 0x02:
      return fixed<std::uint16_t>();
    case 0x03:
      return fixed<std::uint32_t>();
    case 0x04:
      return fixed<std::uint64_t>();
    default:
      unknown_ = true;
      return 0;
    }
  }

  const std::uint8_t* at_;
  const std::uint8_t* end_ = nullptr;
  std::uint8_t encoding_ = 0;
  bool unknown_ = false;
};

struct walk {
  bool passes = true;
  bool reached_entry = false;
  bool reached_generator = false;
};

_Unwind_Reason_Code visit(_Unwind_Context* context, void* argument) {
  auto& w = *static_cast<walk*>(argument);
  const auto start = _Unwind_GetRegionStart(context);
  if (start == reinterpret_cast<std::uintptr_t>(&hub::run_carrier) ||
      start == reinterpret_cast<std::uintptr_t>(&hub::run_identity)) {
    w.reached_entry = true;
    return _URC_NORMAL_STOP;
  }
  if (start == reinterpret_cast<std::uintptr_t>(&generator_stack::run)) {
    w.reached_generator = true;
    return _URC_NORMAL_STOP;
  }
  const auto* area = static_cast<const std::uint8_t*>(_Unwind_GetLanguageSpecificData(context));
  if (!area) return _URC_NO_REASON;
  int before = 0;
  const auto instruction = _Unwind_GetIPInfo(context, &before) - (before ? 0 : 1);
  if (call_sites(area).lets_pass(instruction - start)) return _URC_NO_REASON;
  w.passes = false;
  return _URC_NORMAL_STOP;
}

} // namespace

bool may_throw_here() {
  if (std::uncaught_exceptions() > 0) return false;
  const hub* h = this_hub;
  const bool own_stack = h && h->running() && h->running()->has(thread_fiber);
  walk w;
  _Unwind_Backtrace(&visit, &w);
  if (w.passes && w.reached_generator) // then it would be thrown in the body's caller
    return static_cast<generator_stack*>(current_stack())->may_throw_beneath();
  return w.passes && (w.reached_entry || own_stack);
}

} // namespace weft::detail
