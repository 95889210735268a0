package trace

import (
	"context"
	_ "embed"
	"net/url"
	"strings"

	"github.com/platctl/platctl/internal/base/fault"
	"github.com/platctl/platctl/internal/base/pg"
)

//go:embed sql/in_use.sql
var sqlInUse string

// Copyable returns the name of the database that a URL leads to, if a copy of it may be made beside it. What looks like production is
// refused: a name or host that says so, or sessions of others.
func Copyable(ctx context.Context, raw string) (string, error) {
	u, err := url.Parse(raw)
	if err != nil || u.Scheme != "postgres" && u.Scheme != "postgresql" {
		return "", fault.New(fault.Config, "the database is not given as a URL").WithHint("it looks like postgres://user:password@host:5432/name")
	}
	conn, err := pg.Connect(ctx, raw, "platctl migrate trace")
	if err != nil {
		return "", err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	name := conn.Config().Database
	for _, part := range []string{u.Host, u.Query().Get("host"), name} {
		if strings.Contains(strings.ToLower(part), "prod") {
			return "", fault.New(fault.Refused, "%s looks like production, and no scratch database is made there", part).
				WithHint("without --on-its-server it is made on the private PostgreSQL")
		}
	}
	var replica bool
	var sessions int
	if err := conn.QueryRow(ctx, sqlInUse, name).Scan(&replica, &sessions); err != nil {
		return "", err
	}
	if replica || sessions > 0 {
		return "", fault.New(fault.Refused, "the database %s is in use by %d sessions or a replica, so it may be production: no copy is made", name, sessions).
			WithHint("restore a backup of it, or trace on the private PostgreSQL")
	}
	return name, nil
}
