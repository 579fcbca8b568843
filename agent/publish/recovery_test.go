package publish

import (
	"context"
	"crypto/rand"
	"io"
	"testing"
	"time"

	"github.com/sirupsen/logrus"
	"go.uber.org/goleak"

	"github.com/redfleet/redfleet/internal/consul"
	"github.com/redfleet/redfleet/internal/devconsul"
	"github.com/redfleet/redfleet/internal/devconsul/devconsultest"
	"github.com/redfleet/redfleet/internal/effect"
	"github.com/redfleet/redfleet/internal/fleet"
	"github.com/redfleet/redfleet/internal/records"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestOffersAnew: a Consul without the fleet's records is set back to a snapshot in
// which this node offers less than it keeps by now. It offers anew, so that a recovery
// does not go by what it kept then (hazard K8; simulation, seed 6447).
func TestOffersAnew(t *testing.T) {
	stand, addr := devconsultest.Start(t, devconsul.Options{})
	client, err := consul.New(consul.Options{Address: addr})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	offered := make(chan struct{}, 10)
	log := logrus.New()
	log.SetOutput(io.Discard)
	p := New(Options{
		Client: client, Keys: fleet.KeysOf("shop"), Fleet: "shop", Node: "n1", Address: "10.0.0.1", Boot: "b1",
		Keep: func(string) error { return nil }, Log: log, Now: time.Now, Random: rand.Reader,
		Jitter: consul.RandomJitter, Effects: effect.New(func(_ context.Context, l effect.Label, at effect.Point) error {
			if l == LabelRecovery && at == effect.After {
				offered <- struct{}{}
			}
			return nil
		}),
	})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- p.Run(ctx) }()
	defer func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}()
	epoch := func() uint64 {
		t.Helper()
		select {
		case <-offered:
		case <-time.After(10 * time.Second):
			t.Fatal("nothing was offered")
		}
		e, found, err := client.Get(t.Context(), p.Keys.Recovery("n1"))
		if err != nil || !found {
			t.Fatalf("the offer: %v %v", found, err)
		}
		r, err := records.Decode[fleet.Recovery](e.Key, e.Value)
		if err != nil {
			t.Fatal(err)
		}
		return r.Epoch
	}
	offer := func(epoch uint64) {
		p.Offer(&fleet.Recovery{Format: fleet.Format, Node: "n1", FleetID: "f1", Epoch: epoch})
	}

	p.Publish(fleet.Report{Format: fleet.Format, Node: "n1", Address: "10.0.0.1", Boot: "b1"}, nil)
	offer(1)
	if got := epoch(); got != 1 {
		t.Fatalf("offered goal %d, want 1", got)
	}
	was := stand.Snapshot()
	offer(3)
	if got := epoch(); got != 3 {
		t.Fatalf("offered goal %d, want 3", got)
	}
	stand.Restore(was)
	p.Anew()
	if got := epoch(); got != 3 {
		t.Errorf("after Consul was set back goal %d is offered, want 3", got)
	}
}
