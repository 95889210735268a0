package market

import (
	"fmt"
	"slices"

	"github.com/platctl/platctl/internal/base/fault"
)

// Status is where an order stands.
type Status string

// The statuses.
const (
	Placed    Status = "placed"
	Confirmed Status = "confirmed"
	Ready     Status = "ready"
	Completed Status = "completed"
	Cancelled Status = "cancelled"
)

// Side is who moves an order.
type Side string

// The sides. The system moves an order when its payment is declined, or resolved after a crash.
const (
	Buyer  Side = "buyer"
	Seller Side = "farm"
	System Side = "system"
)

// step is a way from one status to another.
type step struct {
	from, to Status
	by       []Side
}

// steps lists every step that is legal. docs/market.md draws them.
func steps() []step {
	return []step{
		{Placed, Confirmed, []Side{Seller}},
		{Confirmed, Ready, []Side{Seller}},
		{Ready, Completed, []Side{Seller, System}},
		{Placed, Cancelled, []Side{Buyer, Seller, System}},
		{Confirmed, Cancelled, []Side{Seller}},
	}
}

// mayMove says why a side can't take an order from one status to another: never, or not from there.
func mayMove(from, to Status, by Side) error {
	ever := false
	for _, s := range steps() {
		if s.to != to || !slices.Contains(s.by, by) {
			continue
		}
		if s.from == from {
			return nil
		}
		ever = true
	}
	if !ever {
		return fault.New(fault.Forbidden, "only the farm may do this").WithCode("farm_only")
	}
	return illegal(from, to)
}

func illegal(from, to Status) error {
	return fault.New(fault.Conflict, "the order is %s; from there it can't become %s", from, to).WithCode("illegal_transition").
		WithFields(fault.Field{Field: "status", Code: string(from), Message: fmt.Sprintf("the order is %s", from)})
}
