// SPDX-License-Identifier: BSL-1.0
#include "runtime/sched/fiber_local.hpp"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <stdexcept>

#include "runtime/sched/hub.hpp"
#include "runtime/sched/state.hpp"

extern "C" int __cxa_thread_atexit(void (*)(void*), void*, void*) noexcept;
extern "C" void* __dso_handle;

namespace weft::detail {
namespace {

// Keys --------------------------------------------------------------------

struct key_table {
  std::mutex mutex;
  std::vector<std::uint32_t> free;
  std::uint32_t next_index = 0;
  std::uint64_t next_id = 1;
};
key_table& keys() {
  static key_table& instance = *new key_table; // fiber_locals may be static objects
  return instance;
}

std::atomic<std::uint64_t> next_inherited_key{1};
std::atomic<std::uint64_t> next_thread_number{1};

// Whose values --------------------------------------------------------------

/// How often destructors may make a value that was destroyed: as many rounds as POSIX has.
constexpr unsigned generations = 4;

/// A thread's store is made when first used, and again if that is after its end. No thread_local
/// with a destructor, whose lifetime would be over then.
constinit thread_local local_store* store_of_thread = nullptr;
constinit thread_local std::uint64_t number_of_thread = 0;

local_store& make_store_of_thread() {
  auto store = std::make_unique<local_store>();
  __cxa_thread_atexit(
      [](void*) {
        store_of_thread->destroy_values();
        delete std::exchange(store_of_thread, nullptr);
      },
      nullptr, &__dso_handle);
  return *(store_of_thread = store.release());
}

/// The fiber whose values are meant; null: the thread's.
state* fiber_that_calls() noexcept {
  const hub* h = this_hub;
  state* fiber = h ? h->running() : nullptr;
  return fiber && !fiber->has(thread_fiber) ? fiber : nullptr;
}

local_store* find_store() noexcept {
  if (const state* fiber = fiber_that_calls())
    return fiber->extras ? fiber->extras->locals.get() : nullptr;
  return store_of_thread;
}

local_store& store_of(state& fiber) {
  auto& locals = extras_of(fiber).locals;
  if (!locals) locals = std::make_unique<local_store>();
  return *locals;
}

local_store& make_store() {
  if (state* fiber = fiber_that_calls()) return store_of(*fiber);
  return store_of_thread ? *store_of_thread : make_store_of_thread();
}

void take_out(local_store& store, const local_value& value) noexcept {
  local_value** place = &store.newest;
  while (*place != &value)
    place = &(*place)->older;
  *place = value.older;
  store.by_index[value.index] = nullptr;
}

} // namespace

local_key::local_key() {
  key_table& table = keys();
  const std::lock_guard held(table.mutex);
  id_ = table.next_id++;
  if (table.free.empty()) {
    table.free.reserve(table.next_index + 1); // so that the destructor need not allocate
    index_ = table.next_index++;
  } else {
    index_ = table.free.back();
    table.free.pop_back();
  }
}

local_key::~local_key() {
  key_table& table = keys();
  const std::lock_guard held(table.mutex);
  table.free.push_back(index_);
}

local_value* find_local(const local_key& key) noexcept {
  const local_store* store = find_store();
  if (!store || key.index() >= store->by_index.size()) return nullptr;
  local_value* found = store->by_index[key.index()];
  return found && found->key == key.id() ? found : nullptr;
}

local_value& add_local(const local_key& key, std::unique_ptr<local_value> value) {
  local_store& store = make_store();
  if (key.index() >= store.by_index.size()) store.by_index.resize(key.index() + 1);
  local_value*& place = store.by_index[key.index()];
  if (place && place->key == key.id())
    throw std::logic_error("weft: a fiber_local was used while its value was being made");
  value->key = key.id();
  value->index = key.index();
  value->generation = store.generation;
  value->older = store.newest;
  // One of a fiber_local that is gone stays until the fiber ends: nobody finds it any more.
  return *(place = store.newest = value.release());
}

void remove_local(const local_key& key) noexcept {
  local_value* found = find_local(key);
  if (!found) return;
  take_out(*find_store(), *found);
  delete found;
}

void refuse_null_initialiser() {
  throw std::invalid_argument(
      "weft::fiber_local: the initialiser is null; give it a function that makes a value");
}

/// Last made first. What a destructor makes is next.
void local_store::destroy_values() noexcept {
  while (local_value* value = newest) {
    newest = value->older;
    if (by_index[value->index] == value) by_index[value->index] = nullptr;
    generation = value->generation + 1;
    if (value->generation < generations) delete value; // else given up
  }
  generation = 0;
}

void end_locals(state& fiber) noexcept {
  if (fiber.extras->locals) fiber.extras->locals->destroy_values();
  fiber.extras->locals.reset();
}

void abandon_locals(state& fiber) noexcept {
  if (fiber.extras) static_cast<void>(fiber.extras->locals.release());
}

// Inherited ones ----------------------------------------------------------------

std::uint64_t new_inherited_key() noexcept {
  return next_inherited_key.fetch_add(1, std::memory_order_relaxed);
}

namespace {
const std::shared_ptr<const void>* find_value(const local_store* store,
                                              std::uint64_t key) noexcept {
  if (!store || !store->inherited) return nullptr;
  for (const auto& [k, value] : *store->inherited)
    if (k == key) return &value;
  return nullptr;
}
} // namespace

const void* find_inherited(std::uint64_t key) noexcept {
  const auto* value = find_value(find_store(), key);
  return value ? value->get() : nullptr;
}

std::shared_ptr<const void> copy_inherited(std::uint64_t key) noexcept {
  const auto* value = find_value(find_store(), key);
  return value ? *value : nullptr;
}

void set_inherited(std::uint64_t key, std::shared_ptr<const void> value) {
  local_store& store = make_store();
  auto changed = store.inherited ? std::make_shared<inherited_values>(*store.inherited)
                                 : std::make_shared<inherited_values>();
  const auto at =
      std::find_if(changed->begin(), changed->end(), [&](auto& one) { return one.first == key; });
  if (!value) {
    if (at != changed->end()) changed->erase(at);
  } else if (at != changed->end()) {
    at->second = std::move(value);
  } else {
    changed->emplace_back(key, std::move(value));
  }
  store.inherited = changed->empty() ? nullptr : std::move(changed);
  state* fiber = fiber_that_calls();
  if (!fiber && this_hub) fiber = &this_hub->thread_fiber();
  if (!fiber) return;
  if (store.inherited)
    fiber->set(has_inherited);
  else
    fiber->clear(has_inherited);
}

void inherit_locals(const state& spawner, state& fiber) {
  const local_store* from = spawner.has(thread_fiber)
                                ? store_of_thread
                                : (spawner.extras ? spawner.extras->locals.get() : nullptr);
  if (!from || !from->inherited) return;
  store_of(fiber).inherited = from->inherited;
  fiber.set(has_inherited);
}

std::shared_ptr<const inherited_values> current_inherited() noexcept {
  const local_store* store = find_store();
  return store ? store->inherited : nullptr;
}

void set_inherited_of(state& fiber, std::shared_ptr<const inherited_values> values) {
  if (!values && !fiber.has(has_inherited)) return;
  store_of(fiber).inherited = std::move(values);
  if (store_of(fiber).inherited)
    fiber.set(has_inherited);
  else
    fiber.clear(has_inherited);
}

bool thread_has_inherited() noexcept {
  return store_of_thread && store_of_thread->inherited;
}

std::uint64_t local_owner() noexcept {
  if (const state* fiber = fiber_that_calls()) return fiber->id << 1;
  if (number_of_thread == 0)
    number_of_thread = next_thread_number.fetch_add(1, std::memory_order_relaxed);
  return number_of_thread << 1 | 1;
}

} // namespace weft::detail
