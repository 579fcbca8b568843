package lab

import (
	"fmt"
	"net"
	"os"
	"strings"
	"testing"

	"github.com/redfleet/redfleet/internal/fleet"
)

// listen takes an address for the length of the test.
func listen(t *testing.T, addr string) {
	t.Helper()
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ln.Close() })
}

func TestCheckPorts(t *testing.T) {
	// A network that no lab and no other test uses: internal/fleettest has those from
	// 127.20 to 127.219, cmd/redfleet and internal/redismodel those from there to 127.250.
	network := fmt.Sprintf("127.252.%d", os.Getpid()%250)
	l := &Lab{Plan: Plan{Net: network}.withDefaults()}
	if err := l.checkPorts(nil); err != nil {
		t.Fatalf("all is free: %v", err)
	}
	listen(t, network+".12:6379")
	me := Process{State: fleet.UnitActive, PID: os.Getpid()}
	if err := l.checkPorts([]Process{me}); err != nil {
		t.Errorf("its own process is in the way of the lab: %v", err)
	}
	err := l.checkPorts(nil)
	if err == nil {
		t.Fatal("a port in use was not found")
	}
	self, readErr := os.ReadFile("/proc/self/comm")
	if readErr != nil {
		t.Fatal(readErr)
	}
	for _, want := range []string{network + ".12:6379, for redis-server on n2", strings.TrimSpace(string(self)) + " (pid ", "nothing was started"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error %q does not say %q", err, want)
		}
	}
}
