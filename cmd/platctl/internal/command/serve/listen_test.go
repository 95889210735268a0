package serve

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"testing"

	"github.com/platctl/platctl/internal/base/config"
	"github.com/platctl/platctl/internal/base/fault"
	"github.com/platctl/platctl/internal/base/unixsock"
)

// An address that somebody else holds is a Busy error, whichever of the three it is, and what was opened before is closed.
func TestListenAllOrNone(t *testing.T) {
	t.Parallel()
	held, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer held.Close()
	busy := held.Addr().String()
	dir, err := os.MkdirTemp("/tmp", "serve-") // short enough for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	api, heldSocket := filepath.Join(dir, "api"), filepath.Join(dir, "held")
	l, err := unixsock.Listen(heldSocket, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for name, c := range map[string]config.Server{
		"api":     {Listen: busy},
		"socket":  {Socket: heldSocket},
		"admin":   {Socket: api, AdminListen: busy},
		"control": {Socket: api, ControlSocket: heldSocket},
	} {
		ls, err := listenAll(c, false)
		if ls != nil || !errors.Is(err, fault.Busy) {
			t.Errorf("%s in use: %v, %v", name, ls, err)
		}
		if unixsock.Answers(api) {
			t.Errorf("%s in use: the API's socket was left open", name)
		}
	}
}

// Behind a unix socket the default admin address is left alone; one that was asked for is not.
func TestAdminAddressBehindASocket(t *testing.T) {
	t.Parallel()
	dir, err := os.MkdirTemp("/tmp", "serve-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	for _, isDefault := range []bool{true, false} {
		ls, err := listenAll(config.Server{Socket: filepath.Join(dir, "api"), AdminListen: "127.0.0.1:0"}, isDefault)
		if err != nil {
			t.Fatal(err)
		}
		if (ls.admin == nil) != isDefault || (ls.adminURL() == "") != isDefault {
			t.Errorf("address is the default: %v; admin listener %v", isDefault, ls.admin)
		}
		ls.close()
	}
}
