package templates

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/Masterminds/semver/v3"

	"github.com/redfleet/redfleet/internal/fleet"
)

// Node is what an instance's machine adds to its goal.
type Node struct {
	// Bind are the addresses to listen on.
	Bind []string
	// Dir is the instance's own folder (hazard D8), an absolute path.
	Dir string
	// Password is the group's, in clear.
	Password string
	// PidFile and LogFile may be empty: no file, and stdout.
	PidFile, LogFile string
	// Version is the installed engine's; nil counts as the oldest supported.
	Version *semver.Version
}

// RedisData is all that redis.conf is made of.
type RedisData struct {
	Node
	Group, GroupID string
	Engine         string
	Topology       fleet.Topology
	// Addr is what the server announces; its port is also the one it listens on.
	Addr fleet.Addr
	// MasterAuth is what it shows its master: the same as Password unless a
	// rotation is under way (hazard S9).
	MasterAuth string
	// ReplicaOf is nil on the initial master. It counts at the first start only.
	ReplicaOf *fleet.Addr
	// ReplicaPriority is 0 for a server that must not be promoted yet (S19).
	ReplicaPriority int
	// LoadRDB starts the server with appendonly no, whatever else says so: with
	// appendonly yes, no AOF and an RDB file Redis 7 ignores the file and starts
	// empty (hazard D3). Once it runs, CONFIG SET appendonly yes and CONFIG
	// REWRITE bring it to what is wanted.
	LoadRDB bool
	// Config is what the spec sets; each value is one line after the name.
	Config fleet.Directives
}

// DefaultReplicaPriority is the engine's own default.
const DefaultReplicaPriority = 100

// NewRedisData fills the data from a goal. replicaOf is the master to follow
// from the first start on, nil for the initial master.
func NewRedisData(g fleet.InstanceGoal, n Node, replicaOf *fleet.Addr) RedisData {
	return RedisData{
		Node: n, Group: g.Group, GroupID: g.GroupID, Engine: g.Engine, Topology: g.Topology,
		Addr: g.Addr, MasterAuth: n.Password, ReplicaOf: replicaOf,
		ReplicaPriority: DefaultReplicaPriority, Config: g.Config,
	}
}

// String and GoString keep the passwords out of every log (promise
// secrets-stay-secret).
func (d RedisData) String() string { return "redis.conf of " + d.Group + " at " + d.Addr.String() }

// GoString is String.
func (d RedisData) GoString() string { return d.String() }

// Since tells whether the engine has what Redis got with a version ("7.0").
// Valkey began as Redis 7.2.4.
func (d RedisData) Since(version string) bool { return since(d.Engine, d.Version, version) }

func since(engine string, have *semver.Version, version string) bool {
	want, err := semver.NewVersion(version)
	if err != nil {
		return false
	}
	if engine == fleet.EngineValkey {
		return want.Compare(semver.New(7, 2, 4, "", "")) <= 0
	}
	return have != nil && have.Compare(want) >= 0
}

func (d RedisData) check() error {
	if d.Topology != fleet.Replication && d.Topology != fleet.Sentinel {
		return fmt.Errorf("topology %q is not known", d.Topology)
	}
	if d.MasterAuth == "" {
		return errors.New("there is no masterauth: every server of a group needs it (hazard S9)")
	}
	if err := checkCommon(d.Addr, d.Node); err != nil {
		return err
	}
	_, err := d.Settings()
	return err
}

// checkCommon refuses what would start a server open to all, or nowhere.
func checkCommon(addr fleet.Addr, n Node) error {
	switch {
	case n.Password == "":
		return errors.New("there is no password: redfleet runs no instance without one (hazards S9, E4)")
	case addr.Host == "" || addr.Port < 1 || addr.Port > 65535:
		return fmt.Errorf("the address to announce, %q, is not whole (hazard S11)", addr)
	case len(n.Bind) == 0:
		return errors.New("there is no address to bind to: an instance without one listens on all (hazard E4)")
	case n.Dir == "" || n.Dir[0] != '/':
		return fmt.Errorf("the instance's folder %q is no absolute path", n.Dir)
	}
	return nil
}

// wants is what the rendered redis.conf must hold.
func (d RedisData) wants() []want {
	wants := append(wantsCommon(d.Addr.Port, d.Node),
		one("masterauth", d.MasterAuth),
		one("replica-announce-ip", d.Addr.Host),
		one("replica-announce-port", strconv.Itoa(d.Addr.Port)),
		one("replica-read-only", "yes"),
		one("replica-priority", strconv.Itoa(d.ReplicaPriority)),
		one("dbfilename", "dump.rdb"),
	)
	role := want{name: "replicaof"}
	if d.ReplicaOf != nil {
		role.lines = [][]string{{d.ReplicaOf.Host, strconv.Itoa(d.ReplicaOf.Port)}}
	}
	wants = append(wants, role)
	for _, s := range d.settings() {
		wants = append(wants, want(s))
	}
	return wants
}

// wantsCommon is what both files hold.
func wantsCommon(port int, n Node) []want {
	wants := []want{
		one("bind", n.Bind...),
		one("port", strconv.Itoa(port)),
		one("protected-mode", "yes"),
		one("requirepass", n.Password),
		one("dir", n.Dir),
		one("daemonize", "no"),
		one("supervised", "auto"),
		one("logfile", n.LogFile),
	}
	pidfile := want{name: "pidfile"}
	if n.PidFile != "" {
		pidfile.lines = [][]string{{n.PidFile}}
	}
	return append(wants, pidfile)
}
