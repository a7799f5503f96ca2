// Every API, version and direction against Apache Kafka's own message classes: the golden messages of vectors/, or those of
// the directory that BATON_WIRE_VECTORS names. See vectors.py, which makes them.
#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <new>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "base/hex.h"
#include "kafka/wire/messages.h"

namespace {
std::size_t largest_allocation = 0;
}

// What a decoder asks for at once is what a hostile count can make it ask for.
void* operator new(std::size_t size) {
  largest_allocation = std::max(largest_allocation, size);
  if (void* p = std::malloc(size)) return p;
  throw std::bad_alloc();
}
void operator delete(void* p) noexcept { std::free(p); }               // NOLINT(clang-analyzer-*)
void operator delete(void* p, std::size_t) noexcept { std::free(p); }  // NOLINT(clang-analyzer-*)

namespace baton::kafka::wire {
namespace {

struct Vector {
  const MessageType* type = nullptr;
  std::int16_t version = 0;
  base::Bytes bytes;
  std::string json;
  std::string where;
};

std::vector<Vector> read_vectors() {
  const char* other = std::getenv("BATON_WIRE_VECTORS");
  const std::filesystem::path directory = other ? other : BATON_SOURCE_DIR "/tests/wire/vectors";
  std::vector<Vector> vectors;
  for (const auto& file : std::filesystem::directory_iterator(directory)) {
    std::ifstream in(file.path());
    std::string name;
    std::string version;
    std::string hex;
    for (Vector v; in >> name >> version;) {
      in.get();
      std::getline(in, hex, ' ');
      std::getline(in, v.json);
      v.type = find_message(name);
      v.version = static_cast<std::int16_t>(std::stoi(version));
      v.bytes = base::from_hex(hex).value();
      v.where.assign(name).append(" v").append(version).append(" ").append(hex);
      if (v.type == nullptr) {
        ADD_FAILURE() << "no message is called " << name;
        continue;
      }
      vectors.push_back(v);
    }
  }
  return vectors;
}

const std::vector<Vector>& vectors() {
  static const std::vector<Vector> all = read_vectors();
  return all;
}

TEST(Vectors, HaveTheFieldsThatKafkaReadsAndTheBytesThatKafkaWrites) {
  std::size_t equal = 0;
  for (const Vector& v : vectors()) {
    Encoder again;
    const auto json = v.type->convert(v.bytes, v.version, &again, {});
    if (!json) {
      ADD_FAILURE() << v.where << "\n" << json.error().detail;
      continue;
    }
    EXPECT_EQ(*json, v.json) << v.where;
    EXPECT_EQ(base::to_hex(again.bytes()), base::to_hex(v.bytes)) << v.where;
    equal += *json == v.json && std::ranges::equal(again.bytes(), v.bytes);
  }
  printf("%zu messages equal\n", equal);
}

TEST(Vectors, CoverEveryVersionOfEveryMessage) {
  std::map<std::pair<std::string_view, int>, int> seen;
  for (const Vector& v : vectors()) ++seen[{v.type->name, v.version}];
  for (const MessageType& type : message_types()) {
    for (int version = type.versions.first; version <= type.versions.last; ++version) {
      EXPECT_GE((seen[{type.name, version}]), 3) << type.name << " v" << version;
    }
  }
}

// Each message is changed at each of its bytes: half of them do.
std::vector<Vector> every_second() {
  std::vector<Vector> half;
  for (std::size_t i = 1; i < vectors().size(); i += 2) half.push_back(vectors()[i]);
  return half;
}

TEST(Hostile, AMessageThatEndsTooEarlyIsAnError) {
  for (const Vector& v : vectors()) {
    for (std::size_t size = 0; size < v.bytes.size(); ++size) {
      // A copy of its own, so that a read behind the end is seen.
      const base::Bytes cut(v.bytes.begin(), v.bytes.begin() + static_cast<std::ptrdiff_t>(size));
      EXPECT_FALSE(v.type->convert(cut, v.version, nullptr, {}).ok()) << v.where << " cut at " << size;
    }
    base::Bytes longer = v.bytes;
    longer.push_back(std::byte{0});
    // Behind a request there may be more: some versions of librdkafka leave bytes there.
    EXPECT_EQ(v.type->convert(longer, v.version, nullptr, {}).ok(), v.type->name.ends_with("Request")) << v.where << " and a byte more";
  }
}

// Puts these bytes at every place of a message: wherever a length or a count is, it has this value once.
void overwrite_everywhere(const Vector& v, const base::Bytes& with) {
  for (std::size_t at = 0; at < v.bytes.size(); ++at) {
    base::Bytes changed = v.bytes;
    const std::size_t count = std::min(with.size(), changed.size() - at);
    std::copy_n(with.begin(), count, changed.begin() + static_cast<std::ptrdiff_t>(at));
    largest_allocation = 0;
    (void)v.type->convert(changed, v.version, nullptr, {});
    // 256 elements, and the JSON of what could be read.
    ASSERT_LT(largest_allocation, 200'000u) << v.where << " changed at " << at;
  }
}

TEST(Hostile, NoCountOrLengthMakesTheDecoderAllocateForIt) {
  for (const Vector& v : every_second()) {
    overwrite_everywhere(v, base::from_hex("7fffffff").value());
    overwrite_everywhere(v, base::from_hex("80000000").value());
    overwrite_everywhere(v, base::from_hex("ffffffff0f").value());
    overwrite_everywhere(v, base::from_hex("ffffffffff").value());
  }
}

}  // namespace
}  // namespace baton::kafka::wire
