// sarama, driven by clients.py.
package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/IBM/sarama"

	"baton-clients/lines"
)

var codecs = map[string]sarama.CompressionCodec{
	"none": sarama.CompressionNone, "gzip": sarama.CompressionGZIP, "snappy": sarama.CompressionSnappy, "lz4": sarama.CompressionLZ4, "zstd": sarama.CompressionZSTD,
}

// The number that the server gave; an error without one is not an answer.
func number(err error) (int, error) {
	var of sarama.KError
	if errors.As(err, &of) {
		return int(of), nil
	}
	return 0, err
}

func configured() *sarama.Config {
	config := sarama.NewConfig()
	config.ClientID = "sarama"
	config.Version = sarama.MaxVersion
	config.Metadata.Retry.Backoff = 50 * time.Millisecond
	return config
}

func create(request lines.Request) (lines.Outcome, error) {
	admin, err := sarama.NewClusterAdmin([]string{request.Bootstrap}, configured())
	if err != nil {
		return lines.Outcome{}, err
	}
	defer admin.Close()
	detail := &sarama.TopicDetail{NumPartitions: -1, ReplicationFactor: -1, ConfigEntries: map[string]*string{}}
	if request.Partitions != nil {
		detail.NumPartitions = *request.Partitions
	}
	for name, value := range request.Settings {
		value := value
		detail.ConfigEntries[name] = &value
	}
	if err = admin.CreateTopic(request.Topic, detail, false); err == nil {
		return lines.Outcome{}, nil
	}
	text := err.Error()
	var of *sarama.TopicError
	if errors.As(err, &of) {
		err = of.Err
	}
	code, err := number(err)
	return lines.Outcome{Error: code, Text: text}, err
}

func produce(request lines.Request) ([]lines.Outcome, error) {
	config := configured()
	config.Producer.RequiredAcks = sarama.WaitForAll
	config.Producer.Compression = codecs[request.Codec]
	config.Producer.MaxMessageBytes = 8 << 20
	config.Producer.Return.Successes = true
	config.Producer.Flush.Frequency = time.Duration(request.Config.LingerMs) * time.Millisecond
	config.Net.MaxOpenRequests = request.Config.MaxInFlight
	if request.Config.Idempotent {
		config.Producer.Idempotent = true
		config.Net.MaxOpenRequests = 1 // it takes no other number then
	}
	if request.ByHand() {
		config.Producer.Partitioner = sarama.NewManualPartitioner
	}
	producer, err := sarama.NewSyncProducer([]string{request.Bootstrap}, config)
	if err != nil {
		return nil, err
	}
	defer producer.Close()
	messages := make([]*sarama.ProducerMessage, len(request.Records))
	for i, r := range request.Records {
		message := &sarama.ProducerMessage{Topic: r.Topic}
		if r.Key != nil {
			message.Key = sarama.ByteEncoder(r.Key)
		}
		if r.Value != nil {
			message.Value = sarama.ByteEncoder(r.Value)
		}
		if r.Partition != nil {
			message.Partition = *r.Partition
		}
		if r.Timestamp != nil {
			message.Timestamp = time.UnixMilli(*r.Timestamp)
		}
		for _, h := range r.Headers {
			message.Headers = append(message.Headers, sarama.RecordHeader{Key: []byte(h.Name), Value: h.Value})
		}
		messages[i] = message
	}
	failed := map[*sarama.ProducerMessage]error{}
	var failures sarama.ProducerErrors
	if err = producer.SendMessages(messages); errors.As(err, &failures) {
		for _, failure := range failures {
			failed[failure.Msg] = failure.Err
		}
	} else if err != nil {
		return nil, err
	}
	outcomes := make([]lines.Outcome, len(messages))
	for i, message := range messages {
		outcomes[i] = lines.Outcome{Partition: message.Partition, Offset: message.Offset}
		if err := failed[message]; err != nil {
			code, err := number(err)
			if err != nil {
				return nil, err
			}
			outcomes[i] = lines.Outcome{Error: code, Text: failed[message].Error()}
		}
	}
	return outcomes, nil
}

func shown(m *sarama.ConsumerMessage) lines.Record {
	ms, partition := m.Timestamp.UnixMilli(), m.Partition
	record := lines.Record{Partition: &partition, Offset: m.Offset, Timestamp: &ms, Key: m.Key, Value: m.Value, Headers: []lines.Header{}}
	for _, h := range m.Headers {
		record.Headers = append(record.Headers, lines.Header{Name: string(h.Key), Value: h.Value})
	}
	return record
}

func consume(request lines.Request) ([]lines.Record, error) {
	config := configured()
	config.Consumer.Return.Errors = true
	consumer, err := sarama.NewConsumer([]string{request.Bootstrap}, config)
	if err != nil {
		return nil, err
	}
	defer consumer.Close()
	partition, err := consumer.ConsumePartition(request.Topic, request.Partition, request.Offset)
	if err != nil {
		return nil, err
	}
	defer partition.Close()
	records := []lines.Record{}
	late := time.After(lines.Wait)
	for len(records) < request.Count {
		select {
		case message := <-partition.Messages():
			records = append(records, shown(message))
		case err := <-partition.Errors():
			return nil, err
		case <-late:
			return nil, fmt.Errorf("%d of %d records came in time", len(records), request.Count)
		}
	}
	return records, nil
}

// A member of a group until it has so many records; it commits what it got, and leaves.
type member struct {
	count   int
	stop    context.CancelFunc
	mutex   sync.Mutex // its partitions are read side by side
	records []lines.Record
}

func (m *member) Setup(sarama.ConsumerGroupSession) error   { return nil }
func (m *member) Cleanup(sarama.ConsumerGroupSession) error { return nil }

func (m *member) take(session sarama.ConsumerGroupSession, message *sarama.ConsumerMessage) bool {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	if len(m.records) == m.count {
		return false
	}
	m.records = append(m.records, shown(message))
	session.MarkMessage(message, "")
	session.Commit()
	if len(m.records) == m.count {
		m.stop()
	}
	return true
}

func (m *member) ConsumeClaim(session sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
	for {
		select {
		case message, open := <-claim.Messages():
			if !open || !m.take(session, message) {
				return nil
			}
		case <-session.Context().Done():
			return nil
		}
	}
}

func group(request lines.Request) ([]lines.Record, error) {
	config := configured()
	config.Consumer.Offsets.Initial = sarama.OffsetOldest
	config.Consumer.Offsets.AutoCommit.Enable = false
	consumer, err := sarama.NewConsumerGroup([]string{request.Bootstrap}, request.Group, config)
	if err != nil {
		return nil, err
	}
	defer consumer.Close()
	ctx, cancel := context.WithTimeout(context.Background(), lines.Wait)
	defer cancel()
	m := &member{count: request.Count, stop: cancel, records: []lines.Record{}}
	for ctx.Err() == nil {
		// Ends with each rebalance, too.
		if err := consumer.Consume(ctx, []string{request.Topic}, m); err != nil && ctx.Err() == nil {
			return nil, err
		}
	}
	return m.records, nil
}

func main() {
	lines.Client{Create: create, Produce: produce, Consume: consume, Group: group}.Serve()
}
