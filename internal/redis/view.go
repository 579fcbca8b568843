package redis

import (
	"context"
	"errors"
	"strings"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/redfleet/redfleet/internal/fleet"
)

// View is what one look at a sentinel tells.
type View struct {
	Report fleet.SentinelReport
	RunID  string
	Uptime time.Duration
	// Master is the sentinel's entry of the master; zero when it watches none of
	// that name.
	Master Instance
	// Replicas are the entries behind Report.Replicas, in the same order.
	Replicas []Instance
}

// Tilt: the sentinel has stopped to judge (hazard S16), for 30 s from the last
// jump of its clock or stall of its process. Its flags are those of before. It
// takes a SENTINEL FAILOVER and does not carry it out until then (seen on Redis
// 7.0.15), so it must not be asked for one.
func (v *View) Tilt() bool { return v.Report.Tilt }

// The places of the commands in a look at a sentinel.
const (
	lookServer = iota
	lookSentinel
	lookMyID
	lookAddr
	lookMaster
	lookReplicas
	lookPeers
	lookACL
	lookCKQuorum
)

func look(master string, withQuorum bool) [][]any {
	commands := [][]any{
		lookServer:   {"INFO", "server"},
		lookSentinel: {"INFO", "sentinel"},
		lookMyID:     {"SENTINEL", "MYID"},
		lookAddr:     {"SENTINEL", "GET-MASTER-ADDR-BY-NAME", master},
		lookMaster:   {"SENTINEL", "MASTER", master},
		lookReplicas: {"SENTINEL", "REPLICAS", master},
		lookPeers:    {"SENTINEL", "SENTINELS", master},
		lookACL:      {"ACL", "GETUSER", "default"},
	}
	if withQuorum {
		commands = append(commands, command("SENTINEL", "CKQUORUM", master))
	}
	return commands
}

// Observe looks at the sentinel in one round trip; in the few milliseconds after
// an answered PING, when a reply cannot prove it (Instance.Reached), in two. A
// sentinel that watches no master of that name is no error: Report.Monitored
// says what it watches. CKQUORUM is asked only on withQuorum.
func (s *SentinelClient) Observe(ctx context.Context, master string, withQuorum bool) (View, error) {
	v, sure, err := s.observe(ctx, master, withQuorum)
	if err != nil || sure {
		return v, err
	}
	timer := time.NewTimer(2 * sureAfter)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
		return View{}, s.fail("SENTINEL", ctx.Err())
	}
	v, _, err = s.observe(ctx, master, withQuorum)
	return v, err
}

func (s *SentinelClient) observe(ctx context.Context, master string, withQuorum bool) (v View, sure bool, err error) {
	replies, err := s.pipeline(ctx, look(master, withQuorum)...)
	if err != nil {
		return View{}, false, err
	}
	for at, r := range replies {
		if err := s.unexpected(at, r); err != nil {
			return View{}, false, err
		}
	}
	for _, at := range []int{lookServer, lookSentinel} {
		section, _ := replies[at].Text()
		lines(section, v.take)
	}
	v.Report.MyID, _ = replies[lookMyID].Text()
	acl, _ := replies[lookACL].Slice()
	v.Report.PasswordOK = asksFor(acl, s.digest)
	if withQuorum {
		if err := replies[lookCKQuorum].Err(); err != nil {
			v.Report.CKQuorum = err.Error()
		}
	}
	return v, v.takeMaster(replies), nil
}

// unexpected gives the error of a reply that the view cannot do without. That
// there is no such master, and what CKQUORUM found, are part of the view.
func (s *SentinelClient) unexpected(at int, r *goredis.Cmd) error {
	err := r.Err()
	if err == nil || errors.Is(err, goredis.Nil) || at == lookCKQuorum {
		return nil
	}
	if err = s.fail("SENTINEL", err); errors.Is(err, ErrNoMaster) {
		return nil
	}
	return err
}

// take reads one line of INFO.
func (v *View) take(key, value string) {
	switch key {
	case "redis_version":
		if v.Report.Version == "" {
			v.Report.Version = value
		}
	case "valkey_version":
		v.Report.Version = value
	case "run_id":
		v.RunID = value
	case "uptime_in_seconds":
		v.Uptime = seconds(value)
	case "sentinel_tilt":
		v.Report.Tilt = value == "1"
	default:
		if numbered(key, "master") {
			v.Report.Monitored = append(v.Report.Monitored, monitoredName(value))
		}
	}
}

// monitoredName reads "name=main,status=ok,address=…": a name may hold a comma.
func monitoredName(line string) string {
	name, _, _ := strings.Cut(strings.TrimPrefix(line, "name="), ",status=")
	return name
}

// takeMaster reads the master and the lists under it; sure is false when one of
// them has to be looked at again.
func (v *View) takeMaster(replies []*goredis.Cmd) (sure bool) {
	if addr, err := replies[lookAddr].Slice(); err == nil {
		v.Report.Master = parseAddr(addr)
	}
	if entry, err := replies[lookMaster].Slice(); err == nil {
		v.Master = parseInstance(entry)
	}
	v.Report.ConfigEpoch = v.Master.ConfigEpoch
	v.Report.MasterFlags = v.Master.Flags
	v.Report.Quorum = v.Master.Quorum
	replicas, _ := replies[lookReplicas].Slice()
	v.Replicas = parseInstances(replicas)
	sure = true
	for n := range v.Replicas {
		seen, ok := see(&v.Replicas[n])
		seen.Promotable = v.Replicas[n].Promotable(&v.Master)
		seen.Priority, seen.SaysMaster = v.Replicas[n].Priority, v.Replicas[n].SaysMaster
		v.Report.Replicas = append(v.Report.Replicas, seen)
		sure = sure && ok
	}
	peers, _ := replies[lookPeers].Slice()
	v.Report.Usable = 1
	for _, peer := range parseInstances(peers) {
		seen, ok := see(&peer)
		seen.ID = peer.RunID
		v.Report.Peers = append(v.Report.Peers, seen)
		sure = sure && ok
		// As CKQUORUM counts them (sentinel.c, sentinelIsQuorumReachable).
		if !peer.Down() {
			v.Report.Usable++
		}
	}
	return sure
}

func see(i *Instance) (fleet.SeenInstance, bool) {
	reached, sure := i.Reached()
	return fleet.SeenInstance{Addr: i.Addr, Flags: i.Flags, Reached: reached}, sure
}
