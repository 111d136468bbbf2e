// SPDX-License-Identifier: BSL-1.0
#include "tests/semantics/blocking_calls.hpp"

using weft::detail::blocking_call;

namespace blocking {
namespace {

template <class Queue>
struct full : Queue {
  full() : Queue(1) { this->put(1); }
};

/// Something has been put into it that is never said to be done.
struct unfinished : weft::queue<int> {
  unfinished() { put(1); }
};

template <class Queue>
std::vector<variant> put_variants(blocking_call call, const std::string& name) {
  return {{call, name + "_put", [] {
             return in<full<Queue>>([](auto& q) { q.put(2); },
                                    [](auto& q, weft::deadline limit) { return q.put(2, limit); });
           }}};
}

template <class Queue>
std::vector<variant> get_variants(blocking_call call, const std::string& name) {
  return {{call, name + "_get",
           [] {
             return in<Queue>(
                 [](auto& q) { q.get(); },
                 [](auto& q, weft::deadline limit) { return q.get(limit).has_value(); });
           }},
          {call, name + "_iteration",
           [] {
             return in<Queue>(
                 [](auto& q) {
                   for ([[maybe_unused]] const int item : q) {
                   }
                 },
                 nullptr);
           },
           false}};
}

template <class Queue>
std::vector<variant> peek_variants(blocking_call call, const std::string& name) {
  return {{call, name + "_peek", [] {
             return in<Queue>(
                 [](auto& q) { q.peek(); },
                 [](auto& q, weft::deadline limit) { return q.peek(limit).has_value(); });
           }}};
}

template <class... More>
std::vector<variant> together(std::vector<variant> all, More... more) {
  (all.insert(all.end(), more.begin(), more.end()), ...);
  return all;
}

using channel = weft::channel<int>;

std::vector<variant> select_variants(blocking_call call) {
  struct world {
    channel empty, nobody_receives;
    std::optional<std::size_t> select(weft::deadline limit) {
      return weft::select(limit, weft::on_receive(empty), weft::on_send(nobody_receives, 1));
    }
  };
  return {{call, "select", [] {
             return in<world>(
                 [](world& w) {
                   weft::select(weft::on_receive(w.empty), weft::on_send(w.nobody_receives, 1));
                 },
                 [](world& w, weft::deadline limit) { return w.select(limit).has_value(); });
           }}};
}

std::vector<variant> receive_variants(blocking_call call) {
  return {{call, "channel_receive",
           [] {
             return in<channel>(
                 [](channel& c) { c.receive(); },
                 [](channel& c, weft::deadline limit) { return c.receive(limit).has_value(); });
           }},
          {call, "channel_iteration",
           [] {
             return in<channel>(
                 [](channel& c) {
                   for ([[maybe_unused]] const int item : c) {
                   }
                 },
                 nullptr);
           },
           false}};
}

} // namespace

std::vector<variant> container_variants(blocking_call call) {
  using queue = weft::queue<int>;
  using lifo = weft::lifo_queue<int>;
  using priority = weft::priority_queue<int>;
  switch (call) {
  case blocking_call::queue_put:
    return together(put_variants<queue>(call, "queue"), put_variants<lifo>(call, "lifo_queue"),
                    put_variants<priority>(call, "priority_queue"));
  case blocking_call::queue_get:
    return together(get_variants<queue>(call, "queue"), get_variants<lifo>(call, "lifo_queue"),
                    get_variants<priority>(call, "priority_queue"));
  case blocking_call::queue_peek:
    return together(peek_variants<queue>(call, "queue"), peek_variants<lifo>(call, "lifo_queue"),
                    peek_variants<priority>(call, "priority_queue"));
  case blocking_call::queue_join:
    return {{call, "queue_join", [] {
               return in<unfinished>([](auto& q) { q.join(); },
                                     [](auto& q, weft::deadline limit) { return q.join(limit); });
             }}};
  case blocking_call::channel_send:
    return {{call, "channel_send", [] {
               return in<channel>(
                   [](channel& c) { c.send(1); },
                   [](channel& c, weft::deadline limit) { return c.send(1, limit); });
             }}};
  case blocking_call::channel_receive:
    return receive_variants(call);
  case blocking_call::select:
    return select_variants(call);
  default:
    return {};
  }
}

} // namespace blocking
