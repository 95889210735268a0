package serve

import (
	"testing"

	"github.com/platctl/platctl/internal/base/clientaddr"
	"github.com/platctl/platctl/internal/base/config"
	"github.com/platctl/platctl/internal/base/limits"
)

// Production enforces without being told; elsewhere nobody is refused. What is set bounds a policy, what is not does not.
func TestLimitsOf(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		environment, mode string
		without, most     limits.Mode
	}{
		{"development", config.AutoMode, limits.Shadow, ""},
		{"rehearsal", config.AutoMode, limits.Shadow, ""},
		{config.Production, config.AutoMode, limits.Enforce, ""},
		{config.Production, "shadow", limits.Shadow, limits.Shadow},
		{"development", "off", limits.Off, limits.Off},
		{"development", "enforce", limits.Enforce, limits.Enforce},
	} {
		cfg := config.Config{Environment: c.environment, RateLimit: config.Limits{Mode: c.mode}}
		cfg.Server.Proxies, cfg.Server.ProxyHeader = "10.0.0.0/8", clientaddr.Forwarded
		got, err := limitsOf(cfg)
		if err != nil || got.Mode != c.without || got.Most != c.most || len(got.Clients.Trusted) != 1 || got.Clients.Header != clientaddr.Forwarded {
			t.Errorf("%+v: %+v, %v", c, got, err)
		}
	}
}
