package observe

import (
	"context"
	"errors"
	"net"
	"slices"
	"testing"
	"time"

	"github.com/redfleet/redfleet/agent/state"
	"github.com/redfleet/redfleet/internal/fleet"
	"github.com/redfleet/redfleet/internal/secret"
)

// active is a supervisor all of whose units run.
type active struct{}

func (active) Status(context.Context, fleet.InstanceID) (fleet.UnitStatus, error) {
	return fleet.UnitStatus{State: fleet.UnitActive, Invocation: "1"}, nil
}

// nobody notes who is asked, and refuses.
type nobody struct {
	Machine
	asked *[]string
}

func (n nobody) DialContext(_ context.Context, _, addr string) (net.Conn, error) {
	*n.asked = append(*n.asked, addr)
	return nil, errors.New("refused")
}

// TestAnotherAddress: a goal names another address for an instance that runs, as after
// a second machine had the node's name (hazard M4), and then the old one again. Each
// is asked where its goal says it is, not where the connection of an earlier look went
// to (simulation, seed 1201).
func TestAnotherAddress(t *testing.T) {
	store, err := state.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, kind := range []fleet.Kind{fleet.KindRedis, fleet.KindSentinel} {
		var asked []string
		o := New(t.TempDir(), store, active{}, time.Now)
		o.Network = nobody{asked: &asked}
		for _, host := range []string{"192.0.2.1", "192.0.2.2", "192.0.2.1"} {
			asked = nil
			g := fleet.InstanceGoal{ID: fleet.NewInstanceID(kind, "main", 6379), Kind: kind, Group: "main", Addr: fleet.Addr{Host: host, Port: 6379},
				Assigned: fleet.Running, Monitor: &fleet.Monitor{MasterName: "main"}}
			o.Look(t.Context(), g, secret.Password{})
			if asked = slices.Compact(asked); !slices.Equal(asked, []string{host + ":6379"}) {
				t.Errorf("%s at %s: asked %v", kind, host, asked)
			}
		}
		o.Close()
	}
}
