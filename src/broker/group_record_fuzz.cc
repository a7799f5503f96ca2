// Any bytes as a record of groups: no crash, nothing allocated that the input does not pay for, and what is accepted means the same when it is
// written again. What is accepted can be loaded, in any order.
#include <cstdint>
#include <cstdlib>

#include "broker/group_record.h"
#include "broker/groups.h"
#include "broker/subscription.h"
#include "os/sim_env.h"

namespace {

using namespace baton;
using namespace baton::broker;

class NoLog final : public GroupLog {
 public:
  void append(std::vector<base::Bytes>, Done) override {}
  void begin_snapshot() override {}
  void end_snapshot(bool) override {}
  [[nodiscard]] std::uint64_t bytes() const override { return 0; }
  [[nodiscard]] std::int64_t time_ms() override { return 0; }
};

}  // namespace

// The input is records, each behind its length in two bytes; so the corpus holds whole logs.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  base::ByteView bytes(reinterpret_cast<const std::byte*>(data), size);
  (void)subscribed_topics(bytes);
  os::SimWorld world;
  os::SimEnv env(world);
  const auto executor = env.make_executor("groups");
  NoLog log;
  {
    Groups groups(env, *executor, log);
    while (bytes.size() >= 2) {
      const std::size_t length = std::min<std::size_t>(base::load_le<std::uint16_t>(bytes.data()), bytes.size() - 2);
      const auto record = bytes.subspan(2, length);
      bytes = bytes.subspan(2 + length);
      const auto decoded = decode_group_record(record);
      if (!decoded) continue;
      const auto again = decode_group_record(encode_group_record(*decoded));
      if (!again || *again != *decoded) std::abort();
      if (!groups.load(record)) std::abort();
    }
    groups.start();
    world.run_until_idle(10'000);
  }
  return 0;
}
