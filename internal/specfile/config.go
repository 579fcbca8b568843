package specfile

import "github.com/redfleet/redfleet/internal/fleet"

// ConsulConfig is how a process reaches Consul.
type ConsulConfig struct {
	// Address is host:port, or a URL that begins with http://, https:// or
	// unix://. Default: the local agent, 127.0.0.1:8500.
	Address string `toml:"address,omitempty"`
	// TokenFile holds the ACL token; empty for none. The token itself is never
	// in a configuration file that may be read by others.
	TokenFile string `toml:"token_file,omitempty"`
}

// AgentConfig is an agent's own file: what is true of its machine alone.
type AgentConfig struct {
	// Fleet and Node are required: names as fleet.ValidName wants them.
	Fleet string `toml:"fleet"`
	Node  string `toml:"node"`
	// Address is required: the one IP address at which the node's instances are
	// reached and which they announce (hazard S11).
	Address string `toml:"address"`
	// AnnounceHostname is announced instead of Address by groups whose spec says
	// announce = "hostname".
	AnnounceHostname string `toml:"announce_hostname,omitempty"`
	// Bind are the addresses on which the instances listen. Default: Address.
	Bind []string `toml:"bind,omitempty"`
	// HTTP is host:port of the role checks that Consul makes. Default: port
	// 6480 of Address.
	HTTP string `toml:"http,omitempty"`
	// Zone is where the machine stands; the election spreads over zones.
	Zone string `toml:"zone,omitempty"`
	// Priority breaks ties in the election, lower first as in Redis. 1 to
	// 1000, default 100.
	Priority int `toml:"priority,omitzero"`
	// Labels are facts about the machine for people and for later choices of
	// nodes; the agent reports them.
	Labels map[string]string `toml:"labels,omitempty"`
	Consul ConsulConfig      `toml:"consul,omitempty"`
	// KeyFile is the fleet's age key. Default: /etc/redfleet/fleet.key.
	KeyFile string `toml:"key_file,omitempty"`
	// DataDir holds a folder for each instance. Default: /var/lib/redfleet.
	DataDir string `toml:"data_dir,omitempty"`
	// StateDir holds what the agent remembers. Default: <data_dir>/state.
	StateDir string `toml:"state_dir,omitempty"`
	// TemplatesDir overrides the built-in templates; empty for none.
	TemplatesDir string `toml:"templates_dir,omitempty"`
	// RedisServer and ValkeyServer are the engines' binaries; empty: found in
	// PATH. A sentinel runs from the same binary.
	RedisServer  string `toml:"redis_server,omitempty"`
	ValkeyServer string `toml:"valkey_server,omitempty"`
	// Supervisor runs the instances: "systemd" (default) as units of their own,
	// or "process" where there is no systemd: in the lab and in containers.
	Supervisor string `toml:"supervisor,omitempty"`
	// User runs the instances under systemd and owns their files. Default:
	// redfleet. As plain processes they run as the agent's own user.
	User string `toml:"user,omitempty"`
	// InstanceLog is where the instances' own logs go under systemd: "journal"
	// (default), or "file" for /var/log/redfleet/<instance>.log.
	InstanceLog string `toml:"instance_log,omitempty"`
	// PreflightIgnore are checks of redfleet preflight, by name, whose errors do
	// not keep the agent from installing an instance.
	PreflightIgnore []string `toml:"preflight_ignore,omitempty"`
	// LogLevel is debug, info (default), warn or error; LogFormat text (default)
	// or json.
	LogLevel  string `toml:"log_level,omitempty"`
	LogFormat string `toml:"log_format,omitempty"`
}

// CoordinatorConfig is a coordinator's own file.
type CoordinatorConfig struct {
	// Fleet is required.
	Fleet string `toml:"fleet"`
	// Name tells coordinators apart in the lease and the events; required.
	Name string `toml:"name"`
	// KeyFile is the fleet's age key. Default: /etc/redfleet/fleet.key.
	KeyFile string       `toml:"key_file,omitempty"`
	Consul  ConsulConfig `toml:"consul,omitempty"`
	// LeaseTTL is how long the lease outlives its last renewal: 10 s (Consul's
	// least, hazard K1) to 60 s, default 15 s.
	LeaseTTL  fleet.Duration `toml:"lease_ttl,omitzero"`
	LogLevel  string         `toml:"log_level,omitempty"`
	LogFormat string         `toml:"log_format,omitempty"`
}
