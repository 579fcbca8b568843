package systemd

import (
	"context"
	"fmt"
	"strings"

	"github.com/coreos/go-systemd/v22/dbus"
)

// Version asks the systemd that runs this machine for its version, as in
// "252.30-1~deb12u2". It needs no privilege.
func Version(ctx context.Context) (string, error) {
	ctx, cancel := bounded(ctx, callTimeout)
	defer cancel() // the connection ends with it
	conn, err := dbus.NewWithContext(ctx)
	if err != nil {
		return "", fmt.Errorf("systemd cannot be reached over D-Bus: %w", err)
	}
	defer conn.Close()
	text, err := conn.GetManagerProperty("Version")
	if err != nil {
		return "", fmt.Errorf("asking systemd for its version: %w", err)
	}
	return strings.Trim(text, `"`), nil
}
