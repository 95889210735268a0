package server

import (
	"context"
	"time"

	"github.com/platctl/platctl/internal/api/jobs"
)

// settlePayments takes up what a crash left open between an order and its payment.
type settlePayments struct{}

// Kind implements jobs.Args.
func (settlePayments) Kind() string { return "settle_payments" }

// forgetKeys deletes idempotency keys whose day is over.
type forgetKeys struct{}

// Kind implements jobs.Args.
func (forgetKeys) Kind() string { return "forget_idempotency_keys" }

// periodic adds the jobs that keep the market tidy. Each runs on one of all servers.
func (s *Server) periodic() {
	jobs.Handle(s.jobs, func(ctx context.Context, _ settlePayments) error {
		_, err := s.market.SettleStale(ctx)
		return err
	})
	jobs.Handle(s.jobs, func(ctx context.Context, _ forgetKeys) error {
		_, err := s.keys.Forget(ctx)
		return err
	})
	s.jobs.Every(time.Minute, settlePayments{})
	s.jobs.Every(time.Hour, forgetKeys{})
}
