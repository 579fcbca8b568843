//go:build e2e

package vagrant

import (
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/redfleet/redfleet/e2e/machinetest"
)

// TestVagrantfile has Vagrant check the settings for each provider, those inside the
// providers' blocks too, which `vagrant validate` looks at only where a provider can
// be used: libvirt's and lxc's plugins can as they are, VirtualBox's wants to hear a
// version. The same file with a mistake in it must be refused.
func TestVagrantfile(t *testing.T) {
	ctx := machinetest.Context(t, 5*time.Minute)
	text, err := os.ReadFile(filepath.Join(folder, "Vagrantfile"))
	check(t, err)
	deb := filepath.Join(t.TempDir(), "redfleet.deb")
	check(t, os.WriteFile(deb, nil, 0o600))

	validate := func(t *testing.T, provider, vagrantfile string, more ...string) (string, error) {
		t.Helper()
		home := t.TempDir()
		check(t, os.WriteFile(filepath.Join(home, "VBoxManage"), []byte("#!/bin/sh\necho 7.0.20r163906\n"), 0o755))
		cmd := exec.CommandContext(ctx, "vagrant", append([]string{"validate"}, more...)...)
		cmd.Env = append(os.Environ(), "VAGRANT_CWD="+absolute(t, folder), "VAGRANT_VAGRANTFILE="+vagrantfile,
			"VAGRANT_HOME="+home, "VAGRANT_DOTFILE_PATH="+home, "VAGRANT_DEFAULT_PROVIDER="+provider,
			"VAGRANT_CHECKPOINT_DISABLE=1", "REDFLEET_DEB="+deb, "PATH="+home+":"+os.Getenv("PATH"))
		out, err := cmd.CombinedOutput()
		return string(out), err
	}

	for provider, typo := range map[string]string{
		"virtualbox": "virtualbox.memory", "libvirt": "libvirt.memory", "lxc": "lxc.tmpfs_mount_size",
	} {
		t.Run(provider, func(t *testing.T) {
			for _, more := range [][]string{nil, {"--ignore-provider"}} {
				if out, err := validate(t, provider, "Vagrantfile", more...); err != nil {
					t.Errorf("vagrant validate %v: %v:\n%s", more, err, out)
				}
			}
			bad := strings.Replace(string(text), typo, typo+"_of_old", 1)
			path := writeBeside(t, bad)
			setting := typo[strings.Index(typo, ".")+1:] + "_of_old"
			if out, err := validate(t, provider, path); err == nil || !strings.Contains(out, setting) {
				t.Errorf("%s was not found: %v:\n%s", setting, err, out)
			}
		})
	}
}

// writeBeside writes a Vagrantfile into the folder of the real one, since it loads
// what lies beside it, and returns its name.
func writeBeside(t *testing.T, text string) string {
	t.Helper()
	f, err := os.CreateTemp(folder, ".Vagrantfile-")
	check(t, err)
	t.Cleanup(func() { check(t, os.Remove(f.Name())) })
	_, err = f.WriteString(text)
	check(t, err)
	check(t, f.Close())
	return filepath.Base(f.Name())
}

// TestAddresses: VirtualBox refuses host-only addresses outside of this range, unless
// its administrator says otherwise, and gives the first one to the host.
func TestAddresses(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(folder, "Vagrantfile"))
	check(t, err)
	found := regexp.MustCompile(`ENV\.fetch\("REDFLEET_ADDRESS", "([^"]+)"\)`).FindSubmatch(text)
	if found == nil {
		t.Fatal("the Vagrantfile has no default of REDFLEET_ADDRESS")
	}
	first, err := netip.ParseAddr(string(found[1]))
	check(t, err)
	last := first.As4()
	last[3] += 12 // NODES=13
	for _, address := range []netip.Addr{first, netip.AddrFrom4(last)} {
		if !netip.MustParsePrefix("192.168.56.0/21").Contains(address) || address.As4()[3] < 2 {
			t.Errorf("%s is no address for a machine in VirtualBox's default range", address)
		}
	}
}

// TestRefusals: what is set wrong is refused by name, before any machine.
func TestRefusals(t *testing.T) {
	ctx := machinetest.Context(t, 5*time.Minute) // seven times Vagrant, which takes seconds to start
	for name, c := range map[string]struct{ variable, want string }{
		"an even number": {"NODES=4", "take an odd number"},
		"no number":      {"NODES=many", "take an odd number"},
		"too many":       {"NODES=15", "take an odd number"},
		"no address":     {"REDFLEET_ADDRESS=lab.example.com", "take an IPv4 address"},
		"no room":        {"REDFLEET_ADDRESS=192.168.56.253", "leaves room for 3"},
		"no package":     {"REDFLEET_DEB=/nowhere/redfleet.deb", "make deb"},
		"no bridge":      {"REDFLEET_LXC_BRIDGE=none0", "ip link add none0 type bridge"},
	} {
		t.Run(name, func(t *testing.T) {
			home := t.TempDir()
			deb := filepath.Join(home, "redfleet.deb")
			check(t, os.WriteFile(deb, nil, 0o600))
			cmd := exec.CommandContext(ctx, "vagrant", "up")
			cmd.Env = append(os.Environ(), "VAGRANT_CWD="+absolute(t, folder), "VAGRANT_HOME="+home, "VAGRANT_DOTFILE_PATH="+home,
				"VAGRANT_DEFAULT_PROVIDER=lxc", "VAGRANT_CHECKPOINT_DISABLE=1", "REDFLEET_DEB="+deb, c.variable)
			out, err := cmd.CombinedOutput()
			if err == nil || !strings.Contains(string(out), c.want) || strings.Contains(string(out), ".rb:") {
				t.Errorf("vagrant up with %s: %v:\n%s\nwant %q and no trace of Ruby's", c.variable, err, out, c.want)
			}
		})
	}
}
