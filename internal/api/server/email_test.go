package server_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/platctl/platctl/internal/api/apitest"
	"github.com/platctl/platctl/internal/api/openapi/client"
	"github.com/platctl/platctl/internal/api/server"
	"github.com/platctl/platctl/internal/base/pg/pgtest"
)

// apply signs up where addresses are confirmed first.
func apply(t *testing.T, env *apitest.Env, handle, email string) error {
	t.Helper()
	res, err := env.Client("").Signup(t.Context(), &client.SignupRequest{
		Handle: client.Handle(handle), DisplayName: handle, Password: password, Email: client.NewOptEmailAddress(client.EmailAddress(email)),
	})
	if err != nil {
		return err
	}
	if m, ok := res.(*client.MailedResponse); !ok || m.Data.CodeExpiresIn != 86400 {
		t.Errorf("signup = %+v, want 202", res)
	}
	return nil
}

func confirmSignup(t *testing.T, env *apitest.Env, email, code string) (client.Session, error) {
	t.Helper()
	res, err := env.Client("").VerifySignup(t.Context(), &client.VerifySignupRequest{Email: client.EmailAddress(email), Code: client.Code(code)})
	if err != nil {
		return client.Session{}, err
	}
	return res.Data, nil
}

// join signs up and confirms the address handle@example.org.
func join(t *testing.T, env *apitest.Env, handle string) (client.Session, *client.Client) {
	t.Helper()
	email := handle + "@example.org"
	if err := apply(t, env, handle, email); err != nil {
		t.Fatal(err)
	}
	s, err := confirmSignup(t, env, email, env.Outbox.Next(t, email).Code())
	if err != nil {
		t.Fatal(err)
	}
	return s, env.Client(s.AccessToken)
}

func forgot(t *testing.T, env *apitest.Env, email string) {
	t.Helper()
	res, err := env.Client("").ForgotPassword(t.Context(), &client.ForgotPasswordRequest{Email: client.EmailAddress(email)})
	if err != nil || res.Data.CodeExpiresIn != 3600 {
		t.Fatalf("forgot = %+v, %v", res, err)
	}
}

func reset(t *testing.T, env *apitest.Env, email, code, next string) (int64, error) {
	t.Helper()
	res, err := env.Client("").ResetPassword(t.Context(), &client.ResetPasswordRequest{
		Email: client.EmailAddress(email), Code: client.Code(code), NewPassword: next})
	if err != nil {
		return 0, err
	}
	return res.Data.SessionsEnded, nil
}

func tryLogin(t *testing.T, env *apitest.Env, handle, password string) error {
	t.Helper()
	_, err := env.Client("").Login(t.Context(), &client.LoginRequest{Handle: handle, Password: password})
	return err
}

// wantEmail checks what an account sees as its own address.
func wantEmail(t *testing.T, c *client.Client, want string) {
	t.Helper()
	e, err := c.GetEmail(t.Context())
	if err != nil || e.Data.Email.Value != want || e.Data.Email.Null != (want == "") || e.Data.VerifiedAt.Null != (want == "") {
		t.Errorf("address %+v, %v; want %q", e, err, want)
	}
}

// Signing up where addresses are confirmed: a mail, a code, an account. Before the code comes back there is nothing.
func TestVerifiedSignup(t *testing.T) {
	t.Parallel()
	env := apitest.New(t, apitest.Mailing(t, true))
	if err := apply(t, env, "ana", " Ana@BÜCHER.example "); err != nil {
		t.Fatal(err)
	}
	const email = "Ana@xn--bcher-kva.example"
	l := env.Outbox.Next(t, email)
	if !strings.Contains(l.Text, "@ana") || l.Subject != "Your code for Market" {
		t.Errorf("%+v", l)
	}
	wantProblem(t, tryLogin(t, env, "ana", password), 401, "bad_credentials")
	_, err := confirmSignup(t, env, email, "0000-0000-0000")
	wantProblem(t, err, 403, "bad_code")
	_, err = confirmSignup(t, env, "ben@example.org", l.Code())
	wantProblem(t, err, 403, "bad_code")
	s, err := confirmSignup(t, env, "ana@bücher.example", strings.ToLower(strings.ReplaceAll(l.Code(), "-", " ")))
	if err != nil || s.User.Handle != "ana" {
		t.Fatalf("%+v, %v", s, err)
	}
	alive(t, env, "the session of the confirmation", s)
	wantEmail(t, env.Client(s.AccessToken), email)
	if err := tryLogin(t, env, "ana", password); err != nil {
		t.Error(err)
	}
	_, err = confirmSignup(t, env, email, l.Code())
	wantProblem(t, err, 403, "bad_code")
	var kept int
	if err := env.Pool.QueryRow(t.Context(), "select count(*) from confirmations where password_hash is not null").Scan(&kept); err != nil || kept != 0 {
		t.Errorf("%d hashes of passwords are kept, %v", kept, err)
	}
	wantProblem(t, apply(t, env, "ANA", "else@example.org"), 409, "handle_taken")
	_, err = env.Client("").Signup(t.Context(), &client.SignupRequest{Handle: "ben", DisplayName: "Ben", Password: password})
	wantProblem(t, err, 400, "invalid_input")
	wantProblem(t, apply(t, env, "ben", "ben at example.org"), 400, "invalid_input")
}

// Where addresses are not confirmed first, the account is there at once and its address after the code. Claiming the address
// of somebody else gives nothing and tells nothing; the owner is told.
func TestSignupWithAnAddress(t *testing.T) {
	t.Parallel()
	env := apitest.New(t, apitest.Mailing(t, false))
	open := func(handle, email string) *client.Client {
		res, err := env.Client("").Signup(t.Context(), &client.SignupRequest{Handle: client.Handle(handle), DisplayName: handle, Password: password,
			Email: client.NewOptEmailAddress(client.EmailAddress(email))})
		s, ok := res.(*client.SessionResponse)
		if err != nil || !ok {
			t.Fatalf("%+v, %v", res, err)
		}
		return env.Client(s.Data.AccessToken)
	}
	ana := open("ana", "ana@localhost")
	wantEmail(t, ana, "")
	code := env.Outbox.Next(t, "ana@localhost").Code()
	thief := open("thief", "ANA@localhost")
	_, err := thief.ConfirmEmail(t.Context(), &client.ConfirmEmailRequest{Code: client.Code(code)})
	wantProblem(t, err, 403, "bad_code")
	if e, err := ana.ConfirmEmail(t.Context(), &client.ConfirmEmailRequest{Code: client.Code(code)}); err != nil || e.Data.Email.Value != "ana@localhost" {
		t.Errorf("%+v, %v", e, err)
	}
	wantEmail(t, ana, "ana@localhost")
	env.Quiet(t)
	env.PassTime(t, time.Hour)
	wantEmail(t, open("other", "Ana@localhost"), "")
	for {
		if l := env.Outbox.Next(t, "ana@localhost"); l.Code() == "" {
			if !strings.Contains(l.Text, "@other") || !strings.Contains(l.Text, "@ana") {
				t.Errorf("%+v", l)
			}
			break
		}
	}
}

// Forgotten: a code, a new password, no session left, and a word to the owner.
func TestReset(t *testing.T) {
	t.Parallel()
	env := apitest.New(t, apitest.Mailing(t, true))
	first, _ := join(t, env, "ana")
	second, _ := login(t, env, "ana", password)
	const email = "ana@example.org"
	forgot(t, env, "ANA@example.org")
	l := env.Outbox.Next(t, email)
	if !strings.Contains(l.Text, "@ana") || l.Code() == "" {
		t.Fatalf("%+v", l)
	}
	_, err := reset(t, env, email, "0000-0000-0000", "battery staple")
	wantProblem(t, err, 403, "bad_code")
	_, err = confirmSignup(t, env, email, l.Code())
	wantProblem(t, err, 403, "bad_code") // a code is good for one purpose
	if n, err := reset(t, env, email, l.Code(), "battery staple"); err != nil || n != 2 {
		t.Fatalf("%d sessions ended, %v", n, err)
	}
	dead(t, env, "a session from before the reset", first)
	dead(t, env, "another one", second)
	wantProblem(t, tryLogin(t, env, "ana", password), 401, "bad_credentials")
	login(t, env, "ana", "battery staple")
	_, err = reset(t, env, email, l.Code(), "third horse")
	wantProblem(t, err, 403, "bad_code")
	if l := env.Outbox.Next(t, email); !strings.Contains(l.Subject, "was changed") || l.Code() != "" {
		t.Errorf("%+v", l)
	}
}

// A code that allows a reset is worth nothing after the password or the address was changed in another way.
func TestResetAfterAnotherChange(t *testing.T) {
	t.Parallel()
	env := apitest.New(t, apitest.Mailing(t, true))
	_, ana := join(t, env, "ana")
	forgot(t, env, "ana@example.org")
	code := env.Outbox.Next(t, "ana@example.org").Code()
	if _, err := ana.ChangePassword(t.Context(), &client.ChangePasswordRequest{CurrentPassword: password, NewPassword: "second horse"}); err != nil {
		t.Fatal(err)
	}
	_, err := reset(t, env, "ana@example.org", code, "third horse")
	wantProblem(t, err, 403, "bad_code")

	env.PassTime(t, time.Hour)
	forgot(t, env, "ana@example.org")
	code = env.Outbox.Next(t, "ana@example.org").Code()
	changeEmail(t, env, ana, "annie@example.org", "second horse")
	if l := env.Outbox.Next(t, "ana@example.org"); !strings.Contains(l.Subject, "another address") {
		t.Errorf("the old address was told %+v", l)
	}
	_, err = reset(t, env, "ana@example.org", code, "third horse")
	wantProblem(t, err, 403, "bad_code")
	login(t, env, "ana", "second horse")
}

func changeEmail(t *testing.T, env *apitest.Env, c *client.Client, to, password string) {
	t.Helper()
	if _, err := c.ChangeEmail(t.Context(), &client.ChangeEmailRequest{Email: client.EmailAddress(to), CurrentPassword: password}); err != nil {
		t.Fatal(err)
	}
	code := env.Outbox.Next(t, to).Code()
	if _, err := c.ConfirmEmail(t.Context(), &client.ConfirmEmailRequest{Code: client.Code(code)}); err != nil {
		t.Fatal(err)
	}
	wantEmail(t, c, to)
}

// Another address: only with the password, only with the code, only for the account that asked. From then on it is the one.
func TestChangeEmail(t *testing.T) {
	t.Parallel()
	env := apitest.New(t, apitest.Mailing(t, true))
	_, ana := join(t, env, "ana")
	_, ben := join(t, env, "ben")
	_, err := ana.ChangeEmail(t.Context(), &client.ChangeEmailRequest{Email: "annie@example.org", CurrentPassword: "wrong horse"})
	wantProblem(t, err, 403, "wrong_password")
	if _, err := ana.ChangeEmail(t.Context(), &client.ChangeEmailRequest{Email: "annie@example.org", CurrentPassword: password}); err != nil {
		t.Fatal(err)
	}
	code := client.Code(env.Outbox.Next(t, "annie@example.org").Code())
	wantEmail(t, ana, "ana@example.org")
	_, err = ben.ConfirmEmail(t.Context(), &client.ConfirmEmailRequest{Code: code})
	wantProblem(t, err, 403, "bad_code")
	if _, err := ana.ConfirmEmail(t.Context(), &client.ConfirmEmailRequest{Code: code}); err != nil {
		t.Fatal(err)
	}
	wantEmail(t, ana, "annie@example.org")
	env.Outbox.Next(t, "ana@example.org")
	forgot(t, env, "ana@example.org")
	forgot(t, env, "annie@example.org")
	env.Outbox.Next(t, "annie@example.org")
	env.Quiet(t)
	if l := env.Outbox.Unread(t, "ana@example.org"); len(l) != 0 {
		t.Errorf("the address from before got %+v", l)
	}
	// Somebody else's address: the same answer, a word to them, and nothing for who asked.
	if _, err := ben.ChangeEmail(t.Context(), &client.ChangeEmailRequest{Email: "Annie@example.org", CurrentPassword: password}); err != nil {
		t.Error(err)
	}
	env.Quiet(t)
	env.PassTime(t, time.Hour)
	if _, err := ben.ChangeEmail(t.Context(), &client.ChangeEmailRequest{Email: "Annie@example.org", CurrentPassword: password}); err != nil {
		t.Error(err)
	}
	if l := env.Outbox.Next(t, "annie@example.org"); l.Code() != "" || !strings.Contains(l.Text, "@ben") {
		t.Errorf("%+v", l)
	}
	wantEmail(t, ben, "ben@example.org")
}

// An address gets one mail a minute and three an hour for a purpose, whether it has an account or not.
func TestMailLimits(t *testing.T) {
	t.Parallel()
	env := apitest.New(t, apitest.Mailing(t, true))
	join(t, env, "ana")
	sent := func() int {
		env.Quiet(t)
		n := 0
		for len(env.Outbox.Unread(t, "ana@example.org")) > 0 {
			n++
		}
		return n
	}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() { forgot(t, env, "ana@example.org") })
	}
	wg.Wait()
	if n := sent(); n != 1 {
		t.Errorf("%d mails at once", n)
	}
	total := 1
	for range 5 {
		env.PassTime(t, 2*time.Minute)
		forgot(t, env, "Ana@EXAMPLE.org")
		total += sent()
	}
	if total != 3 {
		t.Errorf("%d mails in an hour", total)
	}
	env.PassTime(t, time.Hour)
	forgot(t, env, "ana@example.org")
	if n := sent(); n != 1 {
		t.Errorf("%d mails after an hour", n)
	}
	if m := metric(t, env, `mail_sent_total{kind="reset_code",result="limited"}`); m != "10" {
		t.Errorf("%s were counted as limited, want 10", m)
	}
}

// Five guesses with a code end it. Guesses at codes that don't exist cost nobody anything.
func TestGuessing(t *testing.T) {
	t.Parallel()
	env := apitest.New(t, apitest.Mailing(t, true))
	const email = "ana@example.org"
	if err := apply(t, env, "ana", email); err != nil {
		t.Fatal(err)
	}
	code := env.Outbox.Next(t, email).Code()
	other := map[byte]string{'0': "1111-1111-1111"}[code[0]]
	if other == "" {
		other = "0000-0000-0000"
	}
	for range 20 {
		_, err := confirmSignup(t, env, email, other)
		wantProblem(t, err, 403, "bad_code")
	}
	near := code[:5] + map[bool]string{true: "1111-1111", false: "0000-0000"}[code[5] == '0']
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			_, err := confirmSignup(t, env, email, near)
			wantProblem(t, err, 403, "bad_code")
		})
	}
	wg.Wait()
	if err := apply(t, env, "ben", "ben@example.org"); err != nil {
		t.Fatal(err)
	}
	bens := env.Outbox.Next(t, "ben@example.org").Code()
	for range 5 {
		_, err := confirmSignup(t, env, "ben@example.org", bens[:5]+near[5:])
		wantProblem(t, err, 403, "bad_code")
	}
	_, err := confirmSignup(t, env, "ben@example.org", bens)
	wantProblem(t, err, 403, "bad_code")
	if _, err := confirmSignup(t, env, email, code); err != nil {
		t.Errorf("the fifth try, with the right code: %v", err)
	}
}

// A code is good for its time.
func TestCodesExpire(t *testing.T) {
	t.Parallel()
	env := apitest.New(t, apitest.Mailing(t, true))
	const email = "ana@example.org"
	if err := apply(t, env, "ana", email); err != nil {
		t.Fatal(err)
	}
	code := env.Outbox.Next(t, email).Code()
	age := func(d time.Duration) {
		if _, err := env.Pool.Exec(t.Context(), "update confirmation_codes set expires_at = expires_at - make_interval(secs => $1)", d.Seconds()); err != nil {
			t.Fatal(err)
		}
	}
	age(24 * time.Hour)
	_, err := confirmSignup(t, env, email, code)
	wantProblem(t, err, 403, "bad_code")
	age(-time.Minute)
	if _, err := confirmSignup(t, env, email, code); err != nil {
		t.Errorf("a minute before its end: %v", err)
	}
}

// Of two who confirm at once, one wins: with one code, with two codes for one handle, with two for one address.
func TestConfirmationsAtOnce(t *testing.T) {
	t.Parallel()
	env := apitest.New(t, apitest.Mailing(t, true))
	both := func(what, loses string, a, b func() error) {
		t.Helper()
		errs := make([]error, 2)
		var wg sync.WaitGroup
		for i, f := range []func() error{a, b} {
			wg.Go(func() { errs[i] = f() })
		}
		wg.Wait()
		if (errs[0] == nil) == (errs[1] == nil) {
			t.Errorf("%s: %v and %v, want one to win", what, errs[0], errs[1])
			return
		}
		for _, err := range errs {
			if err != nil {
				wantProblem(t, err, map[string]int{"bad_code": 403}[loses]+map[bool]int{true: 409}[loses != "bad_code"], loses)
			}
		}
	}
	pending := func(handle, email string) func() error {
		if err := apply(t, env, handle, email); err != nil {
			t.Fatal(err)
		}
		code := env.Outbox.Next(t, email).Code()
		env.PassTime(t, time.Hour)
		return func() error { _, err := confirmSignup(t, env, email, code); return err }
	}
	for i := range 5 {
		n := fmt.Sprint(i)
		one := pending("one"+n, "one"+n+"@example.org")
		both("one code", "bad_code", one, one)
		both("one handle", "handle_taken", pending("same"+n, "a"+n+"@example.org"), pending("same"+n, "b"+n+"@example.org"))
		both("one address", "email_taken", pending("left"+n, "c"+n+"@example.org"), pending("right"+n, "c"+n+"@example.org"))
	}
	env.Outbox.Unread(t, "")
	_, _ = join(t, env, "ana")
	forgot(t, env, "ana@example.org")
	code := env.Outbox.Next(t, "ana@example.org").Code()
	try := func(next string) func() error {
		return func() error { _, err := reset(t, env, "ana@example.org", code, next); return err }
	}
	both("one reset", "bad_code", try("second horse"), try("third horse"))
	if a, b := tryLogin(t, env, "ana", "second horse"), tryLogin(t, env, "ana", "third horse"); (a == nil) == (b == nil) {
		t.Errorf("logging in with the two passwords: %v and %v", a, b)
	}
}

// Who is banned or deleted gets nothing, whatever is asked for with their address; the answers are the usual ones. A deleted
// account's address is free for who proves that it is theirs, and the account can still come back, without it.
func TestBannedAndDeletedGetNoMail(t *testing.T) {
	t.Parallel()
	env := apitest.New(t, apitest.Mailing(t, true))
	join(t, env, "ana")
	_, ben := join(t, env, "ben")
	forgot(t, env, "ana@example.org")
	code := env.Outbox.Next(t, "ana@example.org").Code()
	if b := setBanned(t, env, "ana", true); !b.Changed {
		t.Fatal("not banned")
	}
	if _, err := ben.DeleteMe(t.Context(), &client.DeleteMeRequest{CurrentPassword: password}); err != nil {
		t.Fatal(err)
	}
	_, err := reset(t, env, "ana@example.org", code, "second horse")
	wantProblem(t, err, 403, "bad_code")
	env.PassTime(t, time.Hour)
	forgot(t, env, "ana@example.org")
	forgot(t, env, "ben@example.org")
	if err := apply(t, env, "anew", "ana@example.org"); err != nil {
		t.Error(err)
	}
	env.Quiet(t)
	for _, to := range []string{"ana@example.org", "ben@example.org"} {
		if l := env.Outbox.Unread(t, to); len(l) != 0 {
			t.Errorf("%s got %+v", to, l)
		}
	}
	if err := apply(t, env, "benjamin", "Ben@example.org"); err != nil {
		t.Fatal(err)
	}
	s, err := confirmSignup(t, env, "ben@example.org", env.Outbox.Next(t, "Ben@example.org").Code())
	if err != nil {
		t.Fatal(err)
	}
	wantEmail(t, env.Client(s.AccessToken), "Ben@example.org")
	back, err := env.Client("").RestoreAccount(t.Context(), &client.RestoreRequest{Handle: "ben", Password: password})
	if err != nil {
		t.Fatal(err)
	}
	wantEmail(t, env.Client(back.Data.AccessToken), "")
}

// A job that runs twice mails two codes, of which the first to come back counts; one that runs late mails none.
func TestMailJobRunsTwice(t *testing.T) {
	t.Parallel()
	env := apitest.New(t, apitest.Mailing(t, true))
	const email = "ana@example.org"
	if err := apply(t, env, "ana", email); err != nil {
		t.Fatal(err)
	}
	first := env.Outbox.Next(t, email).Code()
	again := func(n int) {
		t.Helper()
		env.Quiet(t)
		for range n {
			if _, err := env.Pool.Exec(t.Context(), `insert into river_job (kind, args, max_attempts)
				select kind, args, 10 from river_job where kind = 'confirmation_mail' order by id limit 1`); err != nil {
				t.Fatal(err)
			}
			env.Quiet(t)
		}
	}
	again(1)
	second := env.Outbox.Next(t, email).Code()
	again(4)
	var codes int
	if err := env.Pool.QueryRow(t.Context(), "select count(*) from confirmation_codes").Scan(&codes); err != nil || codes != 5 {
		t.Errorf("%d codes are good at once, %v", codes, err)
	}
	_, err := confirmSignup(t, env, email, first)
	wantProblem(t, err, 403, "bad_code") // six mails: the oldest code made room
	if _, err := confirmSignup(t, env, email, second); err != nil {
		t.Errorf("a code that is not the newest: %v", err)
	}
	for len(env.Outbox.Unread(t, email)) > 0 {
	}
	again(1)
	if l := env.Outbox.Unread(t, email); len(l) > 0 {
		t.Errorf("a late job mailed %+v", l)
	}
}

// metric returns the value of a series as the admin listener shows it.
func metric(t testing.TB, env *apitest.Env, series string) string {
	t.Helper()
	for line := range strings.SplitSeq(metrics(t, env), "\n") {
		if value, ok := strings.CutPrefix(line, series+" "); ok {
			return value
		}
	}
	return ""
}

// What can't be confirmed any more is forgotten, and a mail that nobody waits for any more is not sent.
func TestConfirmationsArePurged(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t, apitest.Template(t))
	quiet := apitest.On(t, url, func(o *server.Options) { o.Mail.VerifyAddresses = true }) // works no jobs
	for _, handle := range []string{"old", "late", "new"} {
		if err := apply(t, quiet, handle, handle+"@example.org"); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := quiet.Pool.Exec(t.Context(), `update confirmations set created_at = now() -
		case handle when 'old' then interval '31 hours' when 'late' then interval '7 hours' else interval '0' end`); err != nil {
		t.Fatal(err)
	}
	env := apitest.On(t, url, apitest.Mailing(t, true))
	env.Outbox.Next(t, "new@example.org")
	left := func() (handles string) {
		err := env.Pool.QueryRow(t.Context(), "select string_agg(handle, ' ' order by handle) from confirmations").Scan(&handles)
		if err != nil {
			t.Fatal(err)
		}
		return handles
	}
	eventually(t, "the purge", func() bool { return left() == "late new" })
	env.Quiet(t)
	for _, who := range []string{"old", "late"} {
		if l := env.Outbox.Unread(t, who+"@example.org"); len(l) > 0 {
			t.Errorf("%s got %+v", who, l)
		}
	}
}
