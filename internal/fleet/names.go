package fleet

import (
	"fmt"
	"net"
	"regexp"
	"strconv"
	"strings"
)

// Format is the version of the records' JSON. A reader refuses a record with a
// higher one, so that an old agent never acts on a goal that it half understands.
const Format = 1

// Topology says how the instances of a group work together.
type Topology string

// The topologies. Replication has no automatic failover.
const (
	Replication Topology = "replication"
	Sentinel    Topology = "sentinel"
)

// Topologies are the known ones, in the order in which help texts name them.
func Topologies() []string { return []string{string(Sentinel), string(Replication)} }

// Engines are the servers that redfleet can run.
func Engines() []string { return []string{EngineRedis, EngineValkey} }

// The engines' names as a spec writes them.
const (
	EngineRedis  = "redis"
	EngineValkey = "valkey"
)

// Kind is the sort of process that an instance is.
type Kind string

// The kinds of instance.
const (
	KindRedis    Kind = "redis"
	KindSentinel Kind = "sentinel"
)

// InstanceID names one instance on its node: kind, group and port, as in
// "redis-sessions-6379". It is a file name, a systemd instance name and a path
// element of a URL as it stands.
type InstanceID string

// NewInstanceID joins the three parts.
func NewInstanceID(kind Kind, group string, port int) InstanceID {
	return InstanceID(string(kind) + "-" + group + "-" + strconv.Itoa(port))
}

// Parts takes the id apart again; false where it is none.
func (id InstanceID) Parts() (kind Kind, group string, port int, ok bool) {
	first, rest, ok := strings.Cut(string(id), "-")
	last := strings.LastIndexByte(rest, '-')
	if !ok || last < 1 {
		return "", "", 0, false
	}
	port, err := strconv.Atoi(rest[last+1:])
	kind, group = Kind(first), rest[:last]
	known := kind == KindRedis || kind == KindSentinel
	return kind, group, port, err == nil && known && ValidName(group)
}

// Addr is where an instance is reached: the host that it announces (an address,
// or a host name where the group announces names) and its port.
type Addr struct {
	Host string `json:"host"`
	Port int    `json:"port"`
}

// String gives host:port, with brackets around an IPv6 address.
func (a Addr) String() string {
	if a == (Addr{}) {
		return ""
	}
	return net.JoinHostPort(a.Host, strconv.Itoa(a.Port))
}

// MarshalText writes host:port, so that records carry one string.
func (a Addr) MarshalText() ([]byte, error) { return []byte(a.String()), nil }

// UnmarshalText reads host:port; empty text is the zero Addr.
func (a *Addr) UnmarshalText(b []byte) error {
	if len(b) == 0 {
		*a = Addr{}
		return nil
	}
	host, port, err := net.SplitHostPort(string(b))
	if err != nil {
		return fmt.Errorf("address %q: want host:port: %w", b, err)
	}
	n, err := strconv.Atoi(port)
	if err != nil || n < 1 || n > 65535 {
		return fmt.Errorf("address %q: the port must be from 1 to 65535", b)
	}
	*a = Addr{Host: host, Port: n}
	return nil
}

// namePattern is a DNS label in lower case, because the names of nodes and
// groups become parts of Consul service names and so of DNS names (RFC 1123).
var namePattern = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)

// ValidName tells whether s can name a fleet, a group or a node.
func ValidName(s string) bool { return namePattern.MatchString(s) }
