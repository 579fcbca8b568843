// Package redis speaks to redis-server and redis-sentinel, Valkey's too, in
// typed calls on go-redis.
//
// A client is made for an observer that asks the same instance every second
// for years: at most two connections, one round trip per observation, no
// retries, no background goroutine, and every failure is one of a few errors
// that a caller tells apart with errors.Is. Passwords go in and never come out:
// comparisons are made here.
package redis

import (
	"context"
	"crypto/sha256"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"github.com/redfleet/redfleet/internal/fleet"
)

// DefaultTimeout is how long one connection attempt, read or write may take; a
// context with an earlier deadline shortens it.
const DefaultTimeout = time.Second

// poolSize lets a slow call and an observation go on side by side.
const poolSize = 2

// bufferSize holds each reply in use; go-redis's own 32 KiB would be memory
// that an agent pays for every connection.
const bufferSize = 8 << 10

// Dialer connects to an instance; *net.Dialer is one.
type Dialer interface {
	DialContext(ctx context.Context, network, addr string) (net.Conn, error)
}

// Network is the way to the instances. Its zero value is the machine's own.
type Network struct {
	// Dialer, when set, makes the connections: the simulation's.
	Dialer Dialer
}

// conn is what Server and SentinelClient share.
type conn struct {
	client *goredis.Client
	addr   fleet.Addr
	// digest of the password: enough to compare with, nothing to leak.
	digest digest
}

func (n Network) dial(addr fleet.Addr, password string, timeout time.Duration) conn {
	return conn{
		addr:   addr,
		digest: digestOf(password),
		client: goredis.NewClient(&goredis.Options{
			Addr:                  addr.String(),
			Password:              password,
			Protocol:              2,
			DisableIdentity:       true,
			MaxRetries:            -1,
			Dialer:                n.dialOnce,
			DialerRetries:         1,
			DialTimeout:           timeout,
			ReadTimeout:           timeout,
			WriteTimeout:          timeout,
			PoolTimeout:           timeout,
			ContextTimeoutEnabled: true,
			PoolSize:              poolSize,
			PipelinePoolSize:      -1,
			ReadBufferSize:        bufferSize,
			WriteBufferSize:       bufferSize,
			MaintNotificationsConfig: &maintnotifications.Config{
				Mode: maintnotifications.ModeDisabled,
			},
		}),
	}
}

// dialOnce connects, and hides a failure from go-redis's pool in a connection
// whose first use returns it. The pool itself would log each failure to stderr,
// answer later calls from memory, and dial again by itself once a second: an
// instance that has just come up would go unseen for that long.
func (n Network) dialOnce(ctx context.Context, network, addr string) (net.Conn, error) {
	d := n.Dialer
	if d == nil {
		d = &net.Dialer{}
	}
	c, err := d.DialContext(ctx, network, addr)
	if err != nil {
		return failedConn{err: err}, nil
	}
	return c, nil
}

// failedConn is a connection that could not be made.
type failedConn struct{ err error }

func (c failedConn) Read([]byte) (int, error)       { return 0, c.err }
func (c failedConn) Write([]byte) (int, error)      { return 0, c.err }
func (failedConn) Close() error                     { return nil }
func (failedConn) LocalAddr() net.Addr              { return &net.TCPAddr{} }
func (failedConn) RemoteAddr() net.Addr             { return &net.TCPAddr{} }
func (failedConn) SetDeadline(time.Time) error      { return nil }
func (failedConn) SetReadDeadline(time.Time) error  { return nil }
func (failedConn) SetWriteDeadline(time.Time) error { return nil }

// Addr is the instance that the client speaks to.
func (c conn) Addr() fleet.Addr { return c.addr }

// Close ends the connections.
func (c conn) Close() error { return c.client.Close() }

// Ping asks for a PONG on an authenticated connection.
func (c conn) Ping(ctx context.Context) error {
	_, err := c.do(ctx, "PING")
	return err
}

// OtherClients are the names of all connections of clients but this one's, empty
// for one without a name; links of replicas are left out. A sentinel answers too.
func (c conn) OtherClients(ctx context.Context) ([]string, error) {
	replies, err := c.pipeline(ctx, command("CLIENT", "ID"), command("CLIENT", "LIST"))
	if err != nil {
		return nil, err
	}
	id, err := replies[0].Int64()
	if err != nil {
		return nil, c.fail("CLIENT ID", err)
	}
	list, err := replies[1].Text()
	if err != nil {
		return nil, c.fail("CLIENT LIST", err)
	}
	return otherClients(list, id), nil
}

// otherClients reads lines as "id=3 addr=… name=… flags=N …"; S in the flags is a
// replica, M a master.
func otherClients(list string, own int64) []string {
	var names []string
	for line := range strings.Lines(list) {
		of := map[string]string{}
		for _, field := range strings.Fields(line) {
			key, value, _ := strings.Cut(field, "=")
			of[key] = value
		}
		if of["id"] != "" && of["id"] != strconv.FormatInt(own, 10) && !strings.ContainsAny(of["flags"], "SM") {
			names = append(names, of["name"])
		}
	}
	return names
}

// do sends one command; the error names it by its first words only, since
// arguments can be secrets.
func (c conn) do(ctx context.Context, args ...any) (any, error) {
	reply, err := c.client.Do(ctx, args...).Result()
	if err != nil {
		return nil, c.fail(fmt.Sprint(args[0]), err)
	}
	return reply, nil
}

// pipeline sends several commands in one round trip. Each command keeps its own
// error; the error returned is a failure to speak to the instance at all.
func (c conn) pipeline(ctx context.Context, commands ...[]any) ([]*goredis.Cmd, error) {
	pipe := c.client.Pipeline()
	replies := make([]*goredis.Cmd, len(commands))
	for i, args := range commands {
		replies[i] = pipe.Do(ctx, args...)
	}
	_, err := pipe.Exec(ctx)
	if err != nil && !(isReply(err) && anyFailed(replies)) {
		return nil, c.fail(fmt.Sprint(commands[0][0]), err)
	}
	return replies, nil
}

// anyFailed tells a reply to one of the commands from a refused password: the
// latter ends the pipeline before any command is sent, and go-redis then leaves
// every command without an error.
func anyFailed(replies []*goredis.Cmd) bool {
	for _, r := range replies {
		if r.Err() != nil {
			return true
		}
	}
	return false
}

// command is one command of a pipeline.
func command(args ...any) []any { return args }

// Probe opens a new connection, authenticates, asks for a PONG and closes: what
// a peer with this password would get. ErrAuth, ErrLoading and ErrUnreachable
// say why it would not.
func Probe(ctx context.Context, addr fleet.Addr, password string) error {
	return Network{}.Probe(ctx, addr, password)
}

// Probe is the function Probe over this network.
func (n Network) Probe(ctx context.Context, addr fleet.Addr, password string) error {
	c := n.dial(addr, password, DefaultTimeout)
	defer func() { _ = c.Close() }()
	return c.Ping(ctx)
}

// digest is the SHA-256 of a password, as ACL GETUSER shows it too.
type digest [sha256.Size]byte

func digestOf(password string) digest { return sha256.Sum256([]byte(password)) }
