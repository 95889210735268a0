// Package role is the active/standby signal: how a deploy tells a running release whether it is the one in charge.
//
// A release that is active runs its background work; one in standby answers requests (the edge may fall back to it) but
// pauses its job workers. The release mounts Handler on the unix socket given by --control-socket; a deploy calls Send.
//
// Invariants: the token of a signal is the fencing token of the deploy lock and never goes back, so a deploy that lost
// its lock can't change a role any more; a signal with the token seen last is accepted again, so sending is idempotent.
package role

import (
	"encoding/json"
	"time"

	"github.com/platctl/platctl/internal/base/fault"
	"github.com/platctl/platctl/internal/base/format"
)

// Role is what a release is at the moment.
type Role string

// The roles.
const (
	Active  Role = "active"
	Standby Role = "standby"
)

// Document is one signal, schema platctl.role/v1.
type Document struct {
	Schema  string    `json:"schema"`
	Role    Role      `json:"role"`
	Token   uint64    `json:"token"`   // fencing token of the deploy lock
	Release string    `json:"release"` // the release this is meant for, for example 12-1.4.0
	At      time.Time `json:"at"`
}

// Schema is the format's name and version.
func Schema() format.Schema { return format.Schema{Name: "platctl.role", Version: 1} }

// Marshal returns the bytes of d.
func (d Document) Marshal() ([]byte, error) {
	d.Schema = Schema().String()
	d.At = d.At.UTC()
	b, err := json.Marshal(d)
	return b, fault.Op("write role", err)
}

// Parse reads a signal.
func Parse(data []byte) (Document, error) {
	var d Document
	if err := Schema().Decode(data, &d); err != nil {
		return Document{}, fault.Op("read role", err)
	}
	if d.Role != Active && d.Role != Standby {
		return Document{}, fault.New(fault.Invalid, "role %.40q is not active or standby", string(d.Role))
	}
	return d, nil
}
