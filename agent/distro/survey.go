package distro

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"syscall"

	"github.com/redfleet/redfleet/internal/fleet"
	"github.com/redfleet/redfleet/internal/redis"
	"github.com/redfleet/redfleet/internal/redisconf"
	"github.com/redfleet/redfleet/internal/secret"
	"github.com/redfleet/redfleet/systemd"
)

// Surveyor looks at the servers and sentinels that run under the distribution's
// units, for `redfleet adopt`. It only looks: it asks systemd, reads the units'
// configuration files, and asks what runs with the password of its own file, which
// stays in memory (promise secrets-stay-secret).
type Surveyor struct {
	// Host is the node's address, by which peers know what runs here.
	Host string
	// DataDir is where redfleet's instances have their folders.
	DataDir string
	// Digest stands for a password where none must be shown.
	Digest func(secret.Password) string
	// Defaults and Seeds are the engine's own values and those of redfleet's
	// template, by directive.
	Defaults, Seeds func(ctx context.Context, engine string) (map[string]string, error)
}

// Look gives an entry for each such unit that runs. An error means that systemd
// gave no answer.
func (s Surveyor) Look(ctx context.Context) ([]fleet.Foreign, error) {
	units, err := systemd.Units(ctx, Patterns()...)
	if err != nil {
		return nil, err
	}
	var out []fleet.Foreign
	for _, u := range units {
		if u.Running && !u.Masked {
			out = append(out, s.one(ctx, u))
		}
	}
	return out, nil
}

func (s Surveyor) one(ctx context.Context, u systemd.Unit) fleet.Foreign {
	f := fleet.Foreign{Unit: u.Name, Kind: fleet.KindRedis, Engine: fleet.EngineRedis}
	if strings.HasPrefix(u.Name, fleet.EngineValkey) {
		f.Engine = fleet.EngineValkey
	}
	if strings.Contains(u.Name, "-sentinel") {
		f.Kind = fleet.KindSentinel
	}
	refuse := func(format string, args ...any) { f.Refused = append(f.Refused, fmt.Sprintf(format, args...)) }
	if !shipped(u.Fragment) {
		refuse("its unit %s is no package's, and redfleet changes no unit that an operator wrote", u.Fragment)
	}
	set, err := readSettings(u.Argv, f.Kind == fleet.KindSentinel)
	if err != nil {
		refuse("its configuration cannot be used (%v)", err)
		return f
	}
	f.Conf, f.Dir, f.Addr = set.file, set.dir, fleet.Addr{Host: s.Host, Port: set.ask.Port}
	f.Password = s.Digest(set.password)
	f.Refused = append(f.Refused, refusedLines(set, f.Kind)...)
	if set.ask.Port == 0 {
		refuse("%v", errNoPort)
		return f
	}
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	if f.Kind == fleet.KindSentinel {
		err = s.sentinel(ctx, set, &f)
	} else {
		err = s.server(ctx, set, &f)
	}
	if err != nil {
		refuse("it runs and does not answer at %s with the password of its own file (%v)", f.Addr, err)
	}
	return f
}

func (s Surveyor) server(ctx context.Context, set settings, f *fleet.Foreign) error {
	c := redis.Dial(f.Addr, set.password.Reveal())
	defer func() { _ = c.Close() }()
	info, err := c.Observe(ctx)
	if err != nil {
		return err
	}
	live, err := c.ConfigGet(ctx, "*")
	if err != nil {
		return err
	}
	defaults, err := s.Defaults(ctx, f.Engine)
	if err != nil {
		return err
	}
	seeds, err := s.Seeds(ctx, f.Engine)
	if err != nil {
		return err
	}
	f.Version = info.Version
	f.Redis = &fleet.ForeignRedis{Role: info.Role, ReplID: info.ReplID, Master: info.Master, LinkUp: info.LinkUp,
		Config: ownSettings(set.lines, live, defaults, seeds)}
	f.Refused = append(f.Refused, refusedLive(live, s.Host)...)
	if info.Loading {
		f.Refused = append(f.Refused, "it is loading its data")
	}
	if auth, err := secret.NewPassword(live["masterauth"]); err == nil {
		f.Redis.MasterAuth = s.Digest(auth)
	}
	if why := otherFilesystem(set.dir, s.DataDir); why != "" {
		f.Refused = append(f.Refused, why)
	}
	return nil
}

func (s Surveyor) sentinel(ctx context.Context, set settings, f *fleet.Foreign) error {
	c := redis.DialSentinel(f.Addr, set.password.Reveal())
	defer func() { _ = c.Close() }()
	f.Sentinel = &fleet.ForeignSentinel{}
	v, err := c.Observe(ctx, "", false) // no master has this name: what it watches is in the report all the same
	if err != nil {
		return err
	}
	f.Version, f.Sentinel.MyID = v.Report.Version, v.Report.MyID
	for _, name := range v.Report.Monitored {
		m, err := c.Observe(ctx, name, false)
		if err != nil {
			return err
		}
		f.Sentinel.Masters = append(f.Sentinel.Masters, s.watched(name, m, set.lines))
	}
	return nil
}

func (s Surveyor) watched(name string, v redis.View, lines []redisconf.Directive) fleet.ForeignMaster {
	m := fleet.ForeignMaster{
		Name: name, Addr: v.Report.Master, Quorum: v.Report.Quorum, Flags: v.Report.MasterFlags,
		DownAfter: fleet.Duration(v.Master.DownAfter), FailoverTimeout: fleet.Duration(v.Master.FailoverTimeout),
		ParallelSyncs: v.Master.ParallelSyncs,
	}
	for _, r := range v.Report.Replicas {
		m.Replicas = append(m.Replicas, r.Addr)
	}
	for _, p := range v.Report.Peers {
		m.Peers = append(m.Peers, p.Addr)
	}
	for _, d := range lines { // SENTINEL MASTER does not tell it; Sentinel writes each change into its file
		if d.Name == "sentinel auth-pass" && len(d.Args) == 2 && d.Args[0] == name {
			if p, err := secret.NewPassword(d.Args[1]); err == nil {
				m.AuthPass = s.Digest(p)
			}
		}
	}
	return m
}

// otherFilesystem: a move of data between file systems would be a copy, which can
// end half-way; a rename cannot (promise data-wins).
func otherFilesystem(from, to string) string {
	var a, b syscall.Stat_t
	if err := errors.Join(syscall.Stat(from, &a), syscall.Stat(to, &b)); err != nil {
		return fmt.Sprintf("whether its data can be moved is not known (%v)", err)
	}
	if a.Dev != b.Dev {
		return fmt.Sprintf("its data in %s is on another file system than %s, so it cannot move there by a rename; "+
			"set data_dir in the node's agent.toml to a folder on the same one", from, to)
	}
	return ""
}

// refusedLines are the lines of a file that redfleet could not carry over.
func refusedLines(set settings, kind fleet.Kind) (why []string) {
	for _, d := range set.lines {
		if reason := refusedLine(d, kind); reason != "" {
			why = append(why, reason)
		}
	}
	if set.names != defaultNames() {
		why = append(why, fmt.Sprintf("its data files have names of their own (%s, %s); redfleet uses the engine's", set.names.RDB, set.names.AOF))
	}
	return why
}

func refusedLine(d redisconf.Directive, kind fleet.Kind) string {
	first := ""
	if len(d.Args) > 0 {
		first = d.Args[0]
	}
	set := first != "" && first != "no"
	switch d.Name {
	case "aclfile", "masteruser", "sentinel auth-user", "sentinel sentinel-user":
		if first != "" {
			return d.Name + " is set: redfleet keeps one password for one user and no ACL of other users yet"
		}
	case "user":
		if first != "default" || passwordsOf(d.Args) > 1 {
			return "it has ACL users or several passwords (a \"user\" line): redfleet keeps one password for the default user"
		}
	case "rename-command", "sentinel rename-command":
		return "commands are renamed (rename-command): redfleet and its checks use them by their names"
	case "loadmodule":
		return "it loads a module, which redfleet does not support yet"
	case "include":
		return "it includes other files; put their lines into the file itself"
	case "sentinel notification-script", "sentinel client-reconfig-script":
		return d.Name + " is set: redfleet's sandbox runs no scripts; follow `redfleet events` or Consul instead"
	case "unixsocket":
		if set {
			return "clients may come over its socket (unixsocket), which redfleet does not open; take the line out once none does"
		}
	case "cluster-enabled":
		if set {
			return "it is part of a Redis Cluster"
		}
	case "sentinel resolve-hostnames", "sentinel announce-hostnames":
		if set {
			return "it goes by host names (" + d.Name + "); redfleet adopts groups that go by addresses"
		}
	default:
		if kind == fleet.KindRedis && (d.Name == "tls-port" || d.Name == "tls-replication") && set && first != "0" {
			return "it uses TLS, which redfleet does not support yet"
		}
	}
	return ""
}

// passwordsOf counts the passwords of a user line, in clear or hashed.
func passwordsOf(rules []string) (n int) {
	for _, rule := range rules {
		if rule != "" && strings.ContainsRune("#>", rune(rule[0])) {
			n++
		}
	}
	return n
}

// refusedLive are live settings that redfleet would change by running the server.
func refusedLive(live map[string]string, host string) (why []string) {
	refuse := func(is bool, reason string) {
		if is {
			why = append(why, reason)
		}
	}
	refuse(live["requirepass"] == "", "it asks for no password; set requirepass and masterauth on every server first (CONFIG SET, CONFIG REWRITE)")
	announce := live["replica-announce-ip"]
	refuse(announce != "" && announce != host, "it announces "+announce+" (replica-announce-ip), the node's agent "+host)
	port := live["replica-announce-port"]
	refuse(port != "" && port != "0" && port != live["port"], "it announces another port ("+port+") than it listens on")
	refuse(live["replica-read-only"] == "no", "its replicas take writes (replica-read-only no)")
	refuse(live["aclfile"] != "", "aclfile is set: redfleet keeps one password for one user and no ACL of other users yet")
	refuse(live["masteruser"] != "", "masteruser is set: redfleet keeps one password for one user and no ACL of other users yet")
	refuse(live["tls-port"] != "" && live["tls-port"] != "0", "it uses TLS, which redfleet does not support yet")
	_, err := strconv.Atoi(live["port"])
	refuse(err != nil, "it does not tell its port")
	return why
}
