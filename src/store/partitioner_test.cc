#include "store/partitioner.h"

#include <gtest/gtest.h>

namespace baton::store {
namespace {

// What the clients themselves answered for these keys, with 7 and with 1,000 partitions:
//   java      kafka-clients 4.3.1, Utils.murmur2 and BuiltInPartitioner.partitionForKey; kafka-python 3.0.12 agrees
//   rdkafka   librdkafka 2.16 of confluent-kafka 2.16.1, rd_kafka_msg_partitioner_consistent
//   sarama    github.com/IBM/sarama, NewHashPartitioner
struct Vector {
  const char* key;
  std::int32_t murmur2;
  std::int32_t java_7, java_1000, rdkafka_7, rdkafka_1000, sarama_7, sarama_1000;
};
constexpr Vector kVectors[] = {
    {"ride-139545", 2086434463, 1, 463, 0, 357, 4, 607},
    {"a", -1563381124, 5, 524, 4, 907, 6, 76},
    {"ab", 316155434, 0, 434, 5, 885, 2, 946},
    {"abc", 479470107, 4, 107, 5, 578, 5, 331},
    {"abcd", -1323649548, 5, 100, 4, 369, 1, 763},
    {"abcde", 461995741, 4, 741, 3, 485, 2, 136},
    {"21", -973932308, 3, 340, 6, 532, 3, 452},
    {"foobar", -790332482, 0, 166, 6, 69, 4, 576},
    {"a-little-bit-long-string", -985981536, 1, 112, 3, 554, 1, 104},
    {"a-little-bit-longer-string", -1486304829, 0, 819, 0, 890, 4, 313},
    {"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971, 3, 677, 2, 433, 2, 966},
    {"Straße-7", 296556592, 3, 592, 0, 16, 6, 584},
    {"注文-42", -787707910, 6, 738, 0, 51, 1, 336},
    {"🎼-1", -233236121, 3, 527, 3, 162, 1, 580},
};

TEST(Partitioner, Murmur2PlacesKeysWhereTheJavaClientDoes) {
  for (const auto& v : kVectors) {
    EXPECT_EQ(static_cast<std::int32_t>(internal::murmur2(v.key)), v.murmur2) << v.key;
    EXPECT_EQ(partition_of(Partitioner::murmur2, v.key, 7).value(), v.java_7) << v.key;
    EXPECT_EQ(partition_of(Partitioner::murmur2, v.key, 1000).value(), v.java_1000) << v.key;
  }
}

TEST(Partitioner, Crc32PlacesKeysWhereLibrdkafkaDoes) {
  for (const auto& v : kVectors) {
    EXPECT_EQ(partition_of(Partitioner::crc32, v.key, 7).value(), v.rdkafka_7) << v.key;
    EXPECT_EQ(partition_of(Partitioner::crc32, v.key, 1000).value(), v.rdkafka_1000) << v.key;
  }
}

TEST(Partitioner, Fnv1aPlacesKeysWhereSaramaDoes) {
  for (const auto& v : kVectors) {
    EXPECT_EQ(partition_of(Partitioner::fnv1a, v.key, 7).value(), v.sarama_7) << v.key;
    EXPECT_EQ(partition_of(Partitioner::fnv1a, v.key, 1000).value(), v.sarama_1000) << v.key;
  }
}

TEST(Partitioner, OnePartitionTakesAllKeysAndNamesAreKnown) {
  for (const auto* name : {"murmur2", "crc32", "fnv1a"}) {
    const auto partitioner = parse_partitioner(name);
    ASSERT_TRUE(partitioner) << name;
    for (const auto& v : kVectors) EXPECT_EQ(partition_of(*partitioner, v.key, 1).value(), 0);
  }
  EXPECT_FALSE(parse_partitioner("Murmur2"));
  EXPECT_FALSE(parse_partitioner(""));
}

}  // namespace
}  // namespace baton::store
