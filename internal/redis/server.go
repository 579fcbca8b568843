package redis

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/redfleet/redfleet/internal/fleet"
)

// Server is a client of one redis-server. It is safe for several goroutines.
type Server struct{ conn }

// Dial prepares a client; the first call connects.
func Dial(addr fleet.Addr, password string) *Server {
	return DialTimeout(addr, password, DefaultTimeout)
}

// DialTimeout is Dial with a time limit of its own for each connect, read and write.
func DialTimeout(addr fleet.Addr, password string, timeout time.Duration) *Server {
	return &Server{Network{}.dial(addr, password, timeout)}
}

// Server is Dial over this network.
func (n Network) Server(addr fleet.Addr, password string) *Server {
	return &Server{n.dial(addr, password, DefaultTimeout)}
}

// Role is a ROLE reply.
type Role struct {
	Role fleet.Role
	// Master is what a replica follows.
	Master fleet.Addr
	// LinkState of a replica: "none", "connect", "connecting", "handshake",
	// "sync" or "connected".
	LinkState string
	// Offset is the replication offset; -1 on a replica that never synced.
	Offset int64
}

// Role asks for the role. It is answered while the dataset is loading too.
func (s *Server) Role(ctx context.Context) (Role, error) {
	reply, err := s.do(ctx, "ROLE")
	if err != nil {
		return Role{}, err
	}
	list, _ := reply.([]any)
	role, ok := parseRole(list)
	if !ok {
		return Role{}, fmt.Errorf("ROLE on %s: unexpected reply %v", s.addr, reply)
	}
	return role, nil
}

func parseRole(list []any) (Role, bool) {
	if len(list) < 2 {
		return Role{}, false
	}
	switch text(list[0]) {
	case "master":
		return Role{Role: fleet.RoleMaster, Offset: number(list[1])}, true
	case "slave":
		if len(list) < 5 {
			return Role{}, false
		}
		return Role{
			Role:      fleet.RoleReplica,
			Master:    fleet.Addr{Host: text(list[1]), Port: int(number(list[2]))},
			LinkState: text(list[3]),
			Offset:    number(list[4]),
		}, true
	}
	return Role{}, false
}

// ConfigGet reads directives, in one round trip. One that the engine does not
// know is left out. Do not log what it returns: a directive can be a secret.
func (s *Server) ConfigGet(ctx context.Context, names ...string) (map[string]string, error) {
	if len(names) == 0 {
		return map[string]string{}, nil
	}
	commands := make([][]any, len(names))
	for i, name := range names {
		commands[i] = command("CONFIG", "GET", name)
	}
	replies, err := s.pipeline(ctx, commands...)
	if err != nil {
		return nil, err
	}
	values := make(map[string]string, len(names))
	for _, r := range replies {
		list, err := r.Slice()
		if err != nil {
			return nil, s.fail("CONFIG GET", err)
		}
		for i := 0; i+1 < len(list); i += 2 {
			values[text(list[i])] = text(list[i+1])
		}
	}
	return values, nil
}

// ConfigSet changes a directive until the next restart; ConfigRewrite makes it
// stay. The error names the directive and never its value.
func (s *Server) ConfigSet(ctx context.Context, name, value string) error {
	err := s.client.Do(ctx, "CONFIG", "SET", name, value).Err()
	if err == nil {
		return nil
	}
	if value != "" && isReply(err) && strings.Contains(err.Error(), value) {
		return fmt.Errorf("CONFIG SET %s on %s was refused; the reply repeats the value and is not shown", name, s.addr)
	}
	return s.fail("CONFIG SET "+name, err)
}

// ConfigRewrite writes the live settings to redis.conf. An error here means that
// the next restart comes up in an old role (hazard S15).
func (s *Server) ConfigRewrite(ctx context.Context) error {
	_, err := s.do(ctx, "CONFIG", "REWRITE")
	return err
}

// Set writes a key; ErrReadOnly on a replica.
func (s *Server) Set(ctx context.Context, key, value string) error {
	_, err := s.do(ctx, "SET", key, value)
	return err
}

// Get reads a key; found is false when there is none.
func (s *Server) Get(ctx context.Context, key string) (value string, found bool, err error) {
	reply, err := s.do(ctx, "GET", key)
	if errors.Is(err, goredis.Nil) {
		return "", false, nil
	}
	if err != nil {
		return "", false, err
	}
	return text(reply), true, nil
}

// Del removes a key; one that is not there is no error.
func (s *Server) Del(ctx context.Context, key string) error {
	_, err := s.do(ctx, "DEL", key)
	return err
}

// ReplicaOf makes the instance follow a master; the zero Addr makes it a master.
// After bootstrap Sentinel does this, not redfleet (promise sentinel-owns-master).
func (s *Server) ReplicaOf(ctx context.Context, master fleet.Addr) error {
	host, port := any("NO"), any("ONE")
	if master != (fleet.Addr{}) {
		host, port = master.Host, master.Port
	}
	_, err := s.do(ctx, "REPLICAOF", host, port)
	return err
}

// Shutdown asks the server to end, with or without a last save. nil means that
// it closed the connection; a server that cannot save refuses and says so
// (hazard D2).
func (s *Server) Shutdown(ctx context.Context, nosave bool) error {
	mode := "SAVE"
	if nosave {
		mode = "NOSAVE"
	}
	err := s.client.Do(ctx, "SHUTDOWN", mode).Err()
	if errors.Is(err, io.EOF) || err == nil {
		return nil
	}
	return s.fail("SHUTDOWN", err)
}

// ClientID is the server's number of this client's connection: the same number
// means that the connection did not break.
func (s *Server) ClientID(ctx context.Context) (string, error) {
	v, err := s.do(ctx, "CLIENT", "ID")
	if err != nil {
		return "", err
	}
	return fmt.Sprint(v), nil
}
