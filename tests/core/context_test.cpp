// SPDX-License-Identifier: BSL-1.0
#include "runtime/core/context/context.hpp"

#include <gtest/gtest.h>

#include <cfenv>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace {

using namespace weft::core;

constexpr std::size_t stack_size = 128 << 10;

/// Something that runs on a stack of its own: `body` gets the one who resumed it, and
/// switches back and forth by `other.yield()`.
class coroutine {
 public:
  template <class F>
  explicit coroutine(F body) : body_(new holder<F>(std::move(body))) {
    suspended_ = make_context(stack_.get() + stack_size, stack_size, enter);
  }

  /// Runs it until it yields or ends; says whether it lives on.
  bool resume() {
    const transfer t = jump(suspended_, this);
    suspended_ = t.from;
    return t.data != nullptr;
  }

  void yield() { resumer_ = jump(resumer_, this).from; }

 private:
  struct holder_base {
    virtual ~holder_base() = default;
    virtual void call(coroutine&) = 0;
  };
  template <class F>
  struct holder : holder_base {
    explicit holder(F f) : f(std::move(f)) {}
    void call(coroutine& self) override { f(self); }
    F f;
  };

  static void enter(transfer t) {
    auto& self = *static_cast<coroutine*>(t.data);
    self.resumer_ = t.from;
    self.body_->call(self);
    jump(self.resumer_, nullptr);
    std::abort();
  }

  std::unique_ptr<holder_base> body_;
  std::unique_ptr<char[]> stack_{new char[stack_size]};
  context suspended_ = nullptr;
  context resumer_ = nullptr;
};

/// The whole suite runs by each jump.
class context_switch : public testing::TestWithParam<jump_kind> {
 protected:
  jump_kind before_ = current_jump();
  void SetUp() override {
    if (!select_jump(GetParam())) GTEST_SKIP() << "no such jump on this machine";
    ASSERT_EQ(current_jump(), GetParam());
  }
  void TearDown() override { select_jump(before_); }
};

TEST_P(context_switch, carries_data_both_ways) {
  std::vector<void*> sent;
  struct station {
    static void enter(transfer t) {
      int mine = 0;
      for (;;) {
        auto* log = static_cast<std::vector<void*>*>(t.data);
        log->push_back(&mine);
        t = jump(t.from, &mine);
      }
    }
  };
  const std::unique_ptr<char[]> stack{new char[stack_size]};
  context c = make_context(stack.get() + stack_size, stack_size, station::enter);
  for (std::size_t i = 1; i <= 3; ++i) {
    const transfer t = jump(c, &sent);
    c = t.from;
    ASSERT_EQ(sent.size(), i);
    EXPECT_EQ(t.data, sent.back());
    EXPECT_GT(static_cast<char*>(t.data), stack.get());
    EXPECT_LT(static_cast<char*>(t.data), stack.get() + stack_size);
  }
}

TEST_P(context_switch, a_new_stack_is_aligned_as_a_call_leaves_it) {
  std::uintptr_t misalignment = 1;
  coroutine c{[&](coroutine&) {
    alignas(16) volatile char local[16] = {};
    misalignment = reinterpret_cast<std::uintptr_t>(&local) % 16;
    // movaps on a misaligned stack would fault in here
    long double x = 1.5L;
    misalignment += static_cast<std::uintptr_t>(std::to_string(x).size() != 8);
  }};
  EXPECT_FALSE(c.resume());
  EXPECT_EQ(misalignment, 0u);
}

TEST_P(context_switch, interleaves_many) {
  std::vector<std::unique_ptr<coroutine>> all;
  std::vector<int> log;
  for (int i = 0; i < 50; ++i)
    all.push_back(std::make_unique<coroutine>([i, &log](coroutine& self) {
      for (int round = 0; round < 20; ++round) {
        log.push_back(round * 50 + i);
        self.yield();
      }
    }));
  for (int round = 0; round <= 20; ++round)
    for (auto& each : all)
      EXPECT_EQ(each->resume(), round < 20);
  ASSERT_EQ(log.size(), 1000u);
  for (int i = 0; i < 1000; ++i)
    EXPECT_EQ(log[static_cast<std::size_t>(i)], i);
}

TEST_P(context_switch, one_may_resume_another_in_turn) {
  std::string log;
  coroutine inner{[&](coroutine& self) {
    for (int i = 0; i < 3; ++i) {
      log += 'i';
      self.yield();
    }
  }};
  coroutine outer{[&](coroutine& self) {
    while (inner.resume()) {
      log += 'o';
      self.yield();
    }
  }};
  while (outer.resume())
    log += 'm';
  EXPECT_EQ(log, "iomiomiom");
}

int descend(coroutine& self, int depth) {
  volatile char frame[64];
  frame[0] = static_cast<char>(depth);
  if (depth == 0) {
    self.yield();
    return 0;
  }
  const int below = descend(self, depth - 1);
  return below + (frame[0] == static_cast<char>(depth));
}

TEST_P(context_switch, deep_frames_return_as_they_should) {
  int result = 0;
  coroutine deep{[&](coroutine& self) {
    for (int depth : {1, 6, 60, 200})
      result += descend(self, depth);
  }};
  coroutine flat{[](coroutine& self) {
    for (int i = 0; i < 3; ++i)
      self.yield();
  }};
  while (deep.resume())
    flat.resume();
  EXPECT_EQ(result, 267);
}

TEST_P(context_switch, an_exception_thrown_inside_is_caught_inside_across_switches) {
  std::string caught;
  coroutine c{[&](coroutine& self) {
    try {
      self.yield();
      try {
        throw std::runtime_error("first");
      } catch (const std::runtime_error&) {
        self.yield();
        throw;
      }
    } catch (const std::exception& e) {
      caught = e.what();
    }
    self.yield();
    try {
      std::string(3, 'x').at(7);
    } catch (const std::out_of_range&) {
      caught += " second";
    }
  }};
  int resumed = 1;
  while (c.resume())
    ++resumed;
  EXPECT_EQ(resumed, 4);
  EXPECT_EQ(caught, "first second");
}

TEST_P(context_switch, the_rounding_mode_belongs_to_the_context) {
  // MXCSR and the x87 control word, both of which fesetround sets.
  int seen = -1;
  volatile long double one = 1, seven = 7;
  long double up = 0, nearest = 0;
  coroutine c{[&](coroutine& self) {
    std::fesetround(FE_UPWARD);
    self.yield();
    seen = std::fegetround();
    up = one / seven;
    self.yield();
  }};
  c.resume();
  EXPECT_EQ(std::fegetround(), FE_TONEAREST);
  nearest = one / seven;
  c.resume();
  EXPECT_EQ(std::fegetround(), FE_TONEAREST);
  EXPECT_EQ(seen, FE_UPWARD);
  EXPECT_GT(up, nearest);
}

#if defined(__x86_64__)

std::uint32_t mxcsr() {
  std::uint32_t value;
  asm volatile("stmxcsr %0" : "=m"(value));
  return value;
}

std::uint16_t x87_control() {
  std::uint16_t value;
  asm volatile("fnstcw %0" : "=m"(value));
  return value;
}

TEST_P(context_switch, keeps_mxcsr_and_the_x87_control_word_each_by_itself) {
  coroutine c{[&](coroutine& self) {
    const std::uint32_t flush_to_zero = 0x9fc0;
    const std::uint16_t single_precision = 0x007f;
    asm volatile("ldmxcsr %0" : : "m"(flush_to_zero));
    asm volatile("fldcw %0" : : "m"(single_precision));
    self.yield();
    EXPECT_EQ(mxcsr() & 0xffc0u, flush_to_zero);
    EXPECT_EQ(x87_control(), single_precision);
  }};
  const std::uint32_t sse_before = mxcsr();
  const std::uint16_t x87_before = x87_control();
  c.resume();
  EXPECT_EQ(mxcsr(), sse_before);
  EXPECT_EQ(x87_control(), x87_before);
  c.resume();
  EXPECT_EQ(mxcsr(), sse_before);
  EXPECT_EQ(x87_control(), x87_before);
}

// Switches with known values in the callee-saved registers; says whether they came back.
bool registers_survive(context& to, void* data, std::uint64_t seed) {
  std::uint64_t in[6], out[6];
  for (std::uint64_t i = 0; i < 6; ++i)
    in[i] = seed * 1'000'003 + i;
  std::memset(out, 0, sizeof out);
  struct {
    std::uint64_t* in;
    std::uint64_t* out;
    context to;
    void* data;
    jump_function jump;
    std::uint64_t saved_rbp, saved_rbx;
  } p{in, out, to, data, jump, 0, 0};
  // The block is kept on the stack: no register survives the loading of all six.
  asm volatile("mov %%rbp, 40(%%rax)\n\t"
               "mov %%rbx, 48(%%rax)\n\t"
               "sub $256, %%rsp\n\t" // the red zone, and room
               "push %%rax\n\t"
               "mov %%rsp, %%rcx\n\t"
               "and $-16, %%rsp\n\t"
               "push %%rcx\n\t"
               "push %%rcx\n\t"
               "mov 0(%%rax), %%rcx\n\t"
               "mov 16(%%rax), %%rdi\n\t"
               "mov 24(%%rax), %%rsi\n\t"
               "mov 32(%%rax), %%rdx\n\t"
               "mov 0(%%rcx), %%rbx\n\t"
               "mov 8(%%rcx), %%rbp\n\t"
               "mov 16(%%rcx), %%r12\n\t"
               "mov 24(%%rcx), %%r13\n\t"
               "mov 32(%%rcx), %%r14\n\t"
               "mov 40(%%rcx), %%r15\n\t"
               "call *%%rdx\n\t"
               "pop %%rcx\n\t"
               "pop %%rsp\n\t"
               "pop %%rcx\n\t" // the block
               "add $256, %%rsp\n\t"
               "mov %%rax, 16(%%rcx)\n\t"
               "mov 8(%%rcx), %%rdx\n\t"
               "mov %%rbx, 0(%%rdx)\n\t"
               "mov %%rbp, 8(%%rdx)\n\t"
               "mov %%r12, 16(%%rdx)\n\t"
               "mov %%r13, 24(%%rdx)\n\t"
               "mov %%r14, 32(%%rdx)\n\t"
               "mov %%r15, 40(%%rdx)\n\t"
               "mov 40(%%rcx), %%rbp\n\t"
               "mov 48(%%rcx), %%rbx\n\t"
               :
               : "a"(&p)
               : "rcx", "rdx", "rdi", "rsi", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15",
                 "memory", "cc");
  to = p.to;
  return std::memcmp(in, out, sizeof in) == 0;
}

TEST_P(context_switch, keeps_the_callee_saved_registers) {
  static bool well;
  well = true;
  struct station {
    static void enter(transfer t) {
      for (std::uint64_t i = 0;; ++i)
        well = registers_survive(t.from, nullptr, i + 1000) && well;
    }
  };
  const std::unique_ptr<char[]> stack{new char[stack_size]};
  context c = make_context(stack.get() + stack_size, stack_size, station::enter);
  for (std::uint64_t i = 0; i < 100; ++i)
    ASSERT_TRUE(registers_survive(c, nullptr, i));
  EXPECT_TRUE(well);
}

#endif

const char* name_of(jump_kind kind) {
  switch (kind) {
  case jump_kind::balanced_looking:
    return "balanced_looking";
  case jump_kind::balanced_loading:
    return "balanced_loading";
  case jump_kind::boost:
    return "boost";
  }
  return "unknown";
}

/// Two that switch to each other; each one's context is kept for it.
struct switching {
  context mine = nullptr;
  context other = nullptr;
  int entered = 0;
  bool well = true;
};

TEST_P(context_switch, keeps_who_is_left) {
  static switching s;
  s = {};
  struct station {
    static void enter(transfer t) {
      *static_cast<context*>(t.data) = t.from;
      for (;;) {
        ++s.entered;
        s.well = s.well && t.from == s.other; // which is left at the same place each time
        switch_to(s.other, &s.mine);
      }
    }
  };
  const std::unique_ptr<char[]> stack{new char[stack_size]};
  s.mine = make_context(stack.get() + stack_size, stack_size, station::enter);
  for (int i = 1; i <= 100; ++i) {
    const context before = s.mine;
    switch_to(s.mine, &s.other);
    ASSERT_EQ(s.entered, i);
    ASSERT_TRUE(s.well);
    ASSERT_TRUE(i == 1 || s.mine == before); // the first one was new
  }
}

#if defined(__x86_64__)

TEST_P(context_switch, that_keeps_who_is_left_keeps_mxcsr_and_the_x87_control_word_too) {
  static switching s;
  s = {};
  struct station {
    static void enter(transfer t) {
      *static_cast<context*>(t.data) = t.from;
      const std::uint32_t flush_to_zero = 0x9fc0;
      const std::uint16_t single_precision = 0x007f;
      asm volatile("ldmxcsr %0" : : "m"(flush_to_zero));
      asm volatile("fldcw %0" : : "m"(single_precision));
      for (;;) {
        ++s.entered;
        s.well =
            s.well && (mxcsr() & 0xffc0u) == flush_to_zero && x87_control() == single_precision;
        switch_to(s.other, &s.mine);
      }
    }
  };
  const std::unique_ptr<char[]> stack{new char[stack_size]};
  s.mine = make_context(stack.get() + stack_size, stack_size, station::enter);
  const std::uint32_t sse_before = mxcsr();
  const std::uint16_t x87_before = x87_control();
  for (int i = 1; i <= 3; ++i) {
    switch_to(s.mine, &s.other);
    EXPECT_EQ(s.entered, i);
    EXPECT_EQ(mxcsr(), sse_before);
    EXPECT_EQ(x87_control(), x87_before);
  }
  EXPECT_TRUE(s.well);
}

#endif

INSTANTIATE_TEST_SUITE_P(jumps, context_switch,
                         testing::Values(jump_kind::balanced_looking, jump_kind::balanced_loading,
                                         jump_kind::boost),
                         [](const auto& info) { return name_of(info.param); });

TEST(context_kinds, resume_each_others_contexts) {
  const jump_kind before = current_jump();
  constexpr jump_kind kinds[] = {jump_kind::balanced_looking, jump_kind::balanced_loading,
                                 jump_kind::boost};
  int yielded = 0;
  // Left by each kind, entered again by each.
  coroutine c{[&](coroutine& self) {
    for (; yielded < 9; ++yielded) {
      select_jump(kinds[yielded / 3]);
      self.yield();
    }
  }};
  int resumed = 0;
  do
    select_jump(kinds[resumed % 3]);
  while (c.resume() && ++resumed < 100);
  select_jump(before);
  EXPECT_EQ(resumed, 9);
  EXPECT_EQ(yielded, 9);
}

TEST(selection, hears_the_environment) {
  const char* variable = std::getenv("WEFT_CONTEXT");
  const std::string wish = variable ? variable : "balanced";
#if defined(__x86_64__)
  EXPECT_EQ(wish, wish == "balanced" ? "balanced" : name_of(current_jump()));
  if (wish == "balanced") {
    EXPECT_NE(current_jump(), jump_kind::boost);
    EXPECT_EQ(current_jump(), faster_balanced());
  }
#else
  EXPECT_EQ(current_jump(), jump_kind::boost);
#endif
}

} // namespace
