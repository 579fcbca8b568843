package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"time"
)

const (
	// footprintNodes is the size of the group that is looked at.
	footprintNodes = 3
	// settle is how long the group serves before the window begins.
	settle = 15 * time.Second
)

// benchFootprint looks at the agents of a serving group that nobody uses. Memory
// and processor are those of the agent that uses most; requests are the mean of
// all agents, since few of them fall into one window.
func benchFootprint(ctx context.Context, m *machine, window time.Duration) (err error) {
	c, err := startCounter(m.consul.addr)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.close()) }()
	l, _, err := m.labUp(ctx, footprintNodes, c.addr)
	defer func() { err = errors.Join(err, l.down()) }()
	if err != nil {
		return err
	}
	agents, err := l.agents()
	if err != nil {
		return err
	}
	progress("the group serves; looking at %d agents for %s", len(agents), window)
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(settle):
	}
	before, err := usages(agents)
	if err != nil {
		return err
	}
	began := time.Now()
	over, cancel := context.WithTimeout(ctx, window)
	defer cancel()
	requests, err := c.countUntil(ctx, over.Done(), slices.Collect(maps.Values(agents)))
	if err != nil {
		return err
	}
	took := time.Since(began)
	after, err := usages(agents)
	if err != nil {
		return fmt.Errorf("an agent did not live through the window: %w", err)
	}
	if err := l.verified(ctx); err != nil {
		return err
	}
	return printFootprint(m, agents, before, after, requests, took)
}

func printFootprint(m *machine, agents map[int]int, before, after map[int]processUsage, requests map[int]int, took time.Duration) error {
	var rss int64
	var cpu time.Duration
	count := 0
	for node, pid := range agents {
		used := after[pid].cpu - before[pid].cpu
		rss = max(rss, before[pid].rss, after[pid].rss)
		cpu = max(cpu, used)
		count += requests[pid]
		if requests[pid] == 0 {
			return fmt.Errorf("no request of the agent of node %d was counted: it renews its session, so the count is wrong", node)
		}
		progress("agent of node %d: %.1f MB, %s of processor time, %d requests to Consul",
			node, mb(after[pid].rss), used, requests[pid])
	}
	progress("all others: %d requests to Consul", requests[0])
	info, err := os.Stat(m.redfleet)
	if err != nil {
		return err
	}
	fmt.Printf("footprint agent_rss_mb=%.1f idle_cpu_pct=%.3f consul_rps_per_agent=%.4f binary_mb=%.1f\n",
		mb(rss), 100*cpu.Seconds()/took.Seconds(),
		float64(count)/took.Seconds()/float64(len(agents)), mb(info.Size()))
	return nil
}

func usages(agents map[int]int) (map[int]processUsage, error) {
	all := map[int]processUsage{}
	for _, pid := range agents {
		u, err := usageOf(pid)
		if err != nil {
			return nil, err
		}
		all[pid] = u
	}
	return all, nil
}
