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

// periodic adds the job that keeps the market tidy. It runs on one of all servers.
func (s *Server) periodic() {
	jobs.Handle(s.jobs, func(ctx context.Context, _ settlePayments) error {
		_, err := s.market.SettleStale(ctx)
		return err
	})
	s.jobs.Every(time.Minute, settlePayments{})
}
