// SPDX-License-Identifier: BSL-1.0
//
// What the patch shows to others: its table, and nothing else.
#include "patch/kernel/machine.hpp"
#include "runtime/core/patch_table.h"

namespace {

int is_active() {
  return weft_self != nullptr;
}

unsigned thread_count() {
  return weft::patch::the_machine().count;
}

constexpr weft_patch_table table{sizeof(weft_patch_table), is_active, thread_count};

} // namespace

extern "C" [[gnu::visibility("default")]] const weft_patch_table* weft_patch_get_table() {
  return &table;
}
