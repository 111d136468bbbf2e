// SPDX-License-Identifier: BSL-1.0
#include "tests/semantics/blocking_calls.hpp"

using weft::detail::blocking_call;

namespace blocking {
namespace {

void never_ends() {
  weft::sleep(std::chrono::hours(1));
}

struct group_of_one {
  weft::group group;
  group_of_one() { static_cast<void>(group.spawn(never_ends)); }
};

struct group_of_a_stubborn_one {
  stubborn member;
  weft::group group;
  group_of_a_stubborn_one() { group.add(member.task); }
  ~group_of_a_stubborn_one() { group.discard(member.task); }
};

struct full_pool {
  weft::pool pool{1};
  full_pool() { static_cast<void>(pool.spawn(never_ends)); }
};

} // namespace

std::vector<variant> pool_variants(blocking_call call) {
  switch (call) {
  case blocking_call::group_join:
    return {{call, "group_join",
             [] {
               return in<group_of_one>(
                   [](group_of_one& g) { g.group.join(); },
                   [](group_of_one& g, weft::deadline limit) { return g.group.join(limit); });
             }},
            {call, "group_kill", [] {
               return in<group_of_a_stubborn_one>(
                   [](auto& g) { g.group.kill(); },
                   [](auto& g, weft::deadline limit) { return g.group.kill(limit); });
             }}};
  case blocking_call::pool_spawn:
    return {{call, "pool_spawn",
             [] {
               return in<full_pool>([](full_pool& p) { static_cast<void>(p.pool.spawn([] {})); },
                                    nullptr);
             },
             false},
            {call, "pool_add",
             [] {
               struct with_another : full_pool, endless {};
               return in<with_another>([](auto& p) { p.pool.add(p.task); }, nullptr);
             },
             false},
            {call, "pool_wait_available", [] {
               return in<full_pool>(
                   [](full_pool& p) { p.pool.wait_available(); },
                   [](full_pool& p, weft::deadline limit) { return p.pool.wait_available(limit); });
             }}};
  default:
    return {};
  }
}

} // namespace blocking
