package ratelimit

import (
	"maps"
	"strings"
	"unicode"

	"gopkg.in/yaml.v3"

	"github.com/platctl/platctl/internal/base/fault"
	"github.com/platctl/platctl/internal/base/limits"
)

// document is what an OpenAPI document says about limits.
type document struct {
	Limits struct {
		Reads   string
		Writes  string
		Classes map[string]limits.Class
		Beside  map[string]limits.Operation // what a server answers besides the operations of the document
	} `yaml:"x-ratelimit"`
	Paths map[string]map[string]yaml.Node
}

// declared is x-ratelimit of one operation: the name of a class, or a class with the cost of a request, or limits of its own.
type declared struct {
	Class string
	Cost  int64
	Own   limits.Class `yaml:",inline"`
}

// Declared returns the policy that an OpenAPI document declares, in shadow. It names every operation.
func Declared(spec []byte) (limits.Policy, error) {
	var doc document
	if err := yaml.Unmarshal(spec, &doc); err != nil {
		return limits.Policy{}, fault.Wrap(err, fault.Invalid, "the spec can't be read")
	}
	p := limits.Policy{
		Mode: limits.Shadow, Percent: 100, Reads: doc.Limits.Reads, Writes: doc.Limits.Writes,
		Classes: doc.Limits.Classes, Operations: map[string]limits.Operation{},
	}
	maps.Copy(p.Operations, doc.Limits.Beside)
	for _, item := range doc.Paths {
		for method, node := range item {
			if err := declare(p, method, node); err != nil {
				return limits.Policy{}, err
			}
		}
	}
	return p, p.Validate()
}

func declare(p limits.Policy, method string, node yaml.Node) error {
	var op struct {
		ID    string    `yaml:"operationId"`
		Limit yaml.Node `yaml:"x-ratelimit"`
	}
	if node.Kind != yaml.MappingNode || node.Decode(&op) != nil || op.ID == "" {
		return nil // parameters of a path, a summary: no operation
	}
	var d declared
	switch op.Limit.Kind {
	case 0:
		d.Class = p.Writes
		if strings.EqualFold(method, "get") {
			d.Class = p.Reads
		}
	case yaml.ScalarNode:
		d.Class = op.Limit.Value
	default:
		if err := op.Limit.Decode(&d); err != nil {
			return fault.Wrap(err, fault.Invalid, "x-ratelimit of %s can't be read", op.ID)
		}
		if d.Class == "" {
			d.Class = ownClass(op.ID)
			p.Classes[d.Class] = d.Own
		}
	}
	p.Operations[op.ID] = limits.Operation{Class: d.Class, Cost: d.Cost}
	return nil
}

// ownClass names the class of an operation that has limits of its own: placeOrder is place-order.
func ownClass(operation string) string {
	var b strings.Builder
	for _, r := range operation {
		if unicode.IsUpper(r) {
			b.WriteByte('-')
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}
