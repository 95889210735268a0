package server_test

import (
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/platctl/platctl/internal/api/account"
	"github.com/platctl/platctl/internal/api/apitest"
	"github.com/platctl/platctl/internal/api/server"
)

// post returns status, headers and body of an answer, without what differs between any two answers. what stands for the
// name that was asked about.
func post(t testing.TB, env *apitest.Env, path, body, what string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, env.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := env.HTTP.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	data, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	fmt.Fprintln(&out, res.StatusCode)
	for _, name := range slices.Sorted(maps.Keys(res.Header)) {
		if name != "Date" {
			fmt.Fprintln(&out, name, res.Header[name])
		}
	}
	out.Write(data)
	return strings.ReplaceAll(traceID.ReplaceAllString(out.String(), "<trace>"), what, "<who>")
}

// Nobody without a code learns whether an address has an account: known or not, banned, deleted, waiting for its code, over the
// limits, the answer is the same to the byte. The names have the same length, or Content-Length would differ by rights.
func TestAddressesAreNotRevealed(t *testing.T) {
	t.Parallel()
	env := apitest.New(t, apitest.Mailing(t, true))
	for _, who := range []string{"known", "limit", "outed"} {
		join(t, env, who)
	}
	_, gone := join(t, env, "begon")
	if _, err := deleteMe(t, gone, password); err != nil {
		t.Fatal(err)
	}
	if b := setBanned(t, env, "outed", true); !b.Changed {
		t.Fatal("not banned")
	}
	if err := apply(t, env, "waits", "waits@example.org"); err != nil {
		t.Fatal(err)
	}
	for range 4 {
		forgot(t, env, "limit@example.org")
	}
	const code = `"code":"7KQ2-M4XD-9RTB"`
	for path, body := range map[string]string{
		"/api/v1/auth/signup": `{"handle":"new_%[1]s","email":"%[1]s@example.org","password":"correct horse","displayName":"New"}`,
		"/api/v1/auth/forgot": `{"email":"%[1]s@example.org"}`,
		"/api/v1/auth/verify": `{"email":"%[1]s@example.org",` + code + `}`,
		"/api/v1/auth/reset":  `{"email":"%[1]s@example.org","newPassword":"second horse",` + code + `}`,
		"/api/v1/auth/login":  `{"handle":"%[1]s","password":"wrong horse"}`,
	} {
		want := post(t, env, path, fmt.Sprintf(body, "never"), "never")
		for _, who := range []string{"known", "limit", "outed", "begon", "waits"} {
			if got := post(t, env, path, fmt.Sprintf(body, who), who); got != want {
				t.Errorf("%s tells about %s:\n%s\nof nobody it says:\n%s", path, who, got, want)
			}
		}
	}
}

// Known and unknown take the same time: 300 tries of each in turns, with the mails of the known ones being written meanwhile.
func BenchmarkEnumeration(b *testing.B) {
	hasher := account.NewHasher(1, 32, 20*time.Second) // at its real cost: it is what most of the time goes into
	b.Cleanup(hasher.Close)
	env := apitest.New(b, apitest.Mailing(b, true), func(o *server.Options) { o.Hasher = hasher })
	env.HTTP = &http.Client{} // the validation of answers costs more than the difference that is looked for
	s := `{"handle":"known","email":"known@example.org","password":"correct horse","displayName":"Known"}`
	post(b, env, "/api/v1/auth/signup", s, "")
	code := env.Outbox.Next(b, "known@example.org").Code()
	post(b, env, "/api/v1/auth/verify", `{"email":"known@example.org","code":"`+code+`"}`, "")
	const tries = 300
	for name, c := range map[string]struct{ path, body string }{
		"forgot": {"/api/v1/auth/forgot", `{"email":"%s@example.org"}`},
		"login":  {"/api/v1/auth/login", `{"handle":"%s","password":"wrong horse"}`},
		"signup": {"/api/v1/auth/signup", `{"handle":"somebody","email":"%s@example.org","password":"correct horse","displayName":"New"}`},
		"reset":  {"/api/v1/auth/reset", `{"email":"%s@example.org","code":"7KQ2-M4XD-9RTB","newPassword":"second horse"}`},
	} {
		b.Run(name, func(b *testing.B) {
			var took [2][]time.Duration
			for b.Loop() {
				for i := range 2 * tries {
					k := (i + i/2) % 2 // ABBA: every other hash pays for a collection of garbage
					who := []string{"known", "never"}[k]
					start := time.Now()
					post(b, env, c.path, fmt.Sprintf(c.body, who), who)
					took[k] = append(took[k], time.Since(start))
				}
			}
			p50 := func(d []time.Duration) float64 {
				slices.Sort(d)
				return float64(d[len(d)/2].Microseconds()) / 1000
			}
			known, never := p50(took[0]), p50(took[1])
			b.ReportMetric(known, "ms-known")
			b.ReportMetric(never, "ms-unknown")
			b.ReportMetric(max(known-never, never-known), "ms-delta-p50")
			b.ReportMetric(0, "ns/op")
		})
	}
}
