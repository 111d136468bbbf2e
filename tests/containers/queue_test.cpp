#include <gtest/gtest.h>
#include "weft/weft.hpp"
using namespace std::chrono_literals;
namespace {
TEST(q,a){ weft::queue<int> q(2); weft::priority_queue<int> p; weft::lifo_queue<std::unique_ptr<int>> l;
 auto t=weft::spawn([&]{ int s=0; for(auto& i: q) s+=i; return s;});
 for(int i=0;i<100;++i) q.put(i);
 q.close(); EXPECT_EQ(t.get(),4950);
 p.put(3);p.put(1); p.put(2); EXPECT_EQ(p.get(),1); l.put(std::make_unique<int>(3)); EXPECT_EQ(*l.get(),3);
 EXPECT_EQ(p.peek(), 2);
 weft::channel<int> c; weft::channel<std::string> d;
 auto u=weft::spawn([&]{ int s=0; for(auto& i: c) s+=i; return s;});
 for(int i=0;i<100;++i) c.send(i);
 c.close(); EXPECT_EQ(u.get(),4950);
 auto v=weft::spawn([&]{ return weft::select(weft::on_receive(d), weft::on_send(c,1).when(false), weft::on_receive(c,[](std::optional<int>){}).when(false));});
 weft::yield(); d.send("x"); EXPECT_EQ(v.get(),0u);
 EXPECT_FALSE(weft::select(5ms, weft::on_send(d,"x")));
 EXPECT_FALSE(weft::try_select(weft::on_send(d,"x")));
 std::vector<weft::channel<int>> cs(3); 
}
}
