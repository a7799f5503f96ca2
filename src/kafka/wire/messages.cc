#include "kafka/wire/messages.h"

namespace baton::kafka::wire {

const MessageType* find_message(std::string_view name) {
  for (const MessageType& type : message_types()) {
    if (type.name == name) return &type;
  }
  return nullptr;
}

const MessageType* find_message(std::int16_t key, bool request) {
  for (const MessageType& type : message_types()) {
    if (type.api && static_cast<std::int16_t>(*type.api) == key && type.is_request == request) return &type;
  }
  return nullptr;
}

}  // namespace baton::kafka::wire
