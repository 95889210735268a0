package server_test

import (
	"encoding/json"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/platctl/platctl/internal/api/apitest"
	"github.com/platctl/platctl/internal/api/mail"
	"github.com/platctl/platctl/internal/api/mail/mailtest"
	"github.com/platctl/platctl/internal/api/server"
)

// mailThrough sends the server's mail to a mail server.
func mailThrough(t *testing.T, addr string) apitest.Option {
	t.Helper()
	s, err := mail.ParseServer("smtp://" + addr)
	if err != nil {
		t.Fatal(err)
	}
	from, err := mail.ParseFrom("Market <noreply@example.org>")
	if err != nil {
		t.Fatal(err)
	}
	return func(o *server.Options) {
		guarded := mail.Guard(mail.NewSMTP(s, from), o.Log)
		o.Mail.Sender, o.Outside = guarded, append(o.Outside, guarded.Breaker)
	}
}

// delivered waits for the next message that a mail server takes.
func delivered(t *testing.T, s *mailtest.Server) apitest.Letter {
	t.Helper()
	select {
	case m := <-s.Received:
		l, err := apitest.ReadLetter(strings.NewReader(m.Data))
		if err != nil || l.To != m.To {
			t.Fatalf("%+v, %v", m, err)
		}
		return l
	case <-time.After(patience):
		t.Fatal("no mail was delivered")
		return apitest.Letter{}
	}
}

// A mail server that is away changes no answer: the signup is taken, and its mail leaves when the server is back.
func TestMailServerAway(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	_ = l.Close()
	env := apitest.New(t, apitest.Mailing(t, true), mailThrough(t, addr))
	const email = "ana@example.org"
	if err := apply(t, env, "ana", email); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the first attempt", func() bool { return metric(t, env, `mail_sent_total{kind="signup_code",result="failed"}`) != "" })
	s := mailtest.On(t, addr, mailtest.Options{})
	if _, err := confirmSignup(t, env, email, delivered(t, s).Code()); err != nil {
		t.Error(err)
	}
	noLeaks(t, env, email)
}

// eventually waits for what must become true.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for end := time.After(patience); !is(); {
		select {
		case <-tick.C:
		case <-end:
			t.Fatalf("%s did not come", what)
		}
	}
}

// Greylisting, and a server that takes a message and hangs up before it says so: the mail is tried again, and whichever copy
// the person reads has a good code.
func TestMailIsTriedAgain(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ line, answer, result string }{
		"greylisting":        {"RCPT TO:<ana@example.org>", "451 4.7.1 Greylisted, come back later", "deferred"},
		"taken and not said": {".", mailtest.TakeAndHangUp, "failed"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var over atomic.Bool // the quirk shows once
			s := mailtest.New(t, mailtest.Options{Quirk: func(line string) string {
				if line == c.line && !over.Swap(true) {
					return c.answer
				}
				return ""
			}})
			env := apitest.New(t, apitest.Mailing(t, true), mailThrough(t, s.Addr))
			if err := apply(t, env, "ana", "ana@example.org"); err != nil {
				t.Fatal(err)
			}
			code := delivered(t, s).Code()
			if c.answer == mailtest.TakeAndHangUp {
				if second := delivered(t, s).Code(); second == code || second == "" {
					t.Errorf("the second copy has the code %q", second)
				}
			}
			var codes int
			if err := env.Pool.QueryRow(t.Context(), "select count(*) from confirmation_codes").Scan(&codes); err != nil || codes != 2 {
				t.Errorf("%d codes, %v; want one a try", codes, err)
			}
			if _, err := confirmSignup(t, env, "ana@example.org", code); err != nil {
				t.Error(err)
			}
			if m := metric(t, env, `mail_sent_total{kind="signup_code",result="`+c.result+`"}`); m != "1" {
				t.Errorf("%q counted as %s", m, c.result)
			}
		})
	}
}

// A mailbox that doesn't exist ends the job at once, and its address stands in no log and no stored error.
func TestMailIsRejected(t *testing.T) {
	t.Parallel()
	s := mailtest.New(t, mailtest.Options{Quirk: func(line string) string {
		if strings.HasPrefix(line, "RCPT") {
			return "550 5.1.1 <nobody_at_all@example.org>: no such user nobody_at_all"
		}
		return ""
	}})
	env := apitest.New(t, apitest.Mailing(t, true), mailThrough(t, s.Addr))
	if err := apply(t, env, "ana", "nobody_at_all@example.org"); err != nil {
		t.Fatal(err)
	}
	env.Quiet(t)
	var state, said string
	err := env.Pool.QueryRow(t.Context(), `select state::text || ' after ' || attempt, errors[1]->>'error' from river_job
		where kind = 'confirmation_mail'`).Scan(&state, &said)
	if err != nil || state != "cancelled after 1" || !strings.Contains(said, "550 5.1.1") {
		t.Errorf("%s: %s, %v", state, said, err)
	}
	noLeaks(t, env, "nobody_at_all")
}

// noLeaks checks that what somebody typed stands in no log line and in no job.
func noLeaks(t *testing.T, env *apitest.Env, secrets ...string) {
	t.Helper()
	var jobs string
	err := env.Pool.QueryRow(t.Context(), "select coalesce(string_agg(j::text, ' '), '') from river_job j").Scan(&jobs)
	if err != nil || jobs == "" {
		t.Fatal(err)
	}
	for _, secret := range append(secrets, password) {
		for where, text := range map[string]string{"the log": string(env.Log()), "the jobs": jobs} {
			if strings.Contains(strings.ToLower(text), strings.ToLower(secret)) {
				t.Errorf("%s tells %q", where, secret)
			}
		}
	}
}

// While the mail server fails, it is left alone; the server stays ready and says that mail is not.
func TestReadyWithoutMail(t *testing.T) {
	t.Parallel()
	var calls atomic.Int32
	s := mailtest.New(t, mailtest.Options{Quirk: func(line string) string {
		if line == "" {
			calls.Add(1)
			return "421 4.3.2 overloaded"
		}
		return ""
	}})
	env := apitest.New(t, apitest.Mailing(t, true), mailThrough(t, s.Addr))
	for _, name := range []string{"ana", "ben", "cem", "dan", "eva", "fay"} {
		if err := apply(t, env, name, name+"@example.org"); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "the breaker's opening", func() bool { return metric(t, env, `circuit_breaker_state{service="mail"}`) == "2" })
	code, body := get(t, env, "/api/ready")
	var res struct {
		Data struct {
			Ready  bool
			Checks []struct {
				Name, Status, Detail string
			}
		}
	}
	if err := json.Unmarshal([]byte(body), &res); err != nil || code != 200 || !res.Data.Ready {
		t.Errorf("%d %s, %v", code, body, err)
	}
	found := false
	for _, c := range res.Data.Checks {
		found = found || c.Name == "mail" && c.Status == "degraded" && strings.Contains(c.Detail, "mail is failing")
	}
	if n := calls.Load(); !found || n < 5 || n > 6 { // two jobs run at once: another call may be under way when the fifth fails
		t.Errorf("after %d calls: %s", n, body)
	}
}
