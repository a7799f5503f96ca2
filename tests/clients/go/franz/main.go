// franz-go, driven by clients.py.
package main

import (
	"context"
	"errors"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"baton-clients/lines"
)

var codecs = map[string]kgo.CompressionCodec{
	"none": kgo.NoCompression(), "gzip": kgo.GzipCompression(), "snappy": kgo.SnappyCompression(), "lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression(),
}

// The number that the server gave; an error without one is not an answer.
func number(err error) (int, error) {
	var of *kerr.Error
	if errors.As(err, &of) {
		return int(of.Code), nil
	}
	return 0, err
}

func client(request lines.Request, options ...kgo.Opt) (*kgo.Client, error) {
	return kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(request.Bootstrap), kgo.ClientID("franz-go")}, options...)...)
}

func create(request lines.Request) (lines.Outcome, error) {
	cl, err := client(request)
	if err != nil {
		return lines.Outcome{}, err
	}
	defer cl.Close()
	ctx, cancel := context.WithTimeout(context.Background(), lines.Wait)
	defer cancel()
	partitions := int32(-1)
	if request.Partitions != nil {
		partitions = *request.Partitions
	}
	settings := map[string]*string{}
	for name, value := range request.Settings {
		value := value
		settings[name] = &value
	}
	made, err := kadm.NewClient(cl).CreateTopics(ctx, partitions, -1, settings, request.Topic)
	if err != nil {
		return lines.Outcome{}, err
	}
	of := made[request.Topic]
	if of.Err == nil {
		return lines.Outcome{}, nil
	}
	code, err := number(of.Err)
	return lines.Outcome{Error: code, Text: of.Err.Error()}, err
}

func produce(request lines.Request) ([]lines.Outcome, error) {
	options := []kgo.Opt{
		kgo.AllowAutoTopicCreation(), kgo.ProducerBatchCompression(codecs[request.Codec]), kgo.ProducerBatchMaxBytes(8 << 20), kgo.ProducerLinger(time.Duration(request.Config.LingerMs) * time.Millisecond),
	}
	if !request.Config.Idempotent {
		options = append(options, kgo.DisableIdempotentWrite(), kgo.MaxProduceRequestsInflightPerBroker(request.Config.MaxInFlight))
	}
	if request.ByHand() {
		options = append(options, kgo.RecordPartitioner(kgo.ManualPartitioner()))
	}
	cl, err := client(request, options...)
	if err != nil {
		return nil, err
	}
	defer cl.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 4*lines.Wait)
	defer cancel()
	records := make([]*kgo.Record, len(request.Records))
	for i, r := range request.Records {
		record := &kgo.Record{Topic: r.Topic, Key: r.Key, Value: r.Value}
		if r.Partition != nil {
			record.Partition = *r.Partition
		}
		if r.Timestamp != nil {
			record.Timestamp = time.UnixMilli(*r.Timestamp)
		}
		for _, h := range r.Headers {
			record.Headers = append(record.Headers, kgo.RecordHeader{Key: h.Name, Value: h.Value})
		}
		records[i] = record
	}
	// What came of each, in the order of the records and not of the answers.
	failed := map[*kgo.Record]error{}
	for _, result := range cl.ProduceSync(ctx, records...) {
		failed[result.Record] = result.Err
	}
	outcomes := make([]lines.Outcome, len(records))
	for i, record := range records {
		outcomes[i] = lines.Outcome{Partition: record.Partition, Offset: record.Offset}
		if err := failed[record]; err != nil {
			code, err := number(err)
			if err != nil {
				return nil, err
			}
			outcomes[i] = lines.Outcome{Error: code, Text: failed[record].Error()}
		}
	}
	return outcomes, nil
}

func shown(r *kgo.Record) lines.Record {
	ms, partition := r.Timestamp.UnixMilli(), r.Partition
	record := lines.Record{Partition: &partition, Offset: r.Offset, Timestamp: &ms, Key: r.Key, Value: r.Value, Headers: []lines.Header{}}
	for _, h := range r.Headers {
		record.Headers = append(record.Headers, lines.Header{Name: h.Key, Value: h.Value})
	}
	return record
}

// One record after the other, until `take` has enough.
func poll(cl *kgo.Client, count int, take func(context.Context, *kgo.Record) error) error {
	ctx, cancel := context.WithTimeout(context.Background(), lines.Wait)
	defer cancel()
	for got := 0; got < count; {
		fetches := cl.PollRecords(ctx, 1)
		if err := fetches.Err(); err != nil {
			return err
		}
		for _, record := range fetches.Records() {
			if err := take(ctx, record); err != nil {
				return err
			}
			got++
		}
	}
	return nil
}

func consume(request lines.Request) ([]lines.Record, error) {
	at := map[string]map[int32]kgo.Offset{request.Topic: {request.Partition: kgo.NewOffset().At(request.Offset)}}
	cl, err := client(request, kgo.ConsumePartitions(at), kgo.ConsumeResetOffset(kgo.NoResetOffset()))
	if err != nil {
		return nil, err
	}
	defer cl.Close()
	records := []lines.Record{}
	err = poll(cl, request.Count, func(_ context.Context, r *kgo.Record) error {
		records = append(records, shown(r))
		return nil
	})
	return records, err
}

// A member of a group until it has so many records; it commits what it got, and leaves.
func group(request lines.Request) ([]lines.Record, error) {
	cl, err := client(request, kgo.ConsumerGroup(request.Group), kgo.ConsumeTopics(request.Topic), kgo.DisableAutoCommit(),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		return nil, err
	}
	defer cl.Close()
	records := []lines.Record{}
	err = poll(cl, request.Count, func(ctx context.Context, r *kgo.Record) error {
		records = append(records, shown(r))
		return cl.CommitRecords(ctx, r)
	})
	return records, err
}

func main() {
	lines.Client{Create: create, Produce: produce, Consume: consume, Group: group}.Serve()
}
