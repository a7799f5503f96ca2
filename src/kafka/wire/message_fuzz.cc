// Any bytes as any message. What is decoded is encoded again and must be the same message.
//
// Input: the API's key (with bit 14 set for a response; 0x2000 + n for the n-th message without a key), the version, the body.
// The whole input is also read as a request's header.
#include <cstdint>
#include <span>

#include "base/check.h"
#include "kafka/wire/messages.h"

namespace baton::kafka::wire {
namespace {

constexpr std::int16_t kResponse = 0x4000;
constexpr std::int16_t kWithoutKey = 0x2000;

const MessageType* choose(std::int16_t key) {
  if ((key & kWithoutKey) == 0) return find_message(static_cast<std::int16_t>(key & ~kResponse), (key & kResponse) == 0);
  std::int16_t left = key & 0xFF;
  for (const MessageType& type : message_types()) {
    if (!type.api && left-- == 0) return &type;
  }
  return nullptr;
}

void read(base::ByteView input) {
  Decoder frame(input);
  (void)decode_request_header(frame);
  Decoder in(input);
  std::int16_t key = 0;
  std::int16_t version = 0;
  if (!in.get(key) || !in.get(version)) return;
  const MessageType* type = choose(key);
  if (type == nullptr) return;
  Encoder again;
  const auto json = type->convert(input.subspan(in.offset()), version, &again, {});
  if (!json) {
    BATON_CHECK(again.size() == 0, "what was decoded cannot be encoded");
    return;
  }
  Encoder third;
  const auto json_again = type->convert(again.bytes(), version, &third, {});
  BATON_CHECK(json_again.ok(), "what was encoded is refused");
  BATON_CHECK(*json == *json_again, "a value has changed");
  BATON_CHECK(again.size() == third.size() && std::equal(again.bytes().begin(), again.bytes().end(), third.bytes().begin()),
              "the same message has other bytes");
}

}  // namespace
}  // namespace baton::kafka::wire

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  baton::kafka::wire::read(std::as_bytes(std::span(data, size)));
  return 0;
}
