package fleettest

import (
	"fmt"
	"syscall"
	"testing"
	"time"

	"github.com/redfleet/redfleet/agent"
	"github.com/redfleet/redfleet/coordinator/assess"
	"github.com/redfleet/redfleet/internal/fleet"
)

// extraFaults add an instance that the group does not have.
func extraFaults() []fault {
	return []fault{
		{
			check: assess.CheckSentinelPeers, what: "an extra sentinel",
			do: func(t *testing.T, g *group) {
				foreign(t, g.Fleet, 91, sentinelPort, fmt.Sprintf("sentinel monitor main %s 6379 2\nsentinel auth-pass main %s\n"+
					"sentinel sentinel-pass %s\nsentinel announce-ip %s\n", g.Host(g.master), g.Password(), g.Password(), g.Net+"91"), "--sentinel")
			},
			names: func(g *group) []string { return []string{"knows a foreign one, " + g.Net + "91:26379"} },
		},
	}
}

// foreignFaults bring in a server that the group does not have.
func foreignFaults() []fault {
	return []fault{
		{
			check: assess.CheckSentinelReplicas, what: "a foreign replica",
			do: func(t *testing.T, g *group) {
				for i := 1; i <= 3; i++ {
					cli(t, g.Fleet, i, sentinelPort, "SENTINEL DEBUG info-period 500")
				}
				foreign(t, g.Fleet, 92, redisPort, fmt.Sprintf("masterauth %s\nreplicaof %s 6379\nreplica-announce-ip %s92\n",
					g.Password(), g.Host(g.master), g.Net))
			},
			names: func(g *group) []string { return []string{"foreign server, " + g.Net + "92:6379"} },
		},
	}
}

// misledFaults let an instance of the group follow somebody else.
func misledFaults() []fault {
	return []fault{
		{
			check: assess.CheckLineage, what: "a foreign master",
			do: func(t *testing.T, g *group) {
				m := foreign(t, g.Fleet, 93, redisPort, "repl-diskless-sync-delay 0\n")
				cli(t, g.Fleet, g.one, redisPort, fmt.Sprintf("REPLICAOF %s %d", m.Host, m.Port))
			},
			names: oneReplica,
			// Its role names the foreign master; its link is down while it copies.
			may: []string{assess.CheckRoles, assess.CheckLinks},
			heal: func(t *testing.T, g *group) {
				cli(t, g.Fleet, g.one, redisPort, "REPLICAOF "+g.Host(g.master)+" 6379")
			},
		},
		{
			check: assess.CheckSentinelMaster, what: "a sentinel with another master",
			do: func(t *testing.T, g *group) {
				m := foreign(t, g.Fleet, 94, redisPort, "")
				cli(t, g.Fleet, g.one, sentinelPort, "SENTINEL REMOVE main",
					fmt.Sprintf("SENTINEL MONITOR main %s %d 2", m.Host, m.Port), "SENTINEL SET main auth-pass "+g.Password())
			},
			names: func(g *group) []string { return []string{node(g.one) + " names " + g.Net + "94:6379"} },
			// It starts over: with nobody known it reaches no quorum.
			may: []string{assess.CheckSentinelPeers, assess.CheckSentinelReplicas, assess.CheckSentinelReach,
				assess.CheckQuorum, assess.CheckPromotable},
		},
	}
}

// stoppedFaults stop processes. A stopped sentinel comes back in TILT, for 30 s.
func stoppedFaults() []fault {
	stop := func(t *testing.T, g *group, i int, kind fleet.Kind) {
		signal(t, g.Fleet, i, kind, syscall.SIGSTOP)
	}
	return []fault{
		{
			check: assess.CheckInstances, what: "a replica that hangs",
			do:    func(t *testing.T, g *group) { stop(t, g, g.one, fleet.KindRedis) },
			names: func(g *group) []string { return []string{"redis-main-6379 on " + node(g.one)} },
			// Peers that try it get no answer; Consul's check needs three misses.
			may:  []string{assess.CheckPeerAuth, assess.CheckServices},
			heal: func(t *testing.T, g *group) { signal(t, g.Fleet, g.one, fleet.KindRedis, syscall.SIGCONT) },
		},
		{
			check: assess.CheckMajority, what: "two of three sentinels hang",
			do: func(t *testing.T, g *group) {
				stop(t, g, g.one, fleet.KindSentinel)
				stop(t, g, g.other, fleet.KindSentinel)
			},
			names: func(*group) []string { return []string{"1 of 3 reachable"} },
			may: []string{assess.CheckInstances, assess.CheckSentinelReach, assess.CheckQuorum, assess.CheckPromotable,
				assess.CheckServices},
		},
	}
}

// stuckFaults leave a failover under way: a sentinel in TILT takes the request and
// carries it out only 30 s later.
func stuckFaults() []fault {
	return []fault{
		{
			check: assess.CheckSpread, what: "no copy in another zone can go on",
			do: func(t *testing.T, g *group) {
				for i, zone := range map[int]string{g.master: "a", g.one: "a", g.other: "b"} {
					stopAgent(t, g.Fleet, i)
					g.StartAgent(i, func(o *agent.Options) { o.Config.Zone = zone })
				}
				cli(t, g.Fleet, g.other, redisPort, "CONFIG SET replica-priority 0")
			},
			names: func(g *group) []string { return []string{"is in zone a", "look at " + node(g.other)} },
			may:   []string{assess.CheckServices, assess.CheckReports}, // agents were restarted
			heal:  func(t *testing.T, g *group) { cli(t, g.Fleet, g.other, redisPort, "CONFIG SET replica-priority 100") },
		},
		{
			check: assess.CheckFailover, what: "a failover that goes on",
			do: func(t *testing.T, g *group) {
				signal(t, g.Fleet, g.one, fleet.KindSentinel, syscall.SIGSTOP)
				time.Sleep(2500 * time.Millisecond) // TILT comes after 2 s
				signal(t, g.Fleet, g.one, fleet.KindSentinel, syscall.SIGCONT)
				eventually(t, servingIn, "SENTINEL FAILOVER is taken", func() bool { // once it has heard of the replicas again
					return g.Sentinel(g.one).Failover(t.Context(), "main") == nil
				})
			},
			names: func(g *group) []string {
				return []string{"the sentinel on " + node(g.one) + " is carrying a failover out"}
			},
			may: []string{assess.CheckQuorum, assess.CheckInstances, assess.CheckServices},
		},
	}
}
