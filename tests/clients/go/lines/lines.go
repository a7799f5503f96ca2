// Package lines is the side of clients.py: a request a line on standard input, as JSON, and a reply a line on standard output. Bytes are Base64.
package lines

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"time"
)

// Wait is how long a client waits for what must come.
const Wait = 30 * time.Second

// Header is a name and a value, in an array; the value may be null.
type Header struct {
	Name  string
	Value []byte
}

func (h Header) MarshalJSON() ([]byte, error) { return json.Marshal([]interface{}{h.Name, h.Value}) }

func (h *Header) UnmarshalJSON(data []byte) error {
	return json.Unmarshal(data, &[]interface{}{&h.Name, &h.Value})
}

// Record is one that is produced or was consumed.
type Record struct {
	Topic     string   `json:"topic,omitempty"`
	Partition *int32   `json:"partition"`
	Offset    int64    `json:"offset"`
	Timestamp *int64   `json:"timestamp"` // milliseconds; none: now
	Key       []byte   `json:"key"`
	Value     []byte   `json:"value"`
	Headers   []Header `json:"headers"`
}

// Config is what a test asks of a producer.
type Config struct {
	Idempotent  bool `json:"idempotent"`
	MaxInFlight int  `json:"max_in_flight"`
	LingerMs    int  `json:"linger_ms"`
}

// Request has what its operation needs.
type Request struct {
	Op         string            `json:"op"`
	Bootstrap  string            `json:"bootstrap"`
	Topic      string            `json:"topic"`
	Partitions *int32            `json:"partitions"`
	Settings   map[string]string `json:"settings"`
	Records    []Record          `json:"records"`
	Codec      string            `json:"codec"`
	Config     Config            `json:"config"`
	Group      string            `json:"group"`
	Partition  int32             `json:"partition"`
	Offset     int64             `json:"offset"`
	Count      int               `json:"count"`
}

// Outcome is what became of a record, or of a topic that was to be made.
type Outcome struct {
	Partition int32  `json:"partition"`
	Offset    int64  `json:"offset"`
	Error     int    `json:"error"` // the protocol's number
	Text      string `json:"text"`
}

// Client is one library.
type Client struct {
	Create  func(Request) (Outcome, error)
	Produce func(Request) ([]Outcome, error)
	Consume func(Request) ([]Record, error)
	Group   func(Request) ([]Record, error)
}

// ByHand says whether the records name their partitions; otherwise the library's partitioner chooses.
func (r Request) ByHand() bool { return len(r.Records) > 0 && r.Records[0].Partition != nil }

func (c Client) answer(request Request) (interface{}, error) {
	switch request.Op {
	case "create":
		return c.Create(request)
	case "produce":
		results, err := c.Produce(request)
		return map[string]interface{}{"results": results}, err
	case "consume":
		records, err := c.Consume(request)
		return map[string]interface{}{"records": records}, err
	case "group":
		records, err := c.Group(request)
		return map[string]interface{}{"records": records}, err
	}
	return nil, fmt.Errorf("there is no operation %q", request.Op)
}

// Serve answers until the input ends.
func (c Client) Serve() {
	in := bufio.NewReaderSize(os.Stdin, 1<<20)
	out := json.NewEncoder(os.Stdout)
	for {
		line, err := in.ReadBytes('\n')
		if err != nil {
			return
		}
		var request Request
		var reply interface{}
		if err = json.Unmarshal(line, &request); err == nil {
			reply, err = c.answer(request)
		}
		if err != nil {
			reply = map[string]string{"failed": err.Error()}
		}
		if err = out.Encode(reply); err != nil {
			return
		}
	}
}
