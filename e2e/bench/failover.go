package main

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"
)

// failoverNodes is the size of both groups.
const failoverNodes = 3

// side is one of the two groups that are compared, with what differs between
// them: which processes make a node, and how one is started again.
type side struct {
	name  string
	group *group
	pids  func(node int) ([]int, error)
	start func(ctx context.Context, node int) error
	took  []time.Duration
}

// benchFailover kills the master's machine, in turn on either side, and measures
// with the same code until a new master takes a write. Both groups stand at the
// same time, on addresses of their own; a round begins when both are whole.
func benchFailover(ctx context.Context, m *machine, rounds int) (err error) {
	if rounds == 0 {
		return nil
	}
	l, _, err := m.labUp(ctx, failoverNodes, m.consul.addr)
	defer func() { err = errors.Join(err, l.down()) }()
	if err != nil {
		return err
	}
	b, _, err := m.byHandUp(ctx, failoverNodes, "seeded")
	defer func() { err = errors.Join(err, b.down()) }()
	if err != nil {
		return err
	}
	password, err := l.password(ctx)
	if err != nil {
		return err
	}
	ours := &side{name: "redfleet", group: dialGroup(failoverNodes, password, labHost), pids: l.pids, start: l.start}
	theirs := &side{name: "by hand", group: dialGroup(failoverNodes, byHandPassword, byHandHost), pids: b.pids, start: b.start}
	defer ours.group.close()
	defer theirs.group.close()
	downAfter, err := sameDownAfter(ctx, ours, theirs)
	if err != nil {
		return err
	}
	for round := range rounds {
		if err := bothWhole(ctx, ours, theirs); err != nil {
			return err
		}
		order := []*side{ours, theirs}
		if round%2 == 1 {
			order[0], order[1] = order[1], order[0]
		}
		for _, s := range order {
			if err := s.failOver(ctx); err != nil {
				return fmt.Errorf("%s: %w", s.name, err)
			}
			progress("failover round %d: %s %d ms", round+1, s.name, s.took[round].Milliseconds())
		}
	}
	fmt.Printf("failover down_after_ms=%d redfleet_ms=%d sentinel_ms=%d ratio=%.3f\n", downAfter.Milliseconds(),
		median(ours.took).Milliseconds(), median(theirs.took).Milliseconds(),
		float64(median(ours.took))/float64(median(theirs.took)))
	return nil
}

// sameDownAfter refuses to compare what cannot be compared.
func sameDownAfter(ctx context.Context, ours, theirs *side) (time.Duration, error) {
	a, err := ours.group.downAfter(ctx)
	if err != nil {
		return 0, err
	}
	b, err := theirs.group.downAfter(ctx)
	if err != nil {
		return 0, err
	}
	if a != b {
		return 0, fmt.Errorf("down-after is %s on redfleet's side and %s by hand: give common.sh and the lab the same", a, b)
	}
	return a, nil
}

func bothWhole(ctx context.Context, sides ...*side) error {
	g, ctx := errgroup.WithContext(ctx)
	for _, s := range sides {
		g.Go(func() error {
			if _, err := s.group.awaitWhole(ctx); err != nil {
				return fmt.Errorf("%s: %w", s.name, err)
			}
			return nil
		})
	}
	return g.Wait()
}

// failOver is one round of one side: kill, measure, start the dead node again.
// The other side gets its turn while this one recovers.
func (s *side) failOver(ctx context.Context) error {
	master, err := s.group.awaitWhole(ctx)
	if err != nil {
		return err
	}
	pids, err := s.pids(master)
	if err != nil {
		return err
	}
	if err := s.group.freshPing(ctx, master); err != nil {
		return err
	}
	began := time.Now()
	for _, pid := range pids {
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			return fmt.Errorf("killing process %d of node %d: %w", pid, master, err)
		}
	}
	took, err := s.group.firstWrite(ctx, master, began)
	if err != nil {
		return err
	}
	s.took = append(s.took, took)
	return s.start(ctx, master)
}
