package lab

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/redfleet/redfleet/internal/consul"
	"github.com/redfleet/redfleet/internal/engine"
	"github.com/redfleet/redfleet/internal/fleet"
	"github.com/redfleet/redfleet/internal/verdict"
)

// ErrNotVerified: the lab was started, and verify did not hold in time.
var ErrNotVerified = errors.New("the lab is not verified")

// Result is what Up found or made.
type Result struct {
	Lab *Lab
	// Took is the time from the first process started to the verdict; 0 where
	// all of them ran already.
	Took   time.Duration
	Status verdict.Status
}

// Up brings the lab up and returns when verify holds, as long as ctx allows;
// then the error is ErrNotVerified and says what is missing. Processes that run
// are left alone, those that are missing are started: on a running lab Up only
// looks, and on a stopped one it goes on with the same data and identity.
//
// What would keep the lab from working, a port in use or a missing engine, is
// found out before anything is started.
func Up(ctx context.Context, o Options, asked Plan) (Result, error) {
	l, err := openOrCreate(o, asked)
	if err != nil {
		return Result{}, err
	}
	defer func() { _ = l.Close() }()
	client, err := l.dial()
	if err != nil {
		return Result{}, err
	}
	defer client.Close()
	if err := l.preflight(ctx, client); err != nil {
		return Result{}, err
	}
	if !l.known {
		if err := l.create(); err != nil {
			return Result{}, err
		}
	}
	if err := l.writeFiles(); err != nil {
		return Result{}, err
	}
	started, err := l.startAll(ctx, client)
	if err != nil {
		return Result{}, err
	}
	w, err := l.await(ctx, client)
	if err != nil {
		return Result{}, err
	}
	r := Result{Lab: l, Status: verdict.NewStatus(Fleet, l.Assess(w))}
	if !started.IsZero() {
		r.Took = time.Since(started)
	}
	return r, l.saveRecords(ctx, client)
}

// preflight finds what would keep the lab from coming up.
func (l *Lab) preflight(ctx context.Context, client *consul.Client) error {
	if _, err := engine.Find(ctx, fleet.EngineRedis, l.Plan.RedisServer); err != nil {
		return err
	}
	var procs []Process
	if l.known {
		var err error
		if procs, err = l.Processes(ctx); err != nil {
			return err
		}
	}
	if err := l.checkPorts(procs); err != nil {
		return err
	}
	if l.Plan.Consul == "" || l.known {
		return nil
	}
	return l.checkNoOther(ctx, client)
}

// checkNoOther: two fleets under one prefix would be one fleet of two halves
// (hazard K8).
func (l *Lab) checkNoOther(ctx context.Context, client *consul.Client) error {
	prefix := fleet.KeysOf(Fleet).Prefix()
	found, err := client.Keys(ctx, prefix)
	if err != nil {
		return fmt.Errorf("Consul at %s: %w", l.Plan.Consul, err)
	}
	if len(found) > 0 {
		return fmt.Errorf("Consul at %s already holds a fleet named %q (%d keys below %s): another lab uses it, or one was left there; "+
			"end that lab, or remove its records with: consul kv delete -recurse %s", l.Plan.Consul, Fleet, len(found), prefix, prefix)
	}
	return nil
}

// startAll starts what does not run, everything side by side once Consul
// answers. It gives the time just before the first process was started; zero
// when all of them ran.
func (l *Lab) startAll(ctx context.Context, client *consul.Client) (time.Time, error) {
	var missing []fleet.Unit
	for i := range l.Plan.nodes() {
		for _, u := range l.daemons(i) {
			p, err := look(ctx, l.units, "", u.Name)
			if err != nil {
				return time.Time{}, err
			}
			if p.State != fleet.UnitActive {
				missing = append(missing, u)
			}
		}
	}
	began := time.Now()
	freshConsul, err := l.startStandIn(ctx)
	if err != nil {
		return time.Time{}, err
	}
	if err := l.writeRecords(ctx, client); err != nil {
		return time.Time{}, err
	}
	if len(missing) == 0 && !freshConsul {
		return time.Time{}, nil
	}
	l.progress("starting %d processes of redfleet on %d nodes", len(missing), l.Plan.Nodes)
	var g errgroup.Group
	for _, u := range missing {
		g.Go(func() error { return l.units.Start(ctx, u) })
	}
	return began, g.Wait()
}

// startStandIn starts the stand-in for Consul where it is wanted and does not
// run, and waits until it listens.
func (l *Lab) startStandIn(ctx context.Context) (fresh bool, err error) {
	if l.Plan.Consul != "" {
		return false, nil
	}
	p, err := look(ctx, l.units, "", standInUnit)
	if err != nil || p.State == fleet.UnitActive {
		return false, err
	}
	if err := l.units.Start(ctx, l.standIn()); err != nil {
		return false, err
	}
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	var dialer net.Dialer
	for {
		conn, err := dialer.DialContext(ctx, "tcp", l.Plan.standInAddr())
		if err == nil {
			return true, conn.Close()
		}
		select {
		case <-tick.C:
		case name := <-l.units.Exits():
			return false, l.died(ctx, name)
		case <-ctx.Done():
			return false, fmt.Errorf("the stand-in for Consul does not answer at %s: %w", l.Plan.standInAddr(), ctx.Err())
		}
	}
}

// died is the error of a daemon that ended while it was needed, with the end of
// its log. No password is ever in a log (promise secrets-stay-secret).
func (l *Lab) died(ctx context.Context, name fleet.InstanceID) error {
	st, err := l.units.Status(ctx, name)
	if err != nil {
		return err
	}
	file := l.logOf(name)
	text := fmt.Sprintf("%s has ended (%s); its log is %s", name, orUnknown(st.Exit), file)
	if data, err := os.ReadFile(file); err == nil {
		text += ", which ends with\n" + lastLines(string(data), 5)
	}
	return errors.New(text)
}

func orUnknown(exit string) string {
	if exit == "" {
		return "how is not known"
	}
	return exit
}
