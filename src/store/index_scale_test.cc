#include "store/index_scale_for_test.h"

namespace baton::store {

TEST(IndexScale, ThreeHundredThousandStreamsAreRebuiltInBoundedMemory) { testing::Scale(300'000, 32u << 10).run(); }

}  // namespace baton::store
