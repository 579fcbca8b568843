package redis_test

import (
	"testing"
	"time"

	"github.com/redfleet/redfleet/internal/fleet"
	"github.com/redfleet/redfleet/internal/redis"
)

const ms = time.Millisecond

func TestReachedRule(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name          string
		pending, last time.Duration
		reached, sure bool
	}{
		{"the link was just made, or a PING just answered", 0, 0, false, false},
		{"the same, with the clock between two fields", 0, 1 * ms, false, false},
		{"never answered", 900 * ms, 900 * ms, false, true},
		{"never answered, with the clock between two fields", 900 * ms, 901 * ms, false, true},
		{"never answered, stalled while the link was made", 900 * ms, 850 * ms, false, true},
		{"answered, none pending", 0, 500 * ms, true, true},
		{"answered, the next one pending", 3 * ms, 1003 * ms, true, true},
		{"answered once, silent since", 60_000 * ms, 61_000 * ms, true, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			i := redis.Instance{PingPending: c.pending, LastAnswer: c.last}
			if reached, sure := i.Reached(); reached != c.reached || sure != c.sure {
				t.Errorf("reached %v, sure %v; want %v, %v", reached, sure, c.reached, c.sure)
			}
		})
	}
}

func TestPromotableRule(t *testing.T) {
	t.Parallel()
	up := redis.Instance{Flags: "master", DownAfter: 5 * time.Second}
	down := redis.Instance{Flags: "s_down,master", DownAfter: 5 * time.Second, DownFor: 20 * time.Second}
	good := redis.Instance{
		Flags: "slave", LastAnswer: 800 * ms, InfoAge: 9 * time.Second, Priority: 100, LinkUp: true,
		Master: fleet.Addr{Host: "10.0.0.1", Port: 6379},
	}
	for _, c := range []struct {
		name   string
		master redis.Instance
		edit   func(*redis.Instance)
		want   bool
	}{
		{"as it should be", up, func(*redis.Instance) {}, true},
		{"subjectively down", up, func(i *redis.Instance) { i.Flags = "s_down,slave" }, false},
		{"objectively down", up, func(i *redis.Instance) { i.Flags = "slave,o_down" }, false},
		{"disconnected", up, func(i *redis.Instance) { i.Flags = "slave,disconnected" }, false},
		{"no PING answered for 5 s", up, func(i *redis.Instance) { i.LastAnswer = 5001 * ms }, false},
		{"priority 0", up, func(i *redis.Instance) { i.Priority = 0 }, false},
		{"INFO never answered", up, func(i *redis.Instance) { i.Master, i.InfoAge = fleet.Addr{}, 0 }, false},
		{"INFO older than 30 s", up, func(i *redis.Instance) { i.InfoAge = 30_001 * ms }, false},
		{"master down, INFO older than 5 s", down, func(*redis.Instance) {}, false},
		{"master down, INFO fresh", down, func(i *redis.Instance) { i.InfoAge = 900 * ms }, true},
		{"link down for less than 10 × down-after", up, func(i *redis.Instance) { i.LinkUp, i.LinkDownFor = false, 49*time.Second }, true},
		{"link down for more than 10 × down-after", up, func(i *redis.Instance) { i.LinkUp, i.LinkDownFor = false, 51*time.Second }, false},
		{"master down, its outage is added", down, func(i *redis.Instance) {
			i.InfoAge, i.LinkUp, i.LinkDownFor = 900*ms, false, 69*time.Second
		}, true},
		{"never in sync: Sentinel would take it (hazard S19)", up, func(i *redis.Instance) { i.LinkUp, i.LinkDownFor = false, -1000*ms }, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			i := good
			c.edit(&i)
			if got := i.Promotable(&c.master); got != c.want {
				t.Errorf("promotable %v; want %v", got, c.want)
			}
		})
	}
}
