package specfile

import (
	"net"
	"net/netip"
	"path/filepath"
)

// The defaults of an agent's file.
const (
	defaultConsul    = "127.0.0.1:8500"
	defaultKeyFile   = "/etc/redfleet/fleet.key"
	defaultDataDir   = "/var/lib/redfleet"
	defaultHTTPPort  = "6480"
	defaultPriority  = 100
	maxPriority      = 1000
	defaultUser      = "redfleet"
	defaultLogLevel  = "info"
	defaultLogFormat = "text"
)

// ReadAgent reads an agent's file. The result has its defaults filled in and is
// valid; the error is as ReadSpec's. Whether the fleet's key can be used is for
// the reader of the key to say, since it knows what a key looks like.
func ReadAgent(path string) (AgentConfig, error) {
	var c AgentConfig
	f, err := read(path, &c)
	if err != nil {
		return AgentConfig{}, err
	}
	c = c.WithDefaults()
	if err := f.verdict(c.problems()); err != nil {
		return AgentConfig{}, err
	}
	return c, nil
}

// WithDefaults fills in all that the file left out.
func (c AgentConfig) WithDefaults() AgentConfig {
	c.Consul = c.Consul.withDefaults()
	if _, err := netip.ParseAddr(c.Address); err == nil { // else nothing follows from it
		if c.Bind == nil { // an empty list is somebody's mistake
			c.Bind = []string{c.Address}
		}
		setDefault(&c.HTTP, net.JoinHostPort(c.Address, defaultHTTPPort))
	}
	if c.Priority == 0 {
		c.Priority = defaultPriority
	}
	setDefault(&c.KeyFile, defaultKeyFile)
	setDefault(&c.DataDir, defaultDataDir)
	setDefault(&c.StateDir, filepath.Join(c.DataDir, "state"))
	setDefault(&c.Supervisor, SupervisorSystemd)
	setDefault(&c.User, defaultUser)
	setDefault(&c.InstanceLog, LogJournal)
	setDefault(&c.LogLevel, defaultLogLevel)
	setDefault(&c.LogFormat, defaultLogFormat)
	return c
}

func setDefault(field *string, value string) {
	if *field == "" {
		*field = value
	}
}

// What runs the instances.
const (
	// SupervisorSystemd: each instance is a unit of systemd.
	SupervisorSystemd = "systemd"
	// SupervisorProcess: plain processes, for the lab and for containers.
	SupervisorProcess = "process"
)

// Supervisors are the ways to run instances, in the order in which help texts
// name them.
func Supervisors() []string { return []string{SupervisorSystemd, SupervisorProcess} }

// Where an instance's own log goes under systemd.
const (
	LogJournal = "journal"
	// LogFile is /var/log/redfleet/<instance>.log.
	LogFile = "file"
)

func (c AgentConfig) problems() checks {
	var k checks
	k.name("fleet", "the fleet that this node belongs to", c.Fleet)
	k.name("node", "this node", c.Node)
	k.address("address", c.Address)
	k.binds("bind", c.Bind)
	k.listen("http", c.HTTP)
	k.hostname("announce_hostname", c.AnnounceHostname)
	if c.Priority < 1 || c.Priority > maxPriority {
		k.addf("priority", "%d is out of range; use 1 to %d, lower first", c.Priority, maxPriority)
	}
	k.consul("consul", c.Consul)
	k.absolute("key_file", c.KeyFile)
	if k.absolute("data_dir", c.DataDir) { // else the two by default are no better
		k.absolute("state_dir", c.StateDir)
	}
	k.folder("templates_dir", c.TemplatesDir)
	k.program("redis_server", c.RedisServer)
	k.program("valkey_server", c.ValkeyServer)
	k.oneOf("supervisor", c.Supervisor, Supervisors())
	k.user("user", c.User)
	k.oneOf("instance_log", c.InstanceLog, []string{LogJournal, LogFile})
	k.logging(c.LogLevel, c.LogFormat)
	return k
}
