package httpapi

import (
	"context"

	"github.com/platctl/platctl/internal/api/openapi/oas"
)

// Check is one thing that readiness looks at. Its status is the spec's.
type Check struct {
	Name   string
	Status oas.CheckStatus
	Detail string
}

// Failing says whether the server is not ready because of c.
func (c Check) Failing() bool { return c.Status == oas.CheckStatusFailing }

// System tells how the process is; the server implements it.
type System interface {
	Version() string
	// Ready returns whether traffic may come, the role and every check.
	Ready(ctx context.Context) (ready, active bool, checks []Check)
}

// systemAPI is the operations of the tag "system".
type systemAPI struct{ system System }

// GetHealth implements operation getHealth. It does no I/O.
func (a systemAPI) GetHealth(context.Context) (*oas.HealthResponse, error) {
	return &oas.HealthResponse{Success: oas.SuccessTrue, Data: oas.Health{Status: oas.HealthStatusOk, Version: a.system.Version()}}, nil
}

// GetReady implements operation getReady.
func (a systemAPI) GetReady(ctx context.Context) (oas.GetReadyRes, error) {
	ready, active, checks := a.system.Ready(ctx)
	data := oas.Readiness{Ready: ready, Role: oas.ReadinessRoleStandby, Checks: make([]oas.Check, len(checks))}
	if active {
		data.Role = oas.ReadinessRoleActive
	}
	for i, c := range checks {
		data.Checks[i] = oas.Check{Name: c.Name, Status: c.Status}
		if c.Detail != "" {
			data.Checks[i].Detail.SetTo(c.Detail)
		}
	}
	if !ready {
		return &oas.NotReadyResponse{Success: oas.NotReadyResponseSuccessFalse, Data: data}, nil
	}
	return &oas.ReadyResponse{Success: oas.SuccessTrue, Data: data}, nil
}
