package config_test

import (
	"testing"

	"github.com/platctl/platctl/internal/base/config"
)

// Production confirms addresses without being told, nowhere else does; what is set holds everywhere.
func TestVerifiesEmail(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		environment, set string
		want             bool
	}{
		{config.Production, "auto", true}, {"development", "auto", false}, {"staging", "auto", false},
		{config.Production, "off", false}, {"development", "on", true},
	} {
		cfg := config.Config{Environment: c.environment, Auth: config.Auth{EmailVerification: c.set}}
		if got := cfg.VerifiesEmail(); got != c.want {
			t.Errorf("%s in %s: %t", c.set, c.environment, got)
		}
	}
}
