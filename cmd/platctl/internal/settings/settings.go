// Package settings reads the configuration: flag, then environment, then file, then default, keeping the origin of every
// value. It is the only user of viper and of the process environment.
//
// Files, in order of increasing strength: platctl.yaml, configs/<environment>.yaml. With --config FILE only that file
// is read. An unknown key is an error that names its nearest neighbour, because a misspelt key that is silently ignored is
// how a wrong limit reaches production.
package settings

import (
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/go-viper/mapstructure/v2"
	"github.com/spf13/pflag"
	"github.com/spf13/viper"

	"github.com/platctl/platctl/internal/base/config"
	"github.com/platctl/platctl/internal/base/fault"
)

// EnvPrefix starts the name of every environment variable that sets a key: server.listen is PLATCTL_SERVER_LISTEN.
const EnvPrefix = "PLATCTL_"

const originDefault = "default"

// Value is one key with what it is and where that came from.
type Value struct {
	Key    string `json:"key"`
	Value  string `json:"value"`
	Origin string `json:"origin"` // "default", "flag --x", "env X" or "file PATH"
	Doc    string `json:"doc"`
}

// Settings is a configuration with its origins.
type Settings struct {
	Config config.Config
	Values []Value
	Files  []string // the files that were read

	env map[string]string
}

// Source says where to look.
type Source struct {
	Env   []string               // KEY=VALUE lines, as from os.Environ
	Dir   string                 // folder that holds platctl.yaml and configs/
	File  string                 // --config: read only this file
	Flags map[string]*pflag.Flag // key -> flag; only changed flags count
}

// Load reads and validates the configuration.
func Load(src Source) (*Settings, error) {
	s := &Settings{env: environ(src.Env), Files: []string{}}
	fields := config.Fields(s.defaultStateDir())
	v := viper.New()
	for _, f := range fields {
		v.SetDefault(f.Key, f.Default)
	}
	origins := map[string]string{}
	if err := s.readFiles(v, src, fields, origins); err != nil {
		return nil, err
	}
	if err := s.rejectUnknownEnv(fields); err != nil {
		return nil, err
	}
	for _, f := range fields {
		name := EnvName(f.Key)
		if val, ok := s.env[name]; ok {
			v.Set(f.Key, val)
			origins[f.Key] = "env " + name
		}
		if fl := src.Flags[f.Key]; fl != nil && fl.Changed {
			v.Set(f.Key, fl.Value.String())
			origins[f.Key] = "flag --" + fl.Name
		}
	}
	if err := v.Unmarshal(&s.Config, viper.DecodeHook(mapstructure.StringToTimeDurationHookFunc())); err != nil {
		return nil, wrongTypes(err, origins)
	}
	s.Values = values(v, fields, origins)
	return s, s.Config.Validate()
}

// wrongTypes says which values can't be read and where they came from, without repeating them: one may be a secret.
func wrongTypes(err error, origins map[string]string) error {
	var fields []fault.Field
	var text []string
	for _, e := range joined(err) {
		var d *mapstructure.DecodeError
		if !errors.As(e, &d) {
			return fault.Wrap(err, fault.Config, "a value has the wrong type")
		}
		f := fault.Field{Field: d.Name(), Code: "type", Message: d.Unwrap().Error()}
		fields = append(fields, f)
		text = append(text, f.Field+" ("+origins[f.Field]+"): "+f.Message)
	}
	return fault.New(fault.Config, "configuration: %s", strings.Join(text, "; ")).
		WithFields(fields...).WithHint("`platctl config show` lists the keys; durations look like 30s")
}

// joined takes an error of errors.Join apart, however deep it is wrapped.
func joined(err error) []error {
	for e := err; e != nil; e = errors.Unwrap(e) {
		if j, ok := e.(interface{ Unwrap() []error }); ok {
			var out []error
			for _, part := range j.Unwrap() {
				out = append(out, joined(part)...)
			}
			return out
		}
	}
	return []error{err}
}

// EnvName returns the environment variable that sets key.
func EnvName(key string) string {
	return EnvPrefix + strings.ToUpper(strings.ReplaceAll(key, ".", "_"))
}

// IsDefault says whether nobody has set key.
func (s *Settings) IsDefault(key string) bool {
	i := slices.IndexFunc(s.Values, func(v Value) bool { return v.Key == key })
	return i >= 0 && s.Values[i].Origin == originDefault
}

// Secret resolves a secret reference.
func (s *Settings) Secret(key string, ref config.Secret) (string, error) {
	return ref.Resolve(key, s.Lookup)
}

// Lookup reads the environment that the settings were loaded with.
func (s *Settings) Lookup(name string) (string, bool) {
	v, ok := s.env[name]
	return v, ok
}

// Environ returns the environment that the settings were loaded with, for a program that takes platctl's place. keep says
// which variables.
func (s *Settings) Environ(keep func(name string) bool) []string {
	var out []string
	for _, name := range slices.Sorted(maps.Keys(s.env)) {
		if keep(name) {
			out = append(out, name+"="+s.env[name])
		}
	}
	return out
}

func (s *Settings) readFiles(v *viper.Viper, src Source, fields []config.Field, origins map[string]string) error {
	if src.File == "" {
		src.File = s.env[EnvPrefix+"CONFIG"]
	}
	if src.File != "" {
		return s.mergeFile(v, src.File, true, fields, origins)
	}
	if err := s.mergeFile(v, filepath.Join(src.Dir, "platctl.yaml"), false, fields, origins); err != nil {
		return err
	}
	env := v.GetString("environment")
	if e, ok := s.env[EnvName("environment")]; ok {
		env = e
	}
	if fl := src.Flags["environment"]; fl != nil && fl.Changed {
		env = fl.Value.String()
	}
	if strings.ContainsAny(env, "/\\") || strings.Contains(env, "..") {
		return fault.New(fault.Config, "environment %q is not a name", env)
	}
	return s.mergeFile(v, filepath.Join(src.Dir, "configs", env+".yaml"), false, fields, origins)
}

func (s *Settings) mergeFile(v *viper.Viper, path string, must bool, fields []config.Field, origins map[string]string) error {
	one := viper.New()
	one.SetConfigFile(path)
	one.SetConfigType("yaml")
	err := one.ReadInConfig()
	if errors.Is(err, fs.ErrNotExist) && !must {
		return nil
	}
	if errors.Is(err, fs.ErrNotExist) {
		return fault.Wrap(err, fault.Config, "the configuration %s is not there", path).
			WithHint("name a file that is there with --config, or leave it out; `platctl config show` tells where each value comes from")
	}
	if err != nil {
		return fault.Wrap(err, fault.Config, "%s can't be read", path).WithHint("it has to be YAML that you may read")
	}
	for _, key := range one.AllKeys() {
		f := find(fields, key)
		if f == nil && isGroup(fields, key) {
			return fault.New(fault.Config, "%s: %s is a group of keys, not a value", path, key).
				WithHint("write its keys below it, or leave it out; `platctl config show` lists them")
		}
		if f == nil {
			return fault.New(fault.Config, "%s: unknown key %q; the nearest is %q", path, key, nearest(fields, key)).
				WithHint("`platctl config show` lists the keys")
		}
		if f.Secret && !config.Secret(one.GetString(key)).IsReference() && hasPassword(one.GetString(key)) {
			return fault.New(fault.Config, "%s: %s holds a secret; a file may only refer to one", path, key).
				WithHint("write env:NAME or file:PATH")
		}
		v.Set(key, one.Get(key))
		origins[key] = "file " + path
	}
	s.Files = append(s.Files, path)
	return nil
}

// hasPassword lets a database URL without a password stand in a file; every other secret value is one.
func hasPassword(v string) bool {
	if v == "" {
		return false
	}
	red := config.Secret(v).String()
	return red != v
}

func (s *Settings) rejectUnknownEnv(fields []config.Field) error {
	known := map[string]bool{EnvPrefix + "CONFIG": true}
	for _, f := range fields {
		known[EnvName(f.Key)] = true
	}
	var unknown []string
	for name := range s.env {
		if strings.HasPrefix(name, EnvPrefix) && !known[name] && !strings.HasPrefix(name, EnvPrefix+"TEST_") {
			unknown = append(unknown, name)
		}
	}
	if len(unknown) == 0 {
		return nil
	}
	slices.Sort(unknown)
	key := strings.ToLower(strings.ReplaceAll(strings.TrimPrefix(unknown[0], EnvPrefix), "_", "."))
	return fault.New(fault.Config, "environment variable %s sets nothing; the nearest is %s",
		strings.Join(unknown, ", "), EnvName(nearest(fields, key)))
}

func (s *Settings) defaultStateDir() string {
	if os.Geteuid() == 0 {
		return "/var/lib/platctl"
	}
	if d := s.env["XDG_STATE_HOME"]; filepath.IsAbs(d) {
		return filepath.Join(d, "platctl")
	}
	if h := s.env["HOME"]; h != "" {
		return filepath.Join(h, ".local", "state", "platctl")
	}
	return filepath.Join(os.TempDir(), "platctl")
}

func environ(lines []string) map[string]string {
	m := make(map[string]string, len(lines))
	for _, l := range lines {
		if k, v, ok := strings.Cut(l, "="); ok {
			m[k] = v
		}
	}
	return m
}

func values(v *viper.Viper, fields []config.Field, origins map[string]string) []Value {
	out := make([]Value, 0, len(fields))
	for _, f := range fields {
		val, origin := v.GetString(f.Key), origins[f.Key]
		if f.Secret {
			val = config.Secret(val).String()
		}
		if origin == "" {
			origin = originDefault
		}
		out = append(out, Value{Key: f.Key, Value: val, Origin: origin, Doc: f.Doc})
	}
	return out
}

func find(fields []config.Field, key string) *config.Field {
	for i := range fields {
		if fields[i].Key == key {
			return &fields[i]
		}
	}
	return nil
}

func isGroup(fields []config.Field, key string) bool {
	return slices.ContainsFunc(fields, func(f config.Field) bool { return strings.HasPrefix(f.Key, key+".") })
}

// nearest returns the key with the smallest edit distance.
func nearest(fields []config.Field, key string) string {
	best, bestD := "", 1<<30
	for _, f := range fields {
		if d := distance(f.Key, key); d < bestD {
			best, bestD = f.Key, d
		}
	}
	return best
}

func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		prev := row[0]
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			prev, row[j] = row[j], min(row[j]+1, row[j-1]+1, prev+cost)
		}
	}
	return row[len(b)]
}
