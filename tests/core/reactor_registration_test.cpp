// SPDX-License-Identifier: BSL-1.0
// What can be waited for, and what happens when a number is closed and comes again.
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <cstdlib>

#include "tests/core/reactor_fixture.hpp"

namespace weft::core {
namespace {

class reactor_registration : public reactor_fixture {};

TEST_F(reactor_registration, costs_nothing_before_it_is_needed) {
  EXPECT_EQ(reactor_.epoll_descriptor(), -1);
  EXPECT_EQ(reactor_.event_descriptor(), -1);
  EXPECT_EQ(reactor_.poll(0), 0);
  EXPECT_TRUE(reactor_.maybe_ready(5, io_in));
  EXPECT_EQ(reactor_.ticket(5), 0u);
  reactor_.clear(5, io_in, 0);
  reactor_.note_partial(5, io_in, 0);
  reactor_.forget(5, 0);
  EXPECT_EQ(reactor_.epoll_descriptor(), -1);
}

TEST_F(reactor_registration, its_descriptors_are_closed_on_exec_and_at_its_end) {
  int epoll, event;
  {
    reactor mine{note};
    ASSERT_EQ(mine.prepare_interrupt(), 0);
    ASSERT_EQ(mine.prepare_interrupt(), 0);
    epoll = mine.epoll_descriptor();
    event = mine.event_descriptor();
    EXPECT_EQ(::fcntl(epoll, F_GETFD), FD_CLOEXEC);
    EXPECT_EQ(::fcntl(event, F_GETFD), FD_CLOEXEC);
  }
  EXPECT_EQ(::fcntl(epoll, F_GETFD), -1);
  EXPECT_EQ(::fcntl(event, F_GETFD), -1);
}

TEST_F(reactor_registration, refuses_what_cannot_be_waited_for) {
  char name[] = "/tmp/weft-reactor-XXXXXX";
  const owned_fd file{::mkstemp(name)};
  ::unlink(name);
  noted_waiter regular{file, io_in};
  EXPECT_EQ(reactor_.add(regular), -EPERM);
  noted_waiter closed{1000, io_in};
  EXPECT_EQ(reactor_.add(closed), -EBADF);
  noted_waiter negative{-1, io_in};
  EXPECT_EQ(reactor_.add(negative), -EBADF);
  noted_waiter beyond{static_cast<int>(sparse_table<descriptor>::capacity), io_in};
  EXPECT_EQ(reactor_.add(beyond), -ENOSPC);
  for (io_waiter* w : {&regular, &closed, &negative, &beyond})
    EXPECT_FALSE(w->linked());
  EXPECT_FALSE(reactor_.has_waiters());
}

TEST_F(reactor_registration, says_when_no_descriptor_is_left_for_epoll) {
  auto [in, out] = make_pipe();
  rlimit before;
  ::getrlimit(RLIMIT_NOFILE, &before);
  const rlimit none{static_cast<rlim_t>(out) + 1, before.rlim_max};
  ::setrlimit(RLIMIT_NOFILE, &none);
  noted_waiter w{in, io_in};
  const int added = reactor_.add(w);
  const int polled = reactor_.poll(1);
  ::setrlimit(RLIMIT_NOFILE, &before);
  EXPECT_EQ(added, -EMFILE);
  EXPECT_EQ(polled, -EMFILE);
  EXPECT_FALSE(w.linked());
  EXPECT_EQ(reactor_.add(w), 0) << "and works when there is one again";
  reactor_.remove(w);
}

TEST_F(reactor_registration, forget_wakes_all_waiters_with_the_given_event) {
  auto [in, out] = make_pipe();
  noted_waiter a{in, io_in}, b{in, io_priority}, other{out, io_hangup};
  for (noted_waiter* w : {&a, &b, &other})
    ASSERT_EQ(reactor_.add(*w), 0);
  reactor_.forget(in, io_error);
  EXPECT_EQ(a.woken, 1);
  EXPECT_EQ(b.woken, 1);
  EXPECT_EQ(a.came, io_error);
  EXPECT_EQ(b.came, io_error);
  EXPECT_FALSE(a.linked());
  EXPECT_EQ(other.woken, 0);
  EXPECT_TRUE(reactor_.has_waiters());
  reactor_.remove(other);
  EXPECT_FALSE(reactor_.has_waiters());
}

TEST_F(reactor_registration, forget_before_close_leaves_nothing_although_a_dup_lives) {
  auto [in, out] = make_pipe();
  const owned_fd dup{::dup(in)};
  noted_waiter w{in, io_in};
  ASSERT_EQ(reactor_.add(w), 0);
  const int number = in;
  reactor_.forget(number, 0);
  in.close();
  ASSERT_EQ(::write(out, "x", 1), 1);
  epoll_event event;
  EXPECT_EQ(::epoll_wait(reactor_.epoll_descriptor(), &event, 1, 0), 0) << "no stale event at all";
}

TEST_F(reactor_registration, a_recycled_number_gets_no_stale_event) {
  auto [in, out] = make_pipe();
  const owned_fd dup{::dup(in)}; // keeps the old registration alive
  noted_waiter old{in, io_in};
  ASSERT_EQ(reactor_.add(old), 0);
  const int number = in;
  in.close(); // behind the reactor's back
  auto [next_in, next_out] = make_pipe();
  ASSERT_EQ(int{next_in}, number);
  reactor_.renew(number);
  EXPECT_EQ(old.woken, 1);
  EXPECT_EQ(old.came, 0u);
  noted_waiter fresh{next_in, io_in};
  ASSERT_EQ(reactor_.add(fresh), 0);
  ASSERT_EQ(::write(out, "x", 1), 1); // an event of the old file, under the same number
  EXPECT_EQ(harvest(), 0);
  EXPECT_EQ(fresh.woken, 0);
  ASSERT_EQ(::write(next_out, "y", 1), 1);
  EXPECT_EQ(await(), 1);
  EXPECT_EQ(fresh.came, io_in);
}

TEST_F(reactor_registration, an_event_harvested_for_a_number_closed_meanwhile_is_dropped) {
  auto [in, out] = make_pipe();
  noted_waiter old{in, io_in};
  ASSERT_EQ(reactor_.add(old), 0);
  ASSERT_EQ(::write(out, "x", 1), 1);
  reactor_.forget(in, 0); // the edge is pending in the kernel
  EXPECT_EQ(old.woken, 1);
  noted_waiter again{out, io_priority};
  ASSERT_EQ(reactor_.add(again), 0);
  EXPECT_EQ(harvest(), 0);
  reactor_.remove(again);
}

TEST_F(reactor_registration, notices_at_a_later_wait_that_the_number_is_another_file_now) {
  auto [in, out] = make_pipe();
  noted_waiter w{in, io_in};
  ASSERT_EQ(reactor_.add(w), 0);
  reactor_.remove(w);
  const int number = in;
  in.close(); // nobody told the reactor
  auto [next_in, next_out] = make_pipe();
  ASSERT_EQ(int{next_in}, number);
  noted_waiter fresh{next_in, io_in};
  ASSERT_EQ(reactor_.add(fresh), 0);
  ASSERT_EQ(::write(next_out, "y", 1), 1);
  EXPECT_EQ(await(), 1);
  EXPECT_EQ(fresh.woken, 1);
}

TEST_F(reactor_registration, an_audit_finds_files_that_were_replaced_or_closed) {
  auto [in, out] = make_pipe();
  auto [other_in, other_out] = make_pipe();
  auto [idle_in, idle_out] = make_pipe();
  for (int fd : {int{in}, int{other_in}, int{idle_in}}) {
    noted_waiter w{fd, io_in};
    ASSERT_EQ(reactor_.add(w), 0);
    reactor_.remove(w);
  }
  const int number = in, closed = other_in;
  in.close(); // nobody told the reactor
  other_in.close();
  auto [next_in, next_out] = make_pipe();
  ASSERT_EQ(int{next_in}, number);
  if (next_out == closed) next_out = owned_fd{::dup(next_out)};
  noted_waiter on_next{number, io_in}, on_closed{closed, io_in}, on_idle{idle_in, io_in};
  for (noted_waiter* w : {&on_next, &on_closed, &on_idle}) {
    reactor_.clear(w->fd, io_in, reactor_.ticket(w->fd)); // as after a try that found nothing
    ASSERT_EQ(reactor_.add(*w), 0);
  }
  ASSERT_EQ(::write(next_out, "x", 1), 1);
  EXPECT_EQ(harvest(), 0) << "it is not known to the kernel";
  EXPECT_TRUE(reactor_.has_unverified());
  reactor_.audit();
  EXPECT_EQ(harvest(), 0) << "not before it was idle between two audits";
  reactor_.audit();
  EXPECT_FALSE(reactor_.has_unverified());
  EXPECT_EQ(on_closed.woken, 1);
  EXPECT_EQ(on_closed.came, 0u);
  EXPECT_EQ(await(), 1);
  EXPECT_EQ(on_next.came, io_in);
  EXPECT_EQ(on_idle.woken, 0);
  reactor_.remove(on_idle);
}

TEST_F(reactor_registration, an_audit_leaves_the_busy_alone) {
  auto [in, out] = make_pipe();
  noted_waiter w{in, io_in};
  ASSERT_EQ(reactor_.add(w), 0);
  for (int i = 0; i < 5; ++i) {
    reactor_.audit();
    ASSERT_EQ(::write(out, "x", 1), 1);
    EXPECT_EQ(await(), 1);
    const std::uint32_t ticket = reactor_.ticket(in);
    char c;
    ASSERT_EQ(::read(in, &c, 1), 1);
    reactor_.clear(in, io_in, ticket);
    ASSERT_EQ(reactor_.add(w), 0);
    EXPECT_TRUE(reactor_.has_unverified());
  }
  for (int i = 0; i < 3; ++i)
    reactor_.audit();
  EXPECT_FALSE(reactor_.has_unverified()) << "idle now, and looked at";
  reactor_.remove(w);
}

TEST_F(reactor_registration, the_same_file_may_come_back_under_its_number) {
  auto [in, out] = make_pipe();
  auto [other_in, other_out] = make_pipe();
  const owned_fd kept{::dup(in)};
  noted_waiter w{in, io_in};
  ASSERT_EQ(reactor_.add(w), 0);
  ASSERT_EQ(::dup2(other_in, in), int{in}); // away behind our back
  reactor_.renew(in);
  ASSERT_EQ(::dup2(kept, in), int{in}); // and back: EEXIST
  noted_waiter again{in, io_in};
  ASSERT_EQ(reactor_.add(again), 0);
  ASSERT_EQ(::write(out, "x", 1), 1);
  EXPECT_EQ(await(), 1);
  EXPECT_EQ(again.came, io_in);
}

TEST_F(reactor_registration, a_forked_childs_copy_does_not_disturb) {
  auto [in, out] = make_pipe();
  noted_waiter w{in, io_in};
  ASSERT_EQ(reactor_.add(w), 0);
  int gate[2];
  ASSERT_EQ(::pipe(gate), 0);
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) { // holds all descriptors until told
    ::close(gate[1]);
    char c;
    [[maybe_unused]] const auto n = ::read(gate[0], &c, 1);
    std::_Exit(0);
  }
  ::close(gate[0]);
  const int number = in;
  reactor_.forget(number, 0);
  in.close();
  auto [next_in, next_out] = make_pipe();
  ASSERT_EQ(int{next_in}, number);
  noted_waiter fresh{next_in, io_in};
  ASSERT_EQ(reactor_.add(fresh), 0);
  ASSERT_EQ(::write(out, "x", 1), 1) << "the child holds the reading end";
  EXPECT_EQ(harvest(), 0);
  EXPECT_EQ(fresh.woken, 0);
  reactor_.remove(fresh);
  ::close(gate[1]);
  ::waitpid(child, nullptr, 0);
}

TEST_F(reactor_registration, a_child_starts_anew_and_leaves_the_parents_set_alone) {
  auto [in, out] = make_pipe();
  noted_waiter w{in, io_in};
  ASSERT_EQ(reactor_.add(w), 0);
  ASSERT_EQ(reactor_.prepare_interrupt(), 0);
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    reactor_.reset_after_fork();
    bool well = reactor_.epoll_descriptor() == -1 && reactor_.event_descriptor() == -1 &&
                !reactor_.has_waiters();
    auto [mine_in, mine_out] = make_pipe();
    noted_waiter mine{mine_in, io_in}, inherited{in, io_in};
    well = well && reactor_.add(mine) == 0 && reactor_.add(inherited) == 0;
    well = well && ::write(mine_out, "x", 1) == 1 && await() == 1 && mine.woken == 1;
    well = well && w.woken == 0 && inherited.woken == 0;
    std::_Exit(well ? 0 : 1);
  }
  int status = -1;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  ASSERT_EQ(::write(out, "x", 1), 1);
  EXPECT_EQ(await(), 1);
  EXPECT_EQ(w.came, io_in);
}

TEST_F(reactor_registration, nested_epoll_can_be_waited_for_but_not_a_loop) {
  ASSERT_EQ(reactor_.prepare_interrupt(), 0);
  noted_waiter itself{reactor_.epoll_descriptor(), io_in};
  EXPECT_LT(reactor_.add(itself), 0);
  const owned_fd inner{::epoll_create1(EPOLL_CLOEXEC)};
  auto [in, out] = make_pipe();
  epoll_event event{};
  event.events = EPOLLIN;
  ASSERT_EQ(::epoll_ctl(inner, EPOLL_CTL_ADD, in, &event), 0);
  noted_waiter w{inner, io_in};
  ASSERT_EQ(reactor_.add(w), 0);
  EXPECT_EQ(harvest(), 0);
  ASSERT_EQ(::write(out, "x", 1), 1);
  EXPECT_EQ(await(), 1);
}

} // namespace
} // namespace weft::core
