// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstddef>

namespace weft::core {

/// One place in an intrusive list. An object that is to be in several lists at
/// once has several of these, each a base with a `Tag` of its own.
/// Never allocates, never throws; the object must outlive its membership.
template <class Tag = void>
class list_hook {
 public:
  constexpr list_hook() noexcept = default;
  list_hook(const list_hook&) = delete;
  list_hook& operator=(const list_hook&) = delete;

  [[nodiscard]] bool linked() const noexcept { return next_ != nullptr; }

  /// Takes the object out of whichever list it is in. It must be in one. O(1).
  void unlink() noexcept {
    prev_->next_ = next_;
    next_->prev_ = prev_;
    next_ = prev_ = nullptr;
  }

 private:
  template <class, class>
  friend class list;
  list_hook* next_ = nullptr;
  list_hook* prev_ = nullptr;
};

/// Intrusive circular doubly linked list of T, which derives from list_hook<Tag>.
/// All operations but `append` of nothing are O(1); not synchronised.
template <class T, class Tag = void>
class list {
  using hook = list_hook<Tag>;

 public:
  constexpr list() noexcept { reset(); }
  list(const list&) = delete;
  list& operator=(const list&) = delete;

  [[nodiscard]] bool empty() const noexcept { return head_.next_ == &head_; }
  [[nodiscard]] T& front() noexcept { return *static_cast<T*>(head_.next_); }
  /// Has the processor fetch the first into its cache, if there is one.
  void fetch_front() const noexcept { __builtin_prefetch(head_.next_, 1); }

  void push_back(T& item) noexcept { insert_before(head_, item); }
  void push_front(T& item) noexcept { insert_before(*head_.next_, item); }

  /// Puts `item` right before `place`, which is in this list.
  void insert_before(hook& place, T& item) noexcept {
    hook& h = item;
    h.prev_ = place.prev_;
    h.next_ = &place;
    place.prev_->next_ = &h;
    place.prev_ = &h;
  }

  /// Takes out the first; the list must not be empty.
  T& pop_front() noexcept {
    T& item = front();
    static_cast<hook&>(item).unlink();
    return item;
  }

  /// Takes out the last; the list must not be empty.
  T& pop_back() noexcept {
    T& item = *static_cast<T*>(head_.prev_);
    static_cast<hook&>(item).unlink();
    return item;
  }

  /// Makes what follows `item`, which is in this list, the first, and `item` the last.
  void rotate_behind(T& item) noexcept {
    hook& h = item;
    head_.unlink();
    head_.next_ = h.next_;
    head_.prev_ = &h;
    h.next_->prev_ = &head_;
    h.next_ = &head_;
  }

  /// Moves all of `other` to this list's end, in order.
  void append(list& other) noexcept {
    if (other.empty()) return;
    hook* first = other.head_.next_;
    hook* last = other.head_.prev_;
    first->prev_ = head_.prev_;
    head_.prev_->next_ = first;
    last->next_ = &head_;
    head_.prev_ = last;
    other.reset();
  }

  /// Forgets the members without touching them (after fork they may be gone).
  constexpr void reset() noexcept { head_.next_ = head_.prev_ = &head_; }

  /// Visits each member; the visited one may be unlinked during its visit, no other.
  template <class F>
  void for_each(F&& visit) {
    for_each_while([&](T& item) {
      visit(item);
      return true;
    });
  }

  /// The same until a visit returns false.
  template <class F>
  void for_each_while(F&& visit) {
    for (hook* h = head_.next_; h != &head_;) {
      hook* next = h->next_;
      if (!visit(*static_cast<T*>(h))) return;
      h = next;
    }
  }

 private:
  hook head_;
};

} // namespace weft::core
