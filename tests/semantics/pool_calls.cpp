// SPDX-License-Identifier: BSL-1.0
#include <ranges>
#include <vector>

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

struct pool_of_two {
  weft::pool pool{2};

  void take_all(bool in_order) {
    const auto f = [](int n) {
      never_ends();
      return n;
    };
    const auto take = [](auto&& results) {
      for ([[maybe_unused]] const int n : results) {
      }
    };
    if (in_order)
      take(pool.imap(f, std::views::iota(0)));
    else
      take(pool.imap_unordered(f, std::views::iota(0)));
  }
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
  case blocking_call::imap_next:
    return {{call, "map",
             [] {
               return in<pool_of_two>(
                   [](pool_of_two& p) {
                     p.pool.map([](int) { never_ends(); }, std::vector{1, 2});
                   },
                   nullptr);
             },
             false},
            {call, "imap",
             [] { return in<pool_of_two>([](pool_of_two& p) { p.take_all(true); }, nullptr); },
             false},
            {call, "imap_unordered",
             [] { return in<pool_of_two>([](pool_of_two& p) { p.take_all(false); }, nullptr); },
             false}};
  default:
    return {};
  }
}

} // namespace blocking
