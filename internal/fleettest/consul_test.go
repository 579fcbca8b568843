package fleettest

import (
	"context"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/redfleet/redfleet/internal/consul/consultest"
	"github.com/redfleet/redfleet/internal/fleet"
)

// TestOnRealConsul is the whole path on a real Consul: bring-up, the names in
// DNS, a failover that they follow.
func TestOnRealConsul(t *testing.T) {
	t.Parallel()
	addr, dns := consultest.StartRealDNS(t)
	f := bringOn(t, addr, 3, nil)
	master := index(t, f.WaitServing(servingIn).Master.Node)
	names(t, f, dns, "master.test-main", []int{master})
	names(t, f, dns, "replica.test-main", others(master))
	names(t, f, dns, "sentinel.test-main", []int{1, 2, 3})

	kill(t, f, master, fleet.KindRedis)
	now := waitMaster(t, f, master)
	masterTagged(t, f, now)
	names(t, f, dns, "master.test-main", []int{now})
	names(t, f, dns, "replica.test-main", others(now))
	checkReplication(t, f, 3)
}

func others(master int) []int {
	var out []int
	for i := 1; i <= 3; i++ {
		if i != master {
			out = append(out, i)
		}
	}
	return out
}

// names waits until a name of Consul's DNS leads to just these nodes.
func names(t *testing.T, f *Fleet, dns, name string, nodes []int) {
	t.Helper()
	r := net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "tcp", dns)
	}}
	var last string
	eventually(t, failoverIn, fmt.Sprintf("%s leads to nodes %v", name, nodes), func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		got, err := r.LookupHost(ctx, name+".service.consul.")
		last = strings.Join(got, " ")
		if err != nil || len(got) != len(nodes) {
			return false
		}
		for _, n := range nodes {
			if !strings.Contains(" "+last+" ", " "+f.Host(n)+" ") {
				return false
			}
		}
		return true
	})
}
