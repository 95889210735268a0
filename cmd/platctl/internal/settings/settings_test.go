package settings_test

import (
	"encoding/base64"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/pflag"

	"github.com/platctl/platctl/cmd/platctl/internal/settings"
	"github.com/platctl/platctl/internal/base/fault"
)

// folder makes a folder of configuration files.
func folder(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func listenFlag(value string) map[string]*pflag.Flag {
	set := pflag.NewFlagSet("test", pflag.ContinueOnError)
	set.String("listen", "", "")
	if value != "" {
		_ = set.Set("listen", value)
	}
	return map[string]*pflag.Flag{"server.listen": set.Lookup("listen")}
}

func value(t *testing.T, s *settings.Settings, key string) settings.Value {
	t.Helper()
	i := slices.IndexFunc(s.Values, func(v settings.Value) bool { return v.Key == key })
	if i < 0 {
		t.Fatalf("no value of %s", key)
	}
	return s.Values[i]
}

// Each layer beats the one below it, and every value knows where it came from.
func TestPrecedence(t *testing.T) {
	t.Parallel()
	const key = "server.listen"
	base := map[string]string{"platctl.yaml": "environment: staging\nserver:\n  listen: h:1\n"}
	both := map[string]string{"platctl.yaml": base["platctl.yaml"], "configs/staging.yaml": "server:\n  listen: h:2\n"}
	env := []string{"PLATCTL_SERVER_LISTEN=h:3"}
	for name, c := range map[string]struct {
		files            map[string]string
		env              []string
		flag, configFile string
		want, origin     string
	}{
		"default":           {want: "127.0.0.1:8080", origin: "default"},
		"platctl.yaml":      {files: base, want: "h:1", origin: "file platctl.yaml"},
		"environment file":  {files: both, want: "h:2", origin: "file configs/staging.yaml"},
		"environment":       {files: both, env: env, want: "h:3", origin: "env PLATCTL_SERVER_LISTEN"},
		"flag":              {files: both, env: env, flag: "h:4", want: "h:4", origin: "flag --listen"},
		"other environment": {files: both, env: []string{"PLATCTL_ENVIRONMENT=development"}, want: "h:1", origin: "file platctl.yaml"},
		"only --config":     {files: both, configFile: "configs/staging.yaml", want: "h:2", origin: "file configs/staging.yaml"},
		"--config beats PLATCTL_CONFIG": {files: both, configFile: "configs/staging.yaml", env: []string{"PLATCTL_CONFIG=none.yaml"},
			want: "h:2", origin: "file configs/staging.yaml"},
	} {
		dir := folder(t, c.files)
		src := settings.Source{Dir: dir, Env: c.env, Flags: listenFlag(c.flag)}
		if c.configFile != "" {
			src.File = filepath.Join(dir, c.configFile)
		}
		s, err := settings.Load(src)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		got := value(t, s, key)
		origin := strings.Replace(got.Origin, dir+"/", "", 1)
		if got.Value != c.want || s.Config.Server.Listen != c.want || origin != c.origin || s.IsDefault(key) != (origin == "default") {
			t.Errorf("%s: %s from %s, want %s from %s", name, got.Value, origin, c.want, c.origin)
		}
	}
}

// With PLATCTL_CONFIG only that file is read, and it must exist.
func TestConfigFromEnvironment(t *testing.T) {
	t.Parallel()
	dir := folder(t, map[string]string{"platctl.yaml": "log:\n  level: debug\n", "own.yaml": "server:\n  listen: h:9\n"})
	s, err := settings.Load(settings.Source{Dir: dir, Env: []string{"PLATCTL_CONFIG=" + filepath.Join(dir, "own.yaml")}})
	if err != nil || s.Config.Server.Listen != "h:9" || s.Config.Log.Level != "info" || len(s.Files) != 1 {
		t.Errorf("%+v, %v", s, err)
	}
	if _, err := settings.Load(settings.Source{Dir: dir, Env: []string{"PLATCTL_CONFIG=" + dir + "/none.yaml"}}); !errors.Is(err, fault.Config) {
		t.Errorf("a file that does not exist: %v", err)
	}
}

// What can't be right stops with the key, the place and the next step, and never repeats a secret.
func TestRefusals(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		file string
		env  []string
		want []string
	}{
		"misspelt key":       {file: "server:\n  listn: x\n", want: []string{`unknown key "server.listn"`, `nearest is "server.listen"`}},
		"misspelt variable":  {env: []string{"PLATCTL_SERVER_LISTN=x"}, want: []string{"PLATCTL_SERVER_LISTN", "nearest is PLATCTL_SERVER_LISTEN"}},
		"group as a value":   {file: "server: 5\n", want: []string{"server is a group of keys"}},
		"empty group":        {file: "server:\n", want: []string{"server is a group of keys"}},
		"not YAML":           {file: "server: [1\n", want: []string{"platctl.yaml can't be read"}},
		"key twice":          {file: "log:\n  level: info\nlog:\n  level: warn\n", want: []string{"already defined"}},
		"secret in a file":   {file: "auth:\n  signing_key: hunter2\n", want: []string{"auth.signing_key holds a secret"}},
		"password in a file": {file: "database:\n  url: postgres://u:hunter2@h/x\n", want: []string{"database.url holds a secret"}},
		"ssl password in a file": {file: "database:\n  url: postgres://h/x?sslpassword=hunter2\n",
			want: []string{"database.url holds a secret"}},
		"two wrong types": {env: []string{"PLATCTL_DATABASE_MAX_CONNS=hunter2", "PLATCTL_SERVER_DRAIN_DELAY=5"},
			want: []string{"database.max_conns (env PLATCTL_DATABASE_MAX_CONNS)", "server.drain_delay (env PLATCTL_SERVER_DRAIN_DELAY)"}},
		"list for a text": {file: "server:\n  listen: [a]\n", want: []string{"server.listen (file "}},
		"path for a name": {env: []string{"PLATCTL_ENVIRONMENT=../x"}, want: []string{`"../x" is not a name`}},
		"out of range": {env: []string{"PLATCTL_DATABASE_MAX_CONNS=0", "PLATCTL_SERVER_DRAIN_DELAY=-1s", "PLATCTL_SERVER_LISTEN=x"},
			want: []string{"database.max_conns: 0", "server.drain_delay: -1s", `server.listen: "x"`}},
		"lives out of range": {env: []string{"PLATCTL_AUTH_ACCESS_TTL=2562047h", "PLATCTL_AUTH_REFRESH_TTL=1ns", "PLATCTL_AUTH_DELETION_GRACE=-1h"},
			want: []string{"auth.access_ttl: 2562047h0m0s is not between 1s and 24h", "auth.refresh_ttl: 1ns is not", "auth.deletion_grace: -1h0m0s is not"}},
		"sessions shorter than tokens": {env: []string{"PLATCTL_AUTH_REFRESH_TTL=5m"}, want: []string{"5m0s is shorter than auth.access_ttl, 10m0s"}},
		"pictures": {env: []string{"PLATCTL_MEDIA_S3_URL=s3.example.org/b", "PLATCTL_MEDIA_MAX_BYTES=1", "PLATCTL_MEDIA_WORKERS=0", "PLATCTL_MEDIA_ACCOUNT_FILES=0"},
			want: []string{"media.s3_url: it is not https://HOST/PATH", "media.public_url: media.s3_url needs it", "media.max_bytes: 1 is not between", "media.workers: 0 is not", "media.account_files: 0 is not"}},
		"unknown word": {env: []string{"PLATCTL_AUTH_EMAIL_VERIFICATION=yes"}, want: []string{"is not auto, on or off"}},
		"fault in production": {env: []string{"PLATCTL_ENVIRONMENT=production", "PLATCTL_DEBUG_FAULT_STATUS=500"},
			want: []string{"refused in production"}},
	} {
		dir := folder(t, map[string]string{"platctl.yaml": c.file})
		_, err := settings.Load(settings.Source{Dir: dir, Env: c.env})
		if !errors.Is(err, fault.Config) {
			t.Errorf("%s: %v", name, err)
			continue
		}
		for _, want := range c.want {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %q lacks %q", name, err, want)
			}
		}
		if strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %q repeats the value", name, err)
		}
	}
}

// A URL without a password may stand in a file; from the environment a secret may come as it is, and is never shown.
func TestSecretsAreNotShown(t *testing.T) {
	t.Parallel()
	dir := folder(t, map[string]string{"platctl.yaml": "database:\n  url: postgres://u@h/x?sslmode=require&application_name=a\n"})
	if _, err := settings.Load(settings.Source{Dir: dir}); err != nil {
		t.Errorf("a URL without a password: %v", err)
	}
	for _, secret := range []string{"postgres://u:hunter2@h/x", "host=h password=hunter2", "postgres://h/x?password=hunter2&sslpassword=hunter2"} {
		s, err := settings.Load(settings.Source{Dir: dir, Env: []string{"PLATCTL_DATABASE_URL=" + secret, "PLATCTL_AUTH_ID_KEY=hunter2"}})
		if err != nil {
			t.Fatal(err)
		}
		for _, key := range []string{"database.url", "auth.id_key"} {
			if v := value(t, s, key); strings.Contains(v.Value, "hunter2") || v.Value == "" {
				t.Errorf("%s is shown as %q", key, v.Value)
			}
		}
	}
}

// serve and `config check` ask this before anything is started.
func TestServerSecrets(t *testing.T) {
	t.Parallel()
	b64 := func(n int) string { return base64.StdEncoding.EncodeToString(make([]byte, n)) }
	dir := folder(t, map[string]string{"id.key": b64(16) + "\n", "empty": "\n"})
	production := []string{"PLATCTL_ENVIRONMENT=production", "PLATCTL_DATABASE_URL=env:DB", "DB=postgres://h/x",
		"PLATCTL_AUTH_SIGNING_KEY=" + b64(32), "PLATCTL_AUTH_ID_KEY=file:" + filepath.Join(dir, "id.key"),
		"PLATCTL_MAIL_FROM=noreply@example.org", "PLATCTL_MAIL_SMTP_URL=env:SMTP", "SMTP=smtps://mail.example.org"}
	load := func(env ...string) (settings.ServerSecrets, error) {
		s, err := settings.Load(settings.Source{Dir: dir, Env: env})
		if err != nil {
			t.Fatal(err)
		}
		return s.ServerSecrets()
	}
	got, err := load(production...)
	if err != nil || got.DatabaseURL != "postgres://h/x" || got.SigningKeys.Text != b64(32) || len(got.IDKey) != 16 ||
		got.SMTPURL != "smtps://mail.example.org" {
		t.Errorf("%+v, %v", got, err)
	}
	if got, err := load(); err != nil || got.DatabaseURL != "" || !got.SigningKeys.IsZero() || got.IDKey != nil {
		t.Errorf("nothing set: %+v, %v", got, err)
	}
	for want, change := range map[string]string{
		"database.url is not set":       "PLATCTL_DATABASE_URL=",
		"auth.signing_key is not set":   "PLATCTL_AUTH_SIGNING_KEY=",
		"auth.id_key is not set":        "PLATCTL_AUTH_ID_KEY=",
		"auth.signing_key is neither":   "PLATCTL_AUTH_SIGNING_KEY=%%%",
		"none.key) can't be read":       "PLATCTL_AUTH_SIGNING_KEY=file:" + dir + "/none.key",
		"auth.signing_key has 31 bytes": "PLATCTL_AUTH_SIGNING_KEY=" + b64(31),
		"auth.signing_key has 33 bytes": "PLATCTL_AUTH_SIGNING_KEY=" + b64(33),
		"auth.id_key has 15 bytes":      "PLATCTL_AUTH_ID_KEY=" + b64(15),
		"variable NOBODY, which is not": "PLATCTL_DATABASE_URL=env:NOBODY",
		"none.key, which can't be read": "PLATCTL_AUTH_ID_KEY=file:" + dir + "/none.key",
		"variable DB, which is not set": "DB=",
		`"file:" and refers to nothing`: "PLATCTL_AUTH_SIGNING_KEY=file:",
		`"env:" and refers to nothing`:  "PLATCTL_DATABASE_URL=env:",
		"database.url refers to the":    "PLATCTL_DATABASE_URL=file:" + dir + "/empty",
		"empty, which is empty":         "PLATCTL_MAIL_SMTP_URL=file:" + dir + "/empty",
		"mail.smtp_url is not set":      "PLATCTL_MAIL_SMTP_URL=",
		"mail.from is not set":          "PLATCTL_MAIL_FROM=",
		"variable SMTP, which is not":   "SMTP=",
	} {
		if _, err := load(append(slices.Clone(production), change)...); !errors.Is(err, fault.Config) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", change, err, want)
		}
	}
}
