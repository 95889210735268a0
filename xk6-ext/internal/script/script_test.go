package script

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func TestParametersAreCheckedByName(t *testing.T) {
	for env, want := range map[string]string{
		"RATE=0": "RATE", "RATE=x": "RATE", "DURATION=1ms": "DURATION", "DURATION=fast": "DURATION", "WARMUP=-1s": "WARMUP",
		"WARMUP=10ms": "WARMUP", "USERS=0": "USERS", "SEED=-1": "SEED", "SEED=99999999999999999999": "SEED",
		"BASE_URL=ftp://x": "BASE_URL", "BASE_URL=http://x?y=1": "BASE_URL", "VUS=0": "VUS", "TIMEOUT=0s": "TIMEOUT",
	} {
		k, v, _ := strings.Cut(env, "=")
		if _, err := ParseParameters(map[string]string{k: v}); err == nil || !strings.HasPrefix(err.Error(), want+":") {
			t.Errorf("%s: %v", env, err)
		}
	}
	p, err := ParseParameters(map[string]string{"BASE_URL": "http://[::1]:80/", "WARMUP": "0", "RATE": "1000"})
	if err != nil || p.BaseURL != "http://[::1]:80" || p.Warmup != 0 || p.VUs != 610 || p.Duration != 30*time.Second {
		t.Errorf("%+v %v", p, err)
	}
}

func TestPlanMeasuresAfterTheWarmupHasSettled(t *testing.T) {
	p, err := ParseParameters(map[string]string{"WARMUP": "3s", "DURATION": "10s", "TIMEOUT": "2s"})
	if err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(p.Options())
	if err != nil {
		t.Fatal(err)
	}
	var o struct {
		MaxRedirects *int `json:"maxRedirects"`
		Scenarios    map[string]struct {
			Executor, StartTime, Duration, GracefulStop string
			Tags                                        map[string]string
		}
	}
	if err := json.Unmarshal(b, &o); err != nil {
		t.Fatal(err)
	}
	w, m := o.Scenarios["warmup"], o.Scenarios["measure"]
	if w.Duration != "3s" || w.GracefulStop != "1s" || m.StartTime != "4s" || m.Duration != "10s" || m.GracefulStop != "7s" {
		t.Errorf("%s", b)
	}
	if w.Tags["phase"] != "warmup" || m.Tags["phase"] != "measure" || m.Executor != "constant-arrival-rate" || *o.MaxRedirects != 0 {
		t.Errorf("%s", b)
	}
	p.Warmup = 0
	if b, _ := json.Marshal(p.Options()); strings.Contains(string(b), "warmup") {
		t.Errorf("a warm-up without warm-up: %s", b)
	}
}

// These values are part of every stored baseline: another text is another load.
func TestDataNeverChanges(t *testing.T) {
	const want = "organic saturday spinach eggs beans market lettuce cheese cream pears leeks turnips cheese jam " +
		"saturday radish milk bread harvest beans peaches early basket harvest potatoes radish squash"
	if got := Text(1, 2); got != want {
		t.Errorf("text %q", got)
	}
	if got := password(1, 2); got != "Load-2yb4o1jv7ic5i-933651kmpkycw4" {
		t.Errorf("password %q", got)
	}
	seen := map[string]bool{}
	for i := range int64(2000) {
		text := Text(7, i)
		if n := len(strings.Fields(text)); n < 12 || n > 31 || len(text) > 400 {
			t.Fatalf("%d words, %d bytes", n, len(text))
		}
		seen[text], seen[Handle(7, i)] = true, true
	}
	if len(seen) != 4000 {
		t.Errorf("%d different texts and handles of 4000", len(seen))
	}
}

func TestSetupSaysWhatTheTargetAnswered(t *testing.T) {
	for name, c := range map[string]struct {
		answer http.HandlerFunc
		want   string
	}{
		"closed":        {func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "signups are closed", 503) }, "signups are closed"},
		"not an API":    {func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("<html>")) }, "no JSON"},
		"no token":      {func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte(`{"data":{"user":{"id":"1"}}}`)) }, "no access token"},
		"redirect":      {func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "http://192.0.2.1/", 302) }, "answered 302"},
		"wrong account": {takenByOther, "another SEED"},
	} {
		s := httptest.NewServer(c.answer)
		_, err := NewTarget(s.URL, http.DefaultTransport).Populate(context.Background(), Parameters{Users: 2, Seed: 1})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
		s.Close()
	}
}

func takenByOther(w http.ResponseWriter, r *http.Request) {
	if strings.HasSuffix(r.URL.Path, "signup") {
		w.WriteHeader(http.StatusConflict)
		return
	}
	w.WriteHeader(http.StatusUnauthorized)
}

func FuzzParameters(f *testing.F) {
	f.Add("http://127.0.0.1:8080", "50", "30s", "5s")
	f.Add("http://", "1e9", "9223372036854775807ns", "-0s")
	f.Fuzz(func(t *testing.T, url, rate, duration, warmup string) {
		p, err := ParseParameters(map[string]string{"BASE_URL": url, "RATE": rate, "DURATION": duration, "WARMUP": warmup})
		if err == nil && (p.Rate < 1 || p.VUs < 1 || p.Duration < time.Second || p.Warmup < 0) {
			t.Errorf("accepted %+v", p)
		}
	})
}
