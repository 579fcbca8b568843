package sim

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/redfleet/redfleet/internal/fleet"
	"github.com/redfleet/redfleet/internal/records"
	"github.com/redfleet/redfleet/internal/redisconf"
	"github.com/redfleet/redfleet/internal/safefile"
)

// clientHost is where clients and operators sit.
const clientHost = "10.0.0.99"

// clients write to the group "main": they ask a sentinel for the master, write a
// key there, and ask with WAIT how many replicas have it.
type clients struct {
	w *World

	mu       sync.Mutex
	password string
	master   fleet.Addr
	written  int
	// safe are the keys that every server of the group had.
	safe map[int]*copies
	// stuck are the disks that take nothing, or took nothing a while ago.
	stuck map[string]stuck
	more  bool
}

// run writes until ctx ends.
func (c *clients) run(ctx context.Context) {
	for n := 1; ctx.Err() == nil; n++ {
		pause(ctx, c.w.chance.between(300*time.Millisecond, 700*time.Millisecond, "client", strconv.Itoa(n)))
		if c.secret() == "" {
			continue
		}
		limited, cancel := context.WithTimeout(ctx, time.Second)
		master, err := c.ask(limited, c.w.nodes[n%len(c.w.nodes)].host)
		if err == nil {
			err = c.write(limited, master, n)
		}
		cancel()
		if err != nil {
			c.w.trace("client", "%d: %v", n, err)
		}
	}
}

// secret is the group's password, as an operator would know it.
func (c *clients) secret() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, n := range c.w.nodes {
		if c.password != "" {
			break
		}
		b, err := safefile.Read(filepath.Join(n.folder("redis-main-6379"), "redis.conf"))
		if err != nil {
			continue
		}
		if f, err := redisconf.Parse(b); err == nil {
			if lines := f.Get("requirepass"); len(lines) == 1 {
				c.password = lines[0][0]
			}
		}
	}
	return c.password
}

func (c *clients) ask(ctx context.Context, host string) (fleet.Addr, error) {
	replies, err := c.talk(ctx, net.JoinHostPort(host, "26379"), "SENTINEL GET-MASTER-ADDR-BY-NAME main")
	if err != nil {
		return fleet.Addr{}, err
	}
	list, _ := replies[0].([]string)
	if len(list) != 2 {
		return fleet.Addr{}, fmt.Errorf("no master: %v", replies[0])
	}
	port, err := strconv.Atoi(list[1])
	a := fleet.Addr{Host: list[0], Port: port}
	c.mu.Lock()
	c.master = a
	c.mu.Unlock()
	return a, err
}

func (c *clients) write(ctx context.Context, master fleet.Addr, n int) error {
	key := fmt.Sprintf("k%d", n)
	in := c.w.members()
	replies, err := c.talk(ctx, master.String(), "SET "+key+" v", "WAIT "+strconv.Itoa(len(in)-1)+" 100")
	if err != nil {
		return err
	}
	if replies[0] != "OK" {
		return fmt.Errorf("SET on %s: %v", master, replies[0])
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.written++
	if copies, _ := replies[1].(string); number("k"+copies) >= len(in)-1 && c.w.allHold(key, in) {
		c.everywhere(n, in)
	}
	return nil
}

// copies is where a key is, as far as a fault did not take it. torn: the power of a
// server went before its disk had it.
type copies struct {
	at    time.Duration
	nodes map[string]bool
	torn  bool
}

// everywhere: key n reached every server, so each has all the data. The caller
// holds mu.
func (c *clients) everywhere(n int, in []*node) {
	c.safe[n] = &copies{at: c.w.now()}
	for _, k := range c.safe {
		k.nodes, k.torn = map[string]bool{}, false
		for _, node := range in {
			k.nodes[node.name] = true
		}
	}
}

// lost: a node does not hold any more what came in within the last while, or ever.
// Keys that nobody holds any more are forgiven.
func (c *clients) lost(node string, within time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for n, k := range c.safe {
		if c.w.now()-k.at <= within {
			if delete(k.nodes, node); len(k.nodes) == 0 {
				delete(c.safe, n)
			}
		}
	}
}

// missing are the safe keys that a server does not have.
func (c *clients) missing(ctx context.Context, at fleet.Addr) (gone []int, safe int, err error) {
	c.mu.Lock()
	var keys []int
	var commands []string
	for n := range c.safe {
		keys = append(keys, n)
		commands = append(commands, fmt.Sprintf("EXISTS k%d", n))
	}
	c.mu.Unlock()
	if len(keys) == 0 {
		return nil, 0, nil
	}
	replies, err := c.talk(ctx, at.String(), commands...)
	if err != nil {
		return nil, 0, err
	}
	for i, r := range replies {
		if r != "1" {
			gone = append(gone, keys[i])
		}
	}
	return gone, len(keys), nil
}

// talk sends commands over a connection of its own.
func (c *clients) talk(ctx context.Context, addr string, commands ...string) ([]any, error) {
	conn, err := c.w.redis.DialContext(ctx, clientHost, "tcp", addr)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	if deadline, ok := ctx.Deadline(); ok {
		_ = conn.SetDeadline(deadline)
	}
	var b strings.Builder
	for _, line := range append([]string{"AUTH " + c.password}, commands...) {
		words := strings.Fields(line)
		fmt.Fprintf(&b, "*%d\r\n", len(words))
		for _, w := range words {
			fmt.Fprintf(&b, "$%d\r\n%s\r\n", len(w), w)
		}
	}
	if _, err := io.WriteString(conn, b.String()); err != nil {
		return nil, err
	}
	r := bufio.NewReader(conn)
	var out []any
	for range len(commands) + 1 {
		v, err := reply(r)
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out[1:], nil
}

// reply reads one RESP2 reply: text, or a list of texts.
func reply(r *bufio.Reader) (any, error) {
	line, err := r.ReadString('\n')
	if err != nil || len(line) < 3 {
		return nil, fmt.Errorf("the connection broke: %w", err)
	}
	line = strings.TrimSpace(line)
	switch line[0] {
	case '$':
		n, err := strconv.Atoi(line[1:])
		if err != nil || n < 0 {
			return "", err
		}
		buf := make([]byte, n+2)
		if _, err := io.ReadFull(r, buf); err != nil {
			return nil, err
		}
		return string(buf[:n]), nil
	case '*':
		n, err := strconv.Atoi(line[1:])
		var list []string
		for i := 0; err == nil && i < n; i++ {
			var item any
			item, err = reply(r)
			text, _ := item.(string)
			list = append(list, text)
		}
		return list, err
	default:
		return line[1:], nil
	}
}

// apply writes the spec, as `redfleet apply` does.
func (c *clients) apply(kind Kind) {
	c.mu.Lock()
	c.more = c.more || kind == ApplyMore
	more := c.more
	c.mu.Unlock()
	rec := fleet.SpecRecord{Format: fleet.Format, Spec: c.w.sameMembers(specOf(c.w.schedule, more))}
	b, err := records.Encode(rec)
	if err != nil {
		c.w.fail("simulation", "%v", err)
		return
	}
	c.w.consul.ask("PUT", "/v1/kv/"+fleet.KeysOf(fleetName).Spec(), b)
}

// specOf is the spec that the operator applies.
func specOf(s Schedule, more bool) fleet.Spec {
	var nodes []string
	for i := range nodeCount {
		nodes = append(nodes, fmt.Sprintf("n%d", i+1))
	}
	group := func(name string, port int) fleet.GroupSpec {
		g := fleet.GroupSpec{Name: name, Nodes: nodes, Port: port}
		g.Sentinel.Port, g.Sentinel.DownAfter = port+20000, fleet.Duration(2*time.Second)
		if s.Evidence {
			g.Sentinel.DownAfter = fleet.Duration(5 * time.Second)
		}
		g.Sentinel.FailoverTimeout = fleet.Duration(20 * time.Second)
		g.Config = fleet.Directives{"appendonly": {"yes"}}
		if !s.Persist {
			g.Config = fleet.Directives{"appendonly": {"no"}, "save": {""}}
		}
		return g
	}
	spec := fleet.Spec{Groups: []fleet.GroupSpec{group("main", 6379)}}
	spec.Fleet.Name = fleetName
	if more {
		spec.Groups = append(spec.Groups, group("more", 6380))
	}
	return spec.WithDefaults()
}
