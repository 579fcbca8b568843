package record

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/redfleet/redfleet/internal/history"
	"github.com/redfleet/redfleet/internal/redistest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const password = "correct-horse"

// patience bounds a whole recording, which waits for several things one after the other.
const patience = 6 * redistest.Patience

// group is a real master, its replica, and one sentinel.
type group struct {
	servers         map[string]*redistest.Proc
	addresses       map[string]string
	sentinel        *redistest.Proc
	sentinelAddress string
}

func startGroup(t *testing.T) group {
	t.Helper()
	g := group{servers: map[string]*redistest.Proc{}, addresses: map[string]string{}}
	master := redistest.FreePort(t, "127.0.0.1")
	g.start(t, "n1", master, "")
	g.start(t, "n2", redistest.FreePort(t, "127.0.0.1"), fmt.Sprintf("replicaof 127.0.0.1 %d\n", master))
	redistest.Until(t, "the replica gets each write", func() bool { return strings.Contains(g.servers["n1"].Info("slave0"), "state=online") })
	port := redistest.FreePort(t, "127.0.0.1")
	g.sentinelAddress = net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	conf := fmt.Sprintf("port %d\nbind 127.0.0.1\nrequirepass %s\nsentinel monitor main 127.0.0.1 %d 1\n"+
		"sentinel auth-pass main %s\nsentinel down-after-milliseconds main 1000\n", port, password, master, password)
	g.sentinel = redistest.Start(t, redistest.Write(t, t.TempDir(), "sentinel.conf", []byte(conf)), g.sentinelAddress, password, "--sentinel")
	// One that it only knows it does not promote, and tries again minutes later.
	redistest.Until(t, "the sentinel could promote the replica", func() bool {
		return strings.Contains(fmt.Sprint(g.sentinel.Do("SENTINEL", "REPLICAS", "main")), "master-link-status ok")
	})
	return g
}

func (g *group) start(t *testing.T, node string, port int, more string) {
	t.Helper()
	g.addresses[node] = net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	conf := fmt.Sprintf("port %d\nbind 127.0.0.1\nrequirepass %s\nmasterauth %s\nrepl-diskless-sync-delay 0\nsave \"\"\n%s", port, password, password, more)
	g.servers[node] = redistest.Start(t, redistest.Write(t, t.TempDir(), "redis.conf", []byte(conf)), g.addresses[node], password)
}

func (g *group) options() Options {
	return Options{Group: "main", Servers: g.addresses, Sentinels: []string{g.sentinelAddress}, Password: password,
		WaitWriters: 1, Writers: 1, WritePause: 2 * time.Millisecond, ProbePause: 5 * time.Millisecond, ReadPause: 10 * time.Millisecond,
		Limit: 5 * time.Second} // no call to a server that lives fails on a busy machine
}

// more waits until so many more writes are acknowledged.
func more(t *testing.T, r *Recorder, n int) {
	t.Helper()
	had, _ := r.Acknowledged()
	redistest.Until(t, fmt.Sprintf("%d more acknowledged writes", n), func() bool {
		has, _ := r.Acknowledged()
		return has >= had+n
	})
}

// TestRecordOfACrash records a real group whose master is killed: the history has
// the gap, who took writes when, and what WAIT said; and nothing of it stays.
func TestRecordOfACrash(t *testing.T) {
	t.Parallel()
	g := startGroup(t)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	r, err := Start(ctx, g.options())
	if err != nil {
		t.Fatal(err)
	}
	more(t, r, 200)
	if err := r.Look(ctx); err != nil {
		t.Fatal(err)
	}
	killed := r.now()
	g.servers["n1"].Stop(syscall.SIGKILL)
	dead := r.now()
	if err := r.Look(ctx); err == nil {
		t.Error("a look at a group with a dead server says nothing")
	}
	// So long nobody can learn of another master.
	var headless time.Duration
	redistest.Until(t, "the sentinel names the replica", func() bool {
		asked := r.now()
		if addr := g.sentinel.Do("SENTINEL", "GET-MASTER-ADDR-BY-NAME", "main"); net.JoinHostPort(fmt.Sprint(addr.([]any)[0]), fmt.Sprint(addr.([]any)[1])) == g.addresses["n2"] {
			return true
		}
		headless = asked - dead
		return false
	})
	more(t, r, 200)
	at := func(number int, start time.Duration) history.Fault {
		return history.Fault{Number: number, Start: start, Healed: start, Whole: start}
	}
	h := history.History{Length: r.now(), Groups: []history.Group{r.Stop()}, Faults: []history.Fault{at(1, killed), at(2, dead)}}
	rows := history.Check(h).Rows
	calm, dying, fault := rows[0].All, rows[1].All, rows[2].All
	if calm.Lost+dying.Lost+fault.Lost+calm.Credentials+dying.Credentials+fault.Credentials > 0 || calm.Dual+dying.Dual+fault.Dual > 0 || calm.Failed > 0 {
		t.Errorf("found %+v, then %+v, then %+v", calm, dying, fault)
	}
	// How many WAIT confirms in its time depends on the machine; the one that waits may
	// have had an answer of the dead one to read.
	if calm.Waited == 0 || fault.Waited > 1 || fault.Acknowledged < 190 {
		t.Errorf("acknowledged and waited for: %+v, then %+v", calm, fault)
	}
	// The gap begins with the last answer of the dead one that was read.
	if fault.Gap < headless-late(h.Groups[0], dead) || dying.Failed+fault.Failed == 0 {
		t.Errorf("after the kill clients had no master for %s, while the sentinel named none for %s; %d of their writes failed",
			fault.Gap, headless, dying.Failed+fault.Failed)
	}
	checkNodes(t, h.Groups[0], killed, dead)
	// It stays dead, which leaves no key behind.
	if err := r.Clean(ctx); err != nil {
		t.Error(err)
	}
	// The sentinel has ended the connection of before.
	redistest.Until(t, "the new master answers", func() bool { return g.servers["n2"].Client.Ping(ctx).Err() == nil })
	if left := g.servers["n2"].Do("DBSIZE"); left != int64(0) {
		t.Errorf("%v keys stay", left)
	}
}

// late is how long after the end of n1 the last of its answers was read.
func late(g history.Group, dead time.Duration) (last time.Duration) {
	for _, w := range g.Writes {
		if w.Acknowledged() && w.Node == "n1" {
			last = max(last, w.End-dead)
		}
	}
	return last
}

// checkNodes: each write has the node that took it, and the probes and roles agree. None
// that n1 took began after its end, and none that n2 took ended before the kill.
func checkNodes(t *testing.T, g history.Group, killed, dead time.Duration) {
	t.Helper()
	for _, w := range g.Writes {
		if w.Acknowledged() && (w.Node == "n1" && w.Start > dead || w.Node == "n2" && w.End < killed || w.Node != "n1" && w.Node != "n2") {
			t.Fatalf("a write from %s to %s is said to be on %q, the kill was at %s and the end at %s", w.Start, w.End, w.Node, killed, dead)
		}
	}
	seen := map[string]bool{}
	for _, p := range g.Probes {
		seen[p.Node+" "+string(p.Class)] = true
	}
	for _, r := range g.Roles {
		seen[r.Node+" "+r.Role] = true
	}
	for _, want := range []string{"n1 ", "n1 " + string(history.Refused), "n2 " + string(history.ReadOnly), "n2 ",
		"n1 " + history.RoleMaster, "n1 " + history.RoleSilent, "n2 " + history.RoleReplica, "n2 " + history.RoleMaster} {
		if !seen[want] {
			t.Errorf("%q was not seen: %v", want, seen)
		}
	}
}

// TestRecordFindsALoss: a real loss is found by the recording of a real group. The
// replica stops to follow, so that what the master acknowledges then is on it alone;
// then it is made the master, and the old one its replica.
func TestRecordFindsALoss(t *testing.T) {
	t.Parallel()
	g := startGroup(t)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	r, err := Start(ctx, g.options())
	if err != nil {
		t.Fatal(err)
	}
	more(t, r, 100)
	g.sentinel.Do("SENTINEL", "REMOVE", "main") // it would mend what follows
	host, port, _ := net.SplitHostPort(g.addresses["n2"])
	g.servers["n2"].Do("REPLICAOF", "NO", "ONE")
	more(t, r, 100) // on the old one alone
	redistest.Until(t, "both take the probes' writes for a while", func() bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		return accepted(r.group.Probes, "n1", "n2") > 200*time.Millisecond
	})
	g.servers["n1"].Do("REPLICAOF", host, port)
	redistest.Until(t, "the old master follows", func() bool { return g.servers["n1"].Info("master_link_status") == "up" })
	if err := r.Look(ctx); err != nil {
		t.Fatal(err)
	}
	h := history.History{Length: r.now(), Groups: []history.Group{r.Stop()}}
	found := history.Check(h).Total
	if found.Lost < 90 || found.LostWaited > 0 || found.Dual < 100*time.Millisecond {
		t.Errorf("found %+v, want about 100 lost writes, and two that took them", found)
	}
	if err := r.Clean(ctx); err != nil {
		t.Error(err)
	}
}

// accepted is for how long both servers have taken probes.
func accepted(probes []history.Probe, a, b string) (both time.Duration) {
	for _, p := range probes {
		for _, q := range probes {
			if p.Node == a && q.Node == b && p.Accepted() && q.Accepted() {
				both += max(0, min(p.To, q.To)-max(p.From, q.From))
			}
		}
	}
	return both
}

// TestRefusedPassword: a password that is refused is told from all else.
func TestRefusedPassword(t *testing.T) {
	t.Parallel()
	g := startGroup(t)
	o := g.options()
	o.Password = "wrong"
	r, err := Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	redistest.Until(t, "refusals are seen", func() bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		tries := 0
		for _, p := range r.group.Probes {
			tries += p.Tries
		}
		return tries >= 3 && len(r.group.Writes) > 0
	})
	h := history.History{Length: r.now(), Groups: []history.Group{r.Stop()}}
	if total := history.Check(h).Total; total.Credentials < 3 || total.Acknowledged > 0 {
		t.Errorf("found %+v", total)
	}
	if err := r.Clean(t.Context()); err == nil {
		t.Error("keys were removed with a wrong password")
	}
}

func TestStartRefuses(t *testing.T) {
	t.Parallel()
	if _, err := Start(t.Context(), Options{Group: "main"}); err == nil {
		t.Error("a recording of no servers begins")
	}
}
