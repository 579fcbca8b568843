package specfile

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/redfleet/redfleet/internal/fleet"
)

// A note explains one key of a configuration file. The example stands there,
// commented out, where the key is not set: mostly it is the default.
type note struct {
	key, text, example string
}

// CommentedAgent is an agent's file for people: each key with what it means, set
// where c sets it and commented out where it does not. ReadAgent reads c back from
// it. The zero value gives a file in which nothing is set.
func CommentedAgent(c AgentConfig) string {
	return "# The agent of this machine: what is true of it alone. What the fleet runs is in the\n" +
		"# spec. After a change: systemctl restart redfleet-agent (no instance is touched).\n" +
		commented(reflect.ValueOf(c), agentNotes())
}

// CommentedCoordinator is CommentedAgent for a coordinator's file.
func CommentedCoordinator(c CoordinatorConfig) string {
	return "# A coordinator: it elects, plans and verifies. Any number of machines can run one;\n" +
		"# one leads. After a change: systemctl restart redfleet-coordinator.\n" +
		commented(reflect.ValueOf(c), coordinatorNotes())
}

func agentNotes() []note {
	return []note{
		{"fleet", "The fleet that this machine belongs to. Required.", `"shop"`},
		{"node", "This machine's name in the fleet and in its spec: lower-case letters, digits and\nhyphens. Required; no other machine of the fleet may have it.", `"n1"`},
		{"address", "The one IP address at which the other machines reach this one: its instances\nlisten on it and announce it. Required.", `"10.0.0.11"`},
		{"announce_hostname", "The host name that is announced instead, in groups whose spec says\nannounce = \"hostname\".", `"n1.example.com"`},
		{"bind", "The addresses on which instances listen. Default: address alone.", `["10.0.0.11", "127.0.0.1"]`},
		{"http", "Where Consul asks this agent which roles its instances have. Default: port 6480\nof address.", `"10.0.0.11:6480"`},
		{"zone", "Where the machine stands (a rack, a power supply, an availability zone): elections\nspread over zones.", `"rack-1"`},
		{"priority", "Which machine is rather a master, lower first: 1 to 1000.", "100"},
		{"key_file", "The fleet's key, which opens the passwords. It must be root's alone (mode 0600).", `"/etc/redfleet/fleet.key"`},
		{"data_dir", "Where each instance has a folder for its files and data.", `"/var/lib/redfleet"`},
		{"state_dir", "Where the agent keeps what it must know after a restart. Default: state in\ndata_dir.", `"/var/lib/redfleet/state"`},
		{"templates_dir", "A folder with templates that override the built-in ones.", `"/etc/redfleet/templates"`},
		{"redis_server", "The engines' programs. Default: found in PATH.", `"/usr/bin/redis-server"`},
		{"valkey_server", "", `"/usr/bin/valkey-server"`},
		{"supervisor", "Who runs the instances: \"systemd\" as units of their own, or \"process\" where there\nis no systemd.", `"systemd"`},
		{"user", "The system user that the instances run as.", `"redfleet"`},
		{"instance_log", "Where the instances log to: \"journal\", or \"file\" for /var/log/redfleet/INSTANCE.log.", `"journal"`},
		{"preflight_ignore", "Checks of redfleet preflight, by name, whose errors do not keep the agent from\ninstalling an instance.", `["hugepages"]`},
		{"log_level", "What the agent logs: debug, info, warn or error; as text or json.", `"info"`},
		{"log_format", "", `"text"`},
		{"consul.address", "Consul: the agent on this machine, as host:port or a URL (http, https, unix).", `"127.0.0.1:8500"`},
		{"consul.token_file", "The file with this agent's ACL token, which other users may not read. The token\nitself never stands in this file.", `"/etc/redfleet/consul.token"`},
		{"labels", "Facts about the machine, for people; the agent reports them.", `rack = "12"`},
	}
}

func coordinatorNotes() []note {
	return []note{
		{"fleet", "The fleet to coordinate. Required.", `"shop"`},
		{"name", "What this coordinator is called in the lease and the events. Required.", `"n1"`},
		{"key_file", "The fleet's key, which seals and opens the passwords. It must be root's alone.", `"/etc/redfleet/fleet.key"`},
		{"lease_ttl", "How long a coordinator that is gone keeps its lease: 10s to 60s. Another one leads\nafter that time, at the latest after twice as long.", `"15s"`},
		{"log_level", "What it logs: debug, info, warn or error; as text or json.", `"info"`},
		{"log_format", "", `"text"`},
		{"consul.address", "Consul: the agent on this machine, as host:port or a URL (http, https, unix).", `"127.0.0.1:8500"`},
		{"consul.token_file", "The file with the coordinator's ACL token, which other users may not read.", `"/etc/redfleet/coordinator.token"`},
	}
}

// commented writes all keys in the notes' order. Keys of a table, which a dot
// marks, and tables of strings come last, as TOML wants it.
func commented(v reflect.Value, notes []note) string {
	var b strings.Builder
	table := ""
	for _, n := range notes {
		field := fieldAt(v, n.key)
		if field.Kind() == reflect.Map {
			b.WriteString(mapText(n, field))
			continue
		}
		name := n.key
		if t, key, found := strings.Cut(n.key, "."); found {
			name = key
			if t != table {
				table = t
				fmt.Fprintf(&b, "\n[%s]", t)
			}
		}
		b.WriteString(explained(n.text))
		if field.IsZero() {
			fmt.Fprintf(&b, "# %s = %s\n", name, n.example)
		} else {
			fmt.Fprintf(&b, "%s = %s\n", name, literal(field))
		}
	}
	return b.String()
}

// explained is a comment above a key, after an empty line.
func explained(text string) string {
	if text == "" {
		return ""
	}
	return "\n# " + strings.ReplaceAll(text, "\n", "\n# ") + "\n"
}

func mapText(n note, field reflect.Value) string {
	if field.Len() == 0 {
		return explained(n.text) + "# [" + n.key + "]\n# " + n.example + "\n"
	}
	values, _ := field.Interface().(map[string]string)
	var b strings.Builder
	b.WriteString(explained(n.text) + "[" + n.key + "]\n")
	for _, key := range slices.Sorted(maps.Keys(values)) {
		fmt.Fprintf(&b, "%s = %s\n", quoted(key), quoted(values[key]))
	}
	return b.String()
}

// fieldAt finds a key, as in consul.address, in a struct.
func fieldAt(v reflect.Value, key string) reflect.Value {
	for part := range strings.SplitSeq(key, ".") {
		v = v.Field(fieldsOf(v.Type())[part])
	}
	return v
}

// literal is a value in TOML.
func literal(v reflect.Value) string {
	if d, ok := v.Interface().(fleet.Duration); ok {
		return quoted(d.String())
	}
	switch v.Kind() {
	case reflect.String:
		return quoted(v.String())
	case reflect.Slice:
		items := make([]string, v.Len())
		for i := range items {
			items[i] = literal(v.Index(i))
		}
		return "[" + strings.Join(items, ", ") + "]"
	default: // a number, true or false
		return fmt.Sprint(v.Interface())
	}
}

// quoted is a basic string of TOML, which knows \u and \U and not Go's \x.
func quoted(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteRune('\\')
			b.WriteRune(r)
		case strconv.IsPrint(r):
			b.WriteRune(r)
		default:
			fmt.Fprintf(&b, `\U%08X`, r)
		}
	}
	b.WriteByte('"')
	return b.String()
}
