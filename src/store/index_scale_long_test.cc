#include "store/index_scale_for_test.h"

namespace baton::store {

TEST(IndexScale, FiveMillionStreamsAreRebuiltInBoundedMemory) { testing::Scale(5'000'000, 256u << 10).run(); }

}  // namespace baton::store
