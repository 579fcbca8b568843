package sim

import (
	"strings"
	"sync"

	"github.com/redfleet/redfleet/internal/fleet"
)

// unannounced notes, from what the sentinels of group main tell, which servers were
// promoted by a sentinel that ended before it announced that: the others lead the next
// failover and may promote another replica, for which redfleet asked no more than for the
// first (docs/guarantees.md, "Two masters"; seed 3059). The zero value is ready; it may be
// used from several goroutines.
type unannounced struct {
	mu sync.Mutex
	// promotes is the server that a sentinel promotes now.
	promotes map[string]string
	servers  map[string]bool
}

// told takes one event as Sentinel writes it to its log, or the end of its process.
func (u *unannounced) told(sentinel, event string) {
	words := strings.Fields(event)
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.promotes == nil {
		u.promotes, u.servers = map[string]string{}, map[string]bool{}
	}
	server, promotes := u.promotes[sentinel]
	switch {
	case words[0] == "follows", !promotes && (words[0] == "ends:" || event == "loses power"):
		delete(u.servers, sentinel) // it is no master any more; here it is a server that tells
	case words[0] == "+switch-master" && words[1] == "main":
		delete(u.servers, words[4]+":"+words[5]) // a sentinel knows
	case strings.HasPrefix(event, "+failover-state-wait-promotion slave ") && strings.Contains(event, " @ main "):
		u.promotes[sentinel] = words[2]
	case !promotes:
	case event == "loses power", words[0] == "ends:":
		u.servers[server] = true
		delete(u.promotes, sentinel)
	case words[0] == "+failover-state-reconf-slaves", strings.HasPrefix(event, "-failover-abort"):
		delete(u.promotes, sentinel)
	}
}

// has: a server was promoted so, and is a master still of which no sentinel knows.
func (u *unannounced) has(server fleet.Addr) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.servers[server.String()]
}
