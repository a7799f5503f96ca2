// What the handlers of consumer groups share. The coordinator lives on the store's executor: requests go there as values, and replies are encoded there.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "broker/group_messages.h"
#include "kafka/handlers/handlers.h"

namespace baton::kafka {

[[nodiscard]] inline broker::GroupId group_id(std::string_view id) { return {std::string(id)}; }
[[nodiscard]] inline broker::MemberId member_id(std::string_view id) { return {std::string(id)}; }
[[nodiscard]] std::optional<broker::InstanceId> instance_id(std::optional<std::string_view> id);
[[nodiscard]] std::optional<std::string> to_wire(std::optional<broker::InstanceId> id);
[[nodiscard]] inline std::optional<std::string> owned(std::optional<std::string_view> text) { return text ? std::optional<std::string>(*text) : std::nullopt; }
[[nodiscard]] inline base::Bytes owned(base::ByteView bytes) { return {bytes.begin(), bytes.end()}; }

// The address of a connection as Kafka shows it to administrators: "/127.0.0.1".
[[nodiscard]] std::string client_host(std::string_view peer);

}  // namespace baton::kafka
