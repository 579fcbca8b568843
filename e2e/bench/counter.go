package main

import (
	"bufio"
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
}

func startCounter(target string) (*counter, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: target})
	proxy.FlushInterval = -1 // blocking queries
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

// countFor counts the requests that these processes begin within the window.
func (c *counter) countFor(ctx context.Context, window time.Duration, pids []int) (map[int]int, error) {
	c.mu.Lock()
	c.owners, c.counts, c.pids = map[string]int{}, map[int]int{}, pids
	c.mu.Unlock()
	timer := time.NewTimer(window)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.owners = nil
	return c.counts, ctx.Err()
}

func (c *counter) count(remote string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.owners == nil {
		return
	}
	pid, known := c.owners[remote]
	if !known {
		// 0, somebody else, when it is none of ours: a coordinator, say.
		pid, _ = connectionOwner(remote, c.pids)
		c.owners[remote] = pid
	}
	c.counts[pid]++
}

var errNoOwner = errors.New("none of these processes has the connection")

// connectionOwner finds which process has the connection whose local end this is
// (proc(5), /proc/net/tcp and /proc/<pid>/fd).
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
	return 0, errNoOwner
}

func socketInode(local string) (string, error) {
	addr, err := netip.ParseAddrPort(local)
	if err != nil {
		return "", err
	}
	// The kernel writes the four bytes as one number of the machine's own order.
	b := addr.Addr().As4()
	want := fmt.Sprintf("%02X%02X%02X%02X:%04X", b[3], b[2], b[1], b[0], addr.Port())
	file, err := os.Open("/proc/net/tcp")
	if err != nil {
		return "", err
	}
	defer func() { _ = file.Close() }()
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		if fields := strings.Fields(lines.Text()); len(fields) > 9 && fields[1] == want {
			return fields[9], nil
		}
	}
	return "", errors.Join(errNoOwner, lines.Err())
}
