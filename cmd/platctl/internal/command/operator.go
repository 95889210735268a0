package command

import (
	"os"
	"os/user"
)

// Operator is who types, as histories keep it: name@machine.
func (d *Deps) Operator() string {
	name, machine := "somebody", "somewhere"
	if u, err := user.Current(); err == nil && u.Username != "" {
		name = u.Username
	}
	if s, err := d.Settings(); err == nil {
		if by, ok := s.Lookup("SUDO_USER"); ok && by != "" {
			name = by
		}
	}
	if h, err := os.Hostname(); err == nil && h != "" {
		machine = h
	}
	return name + "@" + machine
}
