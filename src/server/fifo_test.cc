#include "server/fifo.h"

#include <gtest/gtest.h>

#include <deque>
#include <memory>

namespace baton::server {
namespace {

TEST(FifoTest, IsADequeWhateverTheOrderOfPushesAndPops) {
  Fifo<std::unique_ptr<int>> fifo;
  std::deque<int> model;
  std::uint32_t state = 1;
  for (int i = 0; i < 20'000; ++i) {
    state = state * 1'664'525 + 1'013'904'223;
    // Long phases of growing and of shrinking.
    const bool push = (state >> 16) % 10 < ((i / 1'000) % 2 == 0 ? 7u : 3u);
    if (push) {
      fifo.push(std::make_unique<int>(i));
      model.push_back(i);
    } else if (!model.empty()) {
      ASSERT_EQ(*fifo.pop(), model.front());
      model.pop_front();
    }
    ASSERT_EQ(fifo.size(), model.size());
    ASSERT_EQ(fifo.empty(), model.empty());
    for (std::size_t at : {std::size_t{0}, model.size() / 2, model.size() - 1}) {
      if (at < model.size()) ASSERT_EQ(*fifo[at], model[at]);
    }
  }
}

}  // namespace
}  // namespace baton::server
