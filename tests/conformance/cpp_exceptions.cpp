// SPDX-License-Identifier: BSL-1.0
// What the C++ runtime keeps per thread, the caught and the flying exceptions, must follow a thread
// over every switch.
#include "tests/conformance/check.hpp"

#include <exception>
#include <sched.h>
#include <stdexcept>
#include <unistd.h>
#include <vector>

namespace {

using namespace conformance;

struct tagged : std::runtime_error {
  explicit tagged(int t) : std::runtime_error("tagged"), tag(t) {}
  int tag;
};

template <class Body>
void in_threads(int count, Body body) {
  std::vector<std::thread> threads;
  for (int t = 0; t < count; ++t)
    threads.emplace_back(body, t);
  for (std::thread& thread : threads)
    thread.join();
}

void switch_now(int how) {
  if (how % 3 == 0) {
    usleep(300);
  } else {
    sched_yield();
  }
}

void throw_catch_in_many_threads() {
  in_threads(10, [](int t) {
    for (int i = 0; i < 50; ++i) {
      try {
        switch_now(i);
        throw tagged(t * 1000 + i);
      } catch (const tagged& error) {
        switch_now(i + 1);
        expect_equal(error.tag, t * 1000 + i, "one's own exception");
      }
      expect(std::current_exception() == nullptr, "none is current afterwards");
    }
  });
}

void rethrow_after_a_switch() {
  in_threads(10, [](int t) {
    for (int i = 0; i < 30; ++i) {
      int caught = -1;
      try {
        try {
          throw tagged(t * 100 + i);
        } catch (...) {
          switch_now(i);
          throw;
        }
      } catch (const tagged& error) {
        caught = error.tag;
      }
      expect_equal(caught, t * 100 + i, "what throw; throws again");
    }
  });
}

void nested_exceptions() {
  in_threads(8, [](int t) {
    for (int i = 0; i < 20; ++i) {
      try {
        try {
          throw tagged(t);
        } catch (...) {
          switch_now(i);
          std::throw_with_nested(std::logic_error(std::to_string(t)));
        }
      } catch (const std::logic_error& outer) {
        switch_now(i + 1);
        expect_equal(std::string(outer.what()), std::to_string(t), "the outer exception");
        try {
          std::rethrow_if_nested(outer);
          fail("nothing nested");
        } catch (const tagged& inner) {
          switch_now(i + 2);
          expect_equal(inner.tag, t, "the inner exception");
        }
      }
    }
  });
}

struct switching_destructor {
  int expected;
  explicit switching_destructor(int count) : expected(count) {}
  switching_destructor(const switching_destructor&) = delete;
  switching_destructor& operator=(const switching_destructor&) = delete;
  ~switching_destructor() {
    switch_now(expected);
    usleep(100);
    expect_equal(std::uncaught_exceptions(), expected, "uncaught_exceptions in a destructor");
  }
};

void switch_while_unwinding() {
  in_threads(10, [](int t) {
    for (int i = 0; i < 20; ++i) {
      try {
        const switching_destructor outer(1);
        const switching_destructor inner(1);
        throw tagged(t);
      } catch (const tagged& error) {
        const switching_destructor calm(0);
        expect_equal(error.tag, t, "one's own exception");
      }
    }
  });
}

void exception_pointer_between_threads() {
  in_threads(6, [](int t) {
    std::exception_ptr carried;
    std::thread([&carried, t] {
      try {
        throw tagged(t);
      } catch (...) {
        usleep(500);
        carried = std::current_exception();
      }
    }).join();
    try {
      std::rethrow_exception(carried);
    } catch (const tagged& error) {
      sched_yield();
      expect_equal(error.tag, t, "the carried exception");
    }
  });
}

void deep_unwinding() {
  struct recursion {
    static void descend(int depth, int t) {
      const std::string keep(100, static_cast<char>('a' + t)); // has a destructor
      if (depth == 0) throw tagged(t);
      if (depth % 50 == 0) switch_now(depth);
      descend(depth - 1, t);
      expect_equal(keep.size(), 100U, "unreachable");
    }
  };
  in_threads(6, [](int t) {
    try {
      recursion::descend(200, t);
      fail("no exception");
    } catch (const tagged& error) {
      expect_equal(error.tag, t, "thrown through 200 frames");
    }
  });
}

const checks registered{
    {"throw_catch_in_many_threads", throw_catch_in_many_threads},
    {"rethrow_after_a_switch", rethrow_after_a_switch},
    {"nested_exceptions", nested_exceptions},
    {"switch_while_unwinding", switch_while_unwinding},
    {"exception_pointer_between_threads", exception_pointer_between_threads},
    {"deep_unwinding", deep_unwinding},
};

} // namespace
