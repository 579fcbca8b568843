package main

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// benchBringup measures each size in rounds, redfleet and both ways by hand in
// turn, so that whatever the machine does meanwhile meets all of them.
func benchBringup(ctx context.Context, m *machine, sizes []int, rounds, plainRounds int) error {
	for _, nodes := range sizes {
		var ours, plain, seeded []time.Duration
		for round := range rounds {
			took, err := m.oneBringup(ctx, nodes)
			if err != nil {
				return err
			}
			ours = append(ours, took)
			progress("nodes=%d round %d: redfleet %.3f s", nodes, round+1, took.Seconds())

			took, err = m.oneByHand(ctx, nodes, "seeded")
			if err != nil {
				return err
			}
			seeded = append(seeded, took)
			progress("nodes=%d round %d: by hand, seeded %.3f s", nodes, round+1, took.Seconds())

			if round >= plainRounds {
				continue
			}
			took, err = m.oneByHand(ctx, nodes, "plain")
			if err != nil {
				return err
			}
			plain = append(plain, took)
			progress("nodes=%d round %d: by hand %.3f s", nodes, round+1, took.Seconds())
		}
		fmt.Printf("bringup nodes=%d redfleet_s=%.3f by_hand_s=%.3f by_hand_seeded_s=%.3f ratio=%.3f\n", nodes,
			median(ours).Seconds(), median(plain).Seconds(), median(seeded).Seconds(),
			median(ours).Seconds()/median(plain).Seconds())
	}
	return nil
}

func (m *machine) oneBringup(ctx context.Context, nodes int) (took time.Duration, err error) {
	l, took, err := m.labUp(ctx, nodes, m.consul.addr)
	defer func() { err = errors.Join(err, l.down()) }()
	if err != nil {
		return 0, err
	}
	return took, l.verified(ctx)
}

func (m *machine) oneByHand(ctx context.Context, nodes int, kind string) (took time.Duration, err error) {
	b, took, err := m.byHandUp(ctx, nodes, kind)
	defer func() { err = errors.Join(err, b.down()) }()
	return took, err
}
