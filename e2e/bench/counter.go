package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httputil"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"
)

// tableReads is how often the kernel's table of connections is read to find one:
// it is not written in one piece, so an entry can be passed over while others
// come and go.
const tableReads = 20

// counter is a reverse proxy before Consul's HTTP API that counts requests by the
// process that made them: by the owner of the connection's other end, so that
// nothing has to be said by redfleet itself.
type counter struct {
	addr   string
	server *http.Server

	mu sync.Mutex
	// owners is nil while nothing is counted; else the process of each connection.
	owners map[string]int
	counts map[int]int
	pids   []int
	// lost is why a request could not be counted: the count is worth nothing then.
	lost error
}

func startCounter(target string) (*counter, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: target})
	proxy.FlushInterval = -1 // blocking queries
	// A client that goes away leaves its blocking query behind; that is no news.
	proxy.ErrorHandler = func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) }
	c := &counter{addr: ln.Addr().String()}
	c.server = &http.Server{
		ReadHeaderTimeout: time.Minute,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			c.count(r.RemoteAddr)
			proxy.ServeHTTP(w, r)
		}),
	}
	go func() { _ = c.server.Serve(ln) }()
	return c, nil
}

func (c *counter) close() error { return c.server.Close() }

// countUntil counts the requests that these processes begin before the end.
func (c *counter) countUntil(ctx context.Context, end <-chan struct{}, pids []int) (map[int]int, error) {
	c.mu.Lock()
	c.owners, c.counts, c.pids, c.lost = map[string]int{}, map[int]int{}, pids, nil
	c.mu.Unlock()
	select {
	case <-ctx.Done():
	case <-end:
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.owners = nil
	return c.counts, errors.Join(ctx.Err(), c.lost)
}

func (c *counter) counting() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.owners != nil
}

func (c *counter) count(remote string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.owners == nil {
		return
	}
	pid, known := c.owners[remote]
	if !known {
		var err error
		if pid, err = connectionOwner(remote, c.pids); err != nil {
			c.lost = errors.Join(c.lost, fmt.Errorf("who asks from %s: %w", remote, err))
		}
		c.owners[remote] = pid
	}
	c.counts[pid]++
}

// connectionOwner finds which of the processes has the connection whose local end
// this is (proc(5), /proc/net/tcp and /proc/<pid>/fd); 0 when none of them has.
func connectionOwner(local string, pids []int) (int, error) {
	inode, err := socketInode(local)
	if err != nil {
		return 0, err
	}
	want := "socket:[" + inode + "]"
	for _, pid := range pids {
		dir := filepath.Join("/proc", strconv.Itoa(pid), "fd")
		fds, err := os.ReadDir(dir)
		if err != nil {
			return 0, err
		}
		for _, fd := range fds {
			if link, _ := os.Readlink(filepath.Join(dir, fd.Name())); link == want {
				return pid, nil
			}
		}
	}
	return 0, nil
}

func socketInode(local string) (string, error) {
	addr, err := netip.ParseAddrPort(local)
	if err != nil {
		return "", err
	}
	// The kernel writes the four bytes as one number of the machine's own order.
	b := addr.Addr().As4()
	want := fmt.Sprintf("%02X%02X%02X%02X:%04X", b[3], b[2], b[1], b[0], addr.Port())
	for range tableReads {
		table, err := os.ReadFile("/proc/net/tcp")
		if err != nil {
			return "", err
		}
		for line := range strings.SplitSeq(string(table), "\n") {
			// An inode of 0 has no owner (any more).
			if fields := strings.Fields(line); len(fields) > 9 && fields[1] == want && fields[9] != "0" {
				return fields[9], nil
			}
		}
	}
	return "", fmt.Errorf("%s is not in /proc/net/tcp", local)
}
