package specfile

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/redfleet/redfleet/internal/fleet"
)

// checks gathers what is wrong with the values of a configuration file.
type checks []fleet.Problem

func (k *checks) addf(path, format string, args ...any) {
	*k = append(*k, fleet.Problem{Path: path, Message: fmt.Sprintf(format, args...)})
}

func (k *checks) name(path, what, name string) {
	const rule = "1 to 63 lower-case letters, digits and hyphens, with no hyphen at either end"
	switch {
	case name == "":
		k.addf(path, "missing: the name of %s, of %s", what, rule)
	case !fleet.ValidName(name):
		k.addf(path, "%q cannot be a name; use %s", name, rule)
	}
}

// address: what an instance announces is one plain address that its peers can
// connect to (hazard S11).
func (k *checks) address(path, address string) {
	if address == "" {
		k.addf(path, "missing: the IP address at which other nodes reach this one")
		return
	}
	ip, err := netip.ParseAddr(address)
	switch {
	case err != nil:
		k.addf(path, "%q is no IP address; write the one at which other nodes reach this one, as in 10.0.0.11 "+
			"(a host name goes into announce_hostname)", address)
	case ip.IsUnspecified() || ip.IsMulticast() || ip.Zone() != "":
		k.addf(path, "%s is announced to other nodes, which cannot connect to it; write the node's own address, as in 10.0.0.11", address)
	}
}

func (k *checks) binds(path string, addresses []string) {
	if addresses != nil && len(addresses) == 0 {
		k.addf(path, "the list is empty, so nothing could connect; list addresses, or take the line out to listen on address")
	}
	for i, a := range addresses {
		if _, err := netip.ParseAddr(a); err != nil {
			k.addf(element(path, i), "%q is no IP address to listen on", a)
		}
	}
}

func (k *checks) listen(path, hostport string) {
	if hostport != "" && !isHostPort(hostport) {
		k.addf(path, "%q is not host:port, as in 10.0.0.11:%s", hostport, defaultHTTPPort)
	}
}

func isHostPort(s string) bool {
	host, port, err := net.SplitHostPort(s)
	if err != nil || host == "" {
		return false
	}
	n, err := strconv.Atoi(port)
	return err == nil && n >= 1 && n <= 65535
}

// hostnamePattern: a name of RFC 1123, in the letters that Redis passes on.
var hostnamePattern = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*$`)

func (k *checks) hostname(path, name string) {
	if name != "" && (len(name) > 253 || !hostnamePattern.MatchString(name)) {
		k.addf(path, "%q is no host name", name)
	}
}

func (k *checks) consul(path string, c ConsulConfig) {
	switch {
	case strings.Contains(c.Address, "@"): // not repeated: a password may stand before it
		k.addf(path+".address", "a user or password has no place in the address of Consul; put an ACL token into token_file")
	case !isConsulAddress(c.Address):
		k.addf(path+".address", "%q is no address of Consul; write host:port, as in %s, or a URL that begins with http://, https:// or unix://",
			c.Address, defaultConsul)
	}
	k.tokenFile(path+".token_file", c.TokenFile)
}

func isConsulAddress(s string) bool {
	if isHostPort(s) {
		return true
	}
	u, err := url.Parse(s)
	if err != nil {
		return false
	}
	switch u.Scheme {
	case "http", "https":
		return u.Host != ""
	case "unix":
		return u.Path != ""
	default:
		return false
	}
}

// tokenFile: a token that others can read is theirs (promise secrets-stay-secret).
func (k *checks) tokenFile(path, file string) {
	if file == "" || !k.absolute(path, file) {
		return
	}
	info, err := os.Stat(file)
	switch {
	case err != nil:
		k.addf(path, "the file cannot be used: %s", plain(err))
	case !info.Mode().IsRegular():
		k.addf(path, "%s is not a plain file", file)
	case info.Mode().Perm()&0o007 != 0:
		k.addf(path, "%s can be read by every user (mode %04o); run: chmod o-rwx %s", file, info.Mode().Perm(), file)
	}
}

func (k *checks) folder(path, dir string) {
	if dir == "" || !k.absolute(path, dir) {
		return
	}
	if info, err := os.Stat(dir); err != nil {
		k.addf(path, "the folder cannot be used: %s", plain(err))
	} else if !info.IsDir() {
		k.addf(path, "%s is not a folder", dir)
	}
}

func (k *checks) program(path, file string) {
	if file == "" || !k.absolute(path, file) {
		return
	}
	if info, err := os.Stat(file); err != nil {
		k.addf(path, "the program cannot be used: %s; take the line out to find it in PATH", plain(err))
	} else if !info.Mode().IsRegular() || info.Mode().Perm()&0o111 == 0 {
		k.addf(path, "%s is not a program that can be run", file)
	}
}

// plain is an error of the file system without the name of the system call.
func plain(err error) string {
	return strings.TrimPrefix(err.Error(), "stat ")
}

func (k *checks) absolute(path, file string) bool {
	if filepath.IsAbs(file) {
		return true
	}
	k.addf(path, "%q is relative, so it would depend on where the process was started; write it from / on", file)
	return false
}

// userPattern is what useradd(8) takes, and nothing that means something else in
// a unit file.
var userPattern = regexp.MustCompile(`^[a-z_][a-z0-9_-]{0,30}$`)

func (k *checks) user(path, name string) {
	switch {
	case !userPattern.MatchString(name):
		k.addf(path, "%q is no name of a system user", name)
	case name == "root":
		k.addf(path, "an engine does not run as root; use a user of its own, as %s, which the package makes", defaultUser)
	}
}

func (k *checks) logging(level, format string) {
	k.oneOf("log_level", level, []string{"debug", "info", "warn", "error"})
	k.oneOf("log_format", format, []string{"text", "json"})
}

func (k *checks) oneOf(path, word string, known []string) {
	if slices.Contains(known, word) {
		return
	}
	hint := ""
	if near, ok := fleet.Nearest(word, known); ok {
		hint = fmt.Sprintf("; did you mean %q?", near)
	}
	k.addf(path, "unknown word %q; use %s%s", word, strings.Join(known, ", "), hint)
}
