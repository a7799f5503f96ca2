// The random operations of the model.
#include <algorithm>

#include "store/store_model.h"

namespace baton::store::testing {
namespace {

constexpr std::size_t kSentKept = 7;  // more than the store knows of

std::int32_t following(std::int32_t sequence, std::size_t events) {
  return static_cast<std::int32_t>((std::int64_t{sequence} + static_cast<std::int64_t>(events)) & INT32_MAX);
}

}  // namespace

std::string RandomOperations::stream() {
  const std::string kind = random_.below(2) == 0 ? "ride-" : "bike-";
  std::uint64_t number = random_.below(4);
  const bool astray = place_.partitions > 1 && random_.chance(10);
  while (!astray && !place_.has(kind + std::to_string(number))) number += 4;
  return kind + std::to_string(number);
}

NewEvent RandomOperations::event() {
  NewEvent event;
  event.type = random_.chance(200) ? place_.topic + "." + type() : type();
  event.data = std::string(random_.below(60), 'd');
  for (std::uint64_t i = random_.below(3); i > 0; --i) event.tags.push_back(tag());
  if (random_.chance(300)) {
    // What an id names is mostly the same event.
    event.id = "id-" + std::to_string(random_.below(12));
    event.type = std::string(1, static_cast<char>('A' + event.id.back() % 3));
    event.data = "data of " + event.id;
    event.tags = {"t:1"};
    if (random_.chance(50)) event.data += " changed";
    if (random_.chance(100)) event.source = "/other";
  }
  return event;
}

Expect RandomOperations::expect(const Model::Head& head) {
  switch (random_.below(6)) {
    case 0: return Expect::no_stream();
    case 1: return Expect::exists();
    case 2:
    case 3: return Expect::exact(std::max<std::int64_t>(head.last_version, 0));
    case 4: return Expect::exact(static_cast<std::int64_t>(random_.below(10)));
    default: return Expect::any();
  }
}

Operation RandomOperations::next(const Model& model, bool settled, bool there) {
  if (place_.plain || (there && random_.chance(250))) return produce(model, settled);
  Operation operation;
  operation.append.context = place_.topic;
  const bool system = random_.chance(60);
  const std::uint64_t streams = system ? 1 : 1 + random_.below(3) * random_.below(2);
  for (std::uint64_t i = 0; i < streams; ++i) {
    StreamAppend part;
    part.stream = stream();
    part.condition = random_.chance(500) ? Expect::any() : expect(model.head(part.stream));
    const std::uint64_t events = system ? 0 : 1 + random_.below(random_.chance(50) ? 30 : 3);
    for (std::uint64_t e = 0; e < events; ++e) part.events.push_back(event());
    operation.append.streams.push_back(std::move(part));
  }
  if (system) {
    operation.kind = random_.chance(500) ? Operation::Kind::delete_stream : Operation::Kind::truncate_stream;
    operation.before_version = static_cast<std::int64_t>(random_.below(8));
    return operation;
  }
  if (random_.chance(250)) operation.append.duplicates = Append::Duplicates::skip;
  if (random_.chance(place_.partitions == 1 ? 200 : 10)) {
    Unless unless;
    for (std::uint64_t i = 1 + random_.below(2); i > 0; --i) {
      QueryItem item;
      if (random_.chance(500)) item.types.push_back(type());
      for (std::uint64_t t = item.types.empty() ? 1 + random_.below(2) : random_.below(3); t > 0; --t) item.tags.push_back(tag());
      unless.query.items.push_back(std::move(item));
    }
    operation.append.unless = std::move(unless);
    operation.unless_after = static_cast<std::int64_t>(random_.below(model.log().size() + 1)) - 1;
    if (random_.chance(600)) operation.unless_after = static_cast<std::int64_t>(model.log().size()) - 1;
  }
  return operation;
}

Operation RandomOperations::batch(const Produced& by, std::size_t events) {
  Operation operation{.kind = Operation::Kind::produce, .produced = by};
  operation.append.context = place_.topic;
  operation.append.duplicates = Append::Duplicates::skip;
  for (; events > 0; --events) operation.append.streams.push_back({.stream = stream(), .condition = {}, .events = {event()}});
  return operation;
}

// Some batches are nothing but events that are there already, from whichever side they came.
void RandomOperations::fill(const Model& model, Operation& operation) {
  const bool known = random_.chance(200);
  for (StreamAppend& part : operation.append.streams) {
    part.condition = random_.chance(700) ? Expect::any() : expect(model.head(part.stream));
    if (!known || model.log().empty()) continue;
    const Model::Entry& entry = model.log()[random_.below(model.log().size())];
    if (!entry.is_event() || entry.id.empty()) continue;
    part.stream = entry.stream;
    NewEvent same;
    same.type = entry.type;
    same.data = entry.data;
    same.id = entry.id;
    same.source = entry.source;
    same.tags = entry.tags;
    part.events = {std::move(same)};
  }
  if (random_.chance(10)) {
    operation.append.streams[random_.below(operation.append.streams.size())].events.front().data.assign(2000, 'd');
  }
}

// Mostly the sequence goes on.
void RandomOperations::number(Producer& producer, Operation& operation) {
  Produced& by = operation.produced;
  by.producer_epoch = producer.epoch;
  by.base_sequence = producer.next;
  const std::uint64_t kind = random_.below(1000);
  if (kind < 50) {  // one is missing
    by.base_sequence = following(producer.next, 1 + random_.below(5));
    return;
  }
  if (kind < 70 && producer.epoch > 0) {
    --by.producer_epoch;
    return;
  }
  if (kind < 110) {  // a new life of the producer
    ++by.producer_epoch;
    by.base_sequence = 0;
    if (kind < 80) {
      by.base_sequence = 1;
      return;
    }
  }
  producer.epoch = by.producer_epoch;
  producer.next = following(by.base_sequence, operation.append.streams.size());
}

// What was sent before, mostly the last one, as it was or with one event less.
Operation RandomOperations::produce_again(Producer& producer) {
  const std::size_t back = random_.chance(500) ? 0 : random_.below(producer.sent.size());
  Operation again = producer.sent[producer.sent.size() - 1 - back];
  if (random_.chance(100) && again.append.streams.size() > 1) again.append.streams.pop_back();
  return again;
}

Operation RandomOperations::produce(const Model& model, bool settled) {
  const std::int64_t id = random_.chance(300) ? -1 : 100 + static_cast<std::int64_t>(random_.below(3));
  Producer& producer = producers_[id];
  if (settled && id >= 0) {
    const std::vector<Model::Batch> known = model.batches_of(id);
    if (known.empty()) {
      producer.next = random_.chance(300) ? INT32_MAX - static_cast<std::int32_t>(random_.below(6)) : 0;
    } else {
      producer.epoch = known.back().by.producer_epoch;
      producer.next = following(known.back().last_sequence, 1);
    }
  }
  if (!producer.sent.empty() && random_.chance(150)) return produce_again(producer);
  Operation operation = batch({.partition = log::PartitionId(place_.partition), .producer_id = id}, 1 + random_.below(random_.chance(100) ? 20 : 4));
  fill(model, operation);
  if (id >= 0) number(producer, operation);
  if (random_.chance(5)) operation.produced.partition = log::PartitionId(place_.partitions);
  producer.sent.push_back(operation);
  if (producer.sent.size() > kSentKept) producer.sent.erase(producer.sent.begin());
  return operation;
}

}  // namespace baton::store::testing
