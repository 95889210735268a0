package limits

import (
	"bytes"
	"errors"
	"io"

	"gopkg.in/yaml.v3"

	"github.com/platctl/platctl/internal/base/fault"
	"github.com/platctl/platctl/internal/base/format"
)

// maxFile is the longest policy that is read, in bytes.
const maxFile = 256 << 10

func schema() format.Schema { return format.Schema{Name: "platctl.ratelimit", Version: 1} }

// file is a policy on disk and in the database.
type file struct {
	Schema string `yaml:"schema"`
	Policy `yaml:",inline"`
}

// Parse reads and validates a policy, which may be a part of one. In a file of this version an unknown key is an error, because a misspelt limit that is
// silently ignored limits nobody; in one of the next version it is what we are too old to know.
func Parse(data []byte) (Policy, error) {
	if len(data) > maxFile {
		return Policy{}, fault.New(fault.Invalid, "a policy of %d bytes is longer than %d", len(data), maxFile)
	}
	var head struct {
		Schema string `yaml:"schema"`
	}
	if err := yaml.Unmarshal(data, &head); err != nil {
		return Policy{}, malformed(err)
	}
	version, err := schema().Accept(head.Schema)
	if err != nil {
		return Policy{}, err
	}
	dec := yaml.NewDecoder(bytes.NewReader(data))
	dec.KnownFields(version <= schema().Version)
	f := file{Policy: Policy{Percent: 100}}
	if err := dec.Decode(&f); err != nil {
		return Policy{}, malformed(err)
	}
	if err := dec.Decode(new(any)); !errors.Is(err, io.EOF) {
		return Policy{}, fault.New(fault.Invalid, "a policy is one YAML document; there is a second")
	}
	return f.Policy, f.ValidatePart()
}

func malformed(err error) error {
	return fault.Wrap(err, fault.Invalid, "not a policy").WithHint("`platctl ratelimit show --export` prints one to start from")
}

// Marshal returns the file of a policy. The same policy is always the same bytes.
func (p Policy) Marshal() ([]byte, error) {
	var b bytes.Buffer
	enc := yaml.NewEncoder(&b)
	enc.SetIndent(2)
	err := enc.Encode(file{Schema: schema().String(), Policy: p})
	if cerr := enc.Close(); err == nil {
		err = cerr
	}
	return b.Bytes(), fault.Op("write policy", err)
}

// MarshalYAML implements yaml.Marshaler: one line an operation.
func (o Operation) MarshalYAML() (any, error) {
	type plain Operation
	var n yaml.Node
	err := n.Encode(plain(o))
	n.Style = yaml.FlowStyle
	return &n, err
}

// MarshalText implements encoding.TextMarshaler.
func (r Rate) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (r *Rate) UnmarshalText(text []byte) (err error) {
	*r, err = ParseRate(string(text))
	return err
}
