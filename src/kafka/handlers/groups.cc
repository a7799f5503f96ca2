#include "kafka/handlers/groups.h"

namespace baton::kafka {

std::optional<broker::InstanceId> instance_id(std::optional<std::string_view> id) {
  if (!id) return std::nullopt;
  return broker::InstanceId{std::string(*id)};
}

std::optional<std::string> to_wire(std::optional<broker::InstanceId> id) {
  if (!id) return std::nullopt;
  return std::move(id->value);
}

std::string client_host(std::string_view peer) {
  peer = peer.substr(0, peer.rfind(':'));
  if (peer.starts_with('[') && peer.ends_with(']')) peer = peer.substr(1, peer.size() - 2);
  return "/" + std::string(peer);
}

}  // namespace baton::kafka
