package consul

import (
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestOnceTellsEachOutageOnce(t *testing.T) {
	t.Parallel()
	var told []string
	hear := Once(func(what string, err error) { told = append(told, fmt.Sprintf("%s: %v", what, err)) })
	out := func(port int) error { return fmt.Errorf("port %d: %w", port, ErrOut) }
	hear("a", nil) // nothing failed before
	hear("a", out(1))
	hear("a", out(2))
	hear("b", out(3))
	hear("a", ErrDenied)
	hear("a", nil)
	hear("a", nil)
	hear("a", out(4))
	hear("a", errors.New("odd"))
	want := []string{
		"a: port 1: Consul is out", "b: port 3: Consul is out", "a: Consul refused the token",
		"a: <nil>", "a: port 4: Consul is out", "a: odd",
	}
	if d := cmp.Diff(want, told); d != "" {
		t.Errorf("told (-want +got):\n%s", d)
	}
}
