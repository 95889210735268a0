package ratelimit

import (
	"context"
	"math"

	"github.com/platctl/platctl/internal/api/postgres/db"
	"github.com/platctl/platctl/internal/base/fault"
	"github.com/platctl/platctl/internal/base/limits"
)

// Accounts is what clients owe in all, kept in one place for all servers.
type Accounts interface {
	limits.Lender
	// Debts returns who owes something, 4,096 clients at the most.
	Debts(ctx context.Context) ([]limits.Debt, error)
}

// ledger keeps the accounts in PostgreSQL.
type ledger struct{ line *line }

// Lend implements Accounts: one statement, whatever the number of asks.
func (l ledger) Lend(ctx context.Context, asks []limits.Ask) ([]limits.Loan, error) {
	p := db.LendUnitsParams{
		Buckets: make([]string, len(asks)), Clients: make([][]byte, len(asks)), PerSecond: make([]float64, len(asks)),
		Bursts: make([]int64, len(asks)), Used: make([]int64, len(asks)), Wants: make([]int64, len(asks)),
	}
	for i, a := range asks {
		p.Buckets[i], p.Clients[i], p.Bursts[i], p.Used[i], p.Wants[i] = a.Limit, a.Client[:], a.Terms.Burst, a.Used, a.Want
		p.PerSecond[i] = a.Terms.Rate.PerSecond()
	}
	var rows []db.LendUnitsRow
	err := l.line.do(ctx, func(ctx context.Context, q *db.Queries) (err error) {
		rows, err = q.LendUnits(ctx, p)
		return err
	})
	if err != nil {
		return nil, fault.Op("lend", err)
	}
	got := make(map[limits.Account]limits.Loan, len(rows))
	for _, r := range rows {
		got[account(r.Bucket, r.Client)] = limits.Loan{Granted: r.Granted, Owed: r.Owed}
	}
	out := make([]limits.Loan, len(asks))
	for i, a := range asks {
		loan, ok := got[a.Account]
		if !ok {
			return nil, fault.New(fault.Internal, "no answer for %s", a.Limit)
		}
		out[i] = loan
	}
	return out, nil
}

func account(bucket string, client []byte) limits.Account {
	a := limits.Account{Limit: bucket}
	copy(a.Client[:], client)
	return a
}

// Debts implements Accounts.
func (l ledger) Debts(ctx context.Context) ([]limits.Debt, error) {
	var rows []db.RatelimitDebtsRow
	err := l.line.do(ctx, func(ctx context.Context, q *db.Queries) (err error) {
		rows, err = q.RatelimitDebts(ctx)
		return err
	})
	if err != nil {
		return nil, fault.Op("read debts", err)
	}
	out := make([]limits.Debt, len(rows))
	for i, r := range rows {
		out[i] = limits.Debt{Account: account(r.Bucket, r.Client), Owed: math.Max(r.Owed, 0)}
	}
	return out, nil
}
