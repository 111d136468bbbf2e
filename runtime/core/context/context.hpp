// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstddef>

/// Contexts: the only place in the runtime that knows an instruction set.
///
/// Made by Boost.Context's make_fcontext. On x86-64 they are switched by a jump with the
/// same frame layout as Boost's (callee-saved registers, MXCSR, x87 control word; 0x40
/// bytes, return address on top) but which ends in `ret`: Boost's ends in `jmp`, after
/// which every `ret` up the chain of callers mispredicts (on a 2.1 GHz Xeon 26.8 ns against
/// 5.6 flat, 84 against 9.7 six frames deep; how much depends on the processor). Elsewhere, under
/// CET shadow stacks, or when the layout found at start is not the expected one, jump_fcontext is
/// used.
namespace weft::core {

using context = void*;

/// What a context receives when it is entered: who jumped, and what it sent.
struct transfer {
  context from;
  void* data;
};

/// A context that, when first jumped to, calls `entry` on the stack that ends at `top`.
/// `entry` must never return.
[[nodiscard]] context make_context(void* top, std::size_t size, void (*entry)(transfer)) noexcept;

using jump_function = transfer (*)(context to, void* data) noexcept;

/// The jump in use: Boost's until `select_jump` has found that the balanced one may be
/// used. Each library selects at its start, libweft by WEFT_CONTEXT (see select_at_start.cpp). Call
/// it from few, out-of-line places: a `ret` is predicted by the call that ran before it, so
/// contexts that switch through one call site predict well.
extern jump_function jump;

using switch_function = void (*)(context to, context* save) noexcept;

/// The same jump, which also keeps what it leaves: that is in `*save` once the other side runs. A
/// context left by `switch_to` is entered by `switch_to` only, of the same kind; a new one finds
/// `save` as data, and is to store `from` there.
extern switch_function switch_to;

/// Boost's in any case, which ends in a jump to where it was called the last time. For two sides
/// that go to and fro between two places: their calls and returns do not pair anyhow, and a jump
/// is predicted by where it went before.
extern const jump_function jump_unpaired;

/// The two balanced ones differ in how they restore MXCSR, and in nothing else: `balanced_looking`
/// loads it if it is another, `balanced_loading` always.
enum class jump_kind { balanced_looking, balanced_loading, boost };
/// Which of the balanced ones is the faster on this processor.
[[nodiscard]] jump_kind faster_balanced() noexcept;
/// The kind in use now.
[[nodiscard]] jump_kind current_jump() noexcept;
/// Forces a kind; returns false, changing nothing, where it cannot be used. All share one frame
/// layout: contexts left by `jump` of one kind are entered by `jump` of another.
bool select_jump(jump_kind kind) noexcept;

} // namespace weft::core
