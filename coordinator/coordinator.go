// Package coordinator is the fleet's daemon: it holds the lease, reads the
// records, plans, and writes decisions, goals and events, each write with a
// check of the lease in the same transaction (promise fenced-leader). Any number
// of them can run; one leads.
package coordinator

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/google/uuid"
	"github.com/oklog/ulid/v2"
	"github.com/sirupsen/logrus"

	"github.com/redfleet/redfleet/internal/consul"
	"github.com/redfleet/redfleet/internal/effect"
	"github.com/redfleet/redfleet/internal/fleet"
	"github.com/redfleet/redfleet/internal/secret"
	"github.com/redfleet/redfleet/internal/specfile"
)

// lockDelay is how long Consul keeps the lease from others after its holder was
// lost without a word: the holder stops on its own clock before its TTL ends,
// so the delay need not be long (hazard K1).
const lockDelay = time.Second

// Options is what a coordinator needs.
type Options struct {
	Config specfile.CoordinatorConfig
	Log    logrus.FieldLogger
	// Hook is asked at each labelled effect; tests cut there. Nil in production.
	Hook effect.Hook
	// The simulation replaces these. Nil means the network, crypto/rand and a random
	// length of time.
	Transport http.RoundTripper
	Random    io.Reader
	Jitter    consul.Jitter
	// ForgetGap is how far apart two sentinels of a group forget who left; 0 is
	// request.ForgetGap.
	ForgetGap time.Duration
}

// Run campaigns for the lease and leads while it is held, until ctx ends. It
// returns an error only for what waiting cannot mend: a bad configuration or a
// key that cannot be used.
func Run(ctx context.Context, o Options) error {
	key, err := secret.LoadKey(o.Config.KeyFile)
	if err != nil {
		return err
	}
	random := o.Random
	if random == nil {
		random = rand.Reader
	}
	client, err := consul.New(consul.Options{
		Transport: o.Transport, Jitter: o.Jitter,
		Address: o.Config.Consul.Address, TokenFile: o.Config.Consul.TokenFile,
		OnError: consul.Once(func(what string, err error) {
			if err == nil {
				o.Log.Infof("%s works again", what)
				return
			}
			o.Log.WithError(err).Warnf("%s failed and is tried again; nothing is written meanwhile", what)
		}),
	})
	if err != nil {
		return err
	}
	defer client.Close()
	d := &daemon{
		name: o.Config.Name, fleet: o.Config.Fleet, keys: fleet.KeysOf(o.Config.Fleet), client: client, key: key,
		effects: effect.New(o.Hook), log: o.Log, now: time.Now, random: random, ids: ulid.Monotonic(random, 0),
		forgetGap: o.ForgetGap,
		mint:      func() string { return uuid.Must(uuid.NewRandomFromReader(random)).String() },
	}
	defer d.notify.Stopping()
	d.notify.Ready()
	stop := d.feedWhileWaiting(ctx)
	defer stop()
	lease := client.Lease(d.keys.Lease(), o.Config.Name, o.Config.LeaseTTL.Std(), lockDelay)
	err = d.effects.Do(ctx, LabelLease, func(ctx context.Context) error {
		return lease.Run(ctx, func(ctx context.Context, held *consul.Held) error {
			if err := d.effects.Reached(ctx, LabelLease); err != nil {
				return err
			}
			d.log.Info("this coordinator holds the lease")
			defer d.log.Info("this coordinator no longer holds the lease")
			d.leads.Store(true)
			defer d.leads.Store(false)
			return d.lead(ctx, held)
		})
	})
	if err == nil || errors.Is(err, context.Canceled) {
		return nil
	}
	return fmt.Errorf("coordinator: %w", err)
}
