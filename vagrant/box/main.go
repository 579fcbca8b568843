// Command box makes the box for Vagrant's lxc provider: Debian bookworm with systemd
// as its init, an SSH server and the engine, by debootstrap from the mirror that this
// machine's apt names. It prints the path of the box, which is kept in the user's
// cache folder and made once.
//
// Root is needed, and what `.ci/install vagrant` installs.
package main

import (
	"context"
	"crypto/sha256"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/sirupsen/logrus"

	"github.com/redfleet/redfleet/e2e/machine"
)

const suite = "bookworm"

//go:embed finish.sh vagrant.pub lxc-config metadata.json
var files embed.FS

func packages() []string {
	return []string{
		"systemd", "systemd-sysv", "dbus", "openssh-server", "sudo", "iproute2", "procps", "curl",
		"ca-certificates", "redis-server", "redis-sentinel", "redis-tools",
	}
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	log := logrus.New() // to stderr: the path alone goes to stdout
	path, err := makeBox(ctx, log)
	if err != nil {
		log.Error(err)
		stop()
		os.Exit(1)
	}
	fmt.Println(path)
}

// makeBox returns the path of the box.
func makeBox(ctx context.Context, log logrus.FieldLogger) (string, error) {
	if os.Geteuid() != 0 {
		return "", errors.New("debootstrap needs root: run this as root, for example by sudo")
	}
	name, err := boxName()
	if err != nil {
		return "", err
	}
	dir, err := machine.Cached(ctx, name, log, build)
	if err != nil {
		return "", err
	}
	return filepath.Join(dir, "package.box"), nil
}

// boxName holds a hash of all that goes into the box.
func boxName() (string, error) {
	sum := sha256.New()
	_, _ = fmt.Fprintln(sum, suite, packages())
	err := fs.WalkDir(files, ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := files.ReadFile(path)
		_, _ = fmt.Fprintf(sum, "%s %d:%s\n", path, len(text), text)
		return err
	})
	return fmt.Sprintf("box-%s-%.12x", suite, sum.Sum(nil)), err
}

// build makes package.box in dir and leaves nothing else there.
func build(ctx context.Context, dir string) error {
	root := filepath.Join(dir, "rootfs")
	if err := os.Mkdir(root, 0o755); err != nil {
		return err
	}
	if err := machine.Debootstrap(ctx, root, suite, packages()); err != nil {
		return err
	}
	if err := put("vagrant.pub", root); err != nil {
		return err
	}
	finish, err := files.ReadFile("finish.sh")
	if err != nil {
		return err
	}
	if err := machine.Isolated(ctx, strings.NewReader(string(finish)), "chroot", root, "/bin/sh", "-s"); err != nil {
		return err
	}
	return pack(ctx, dir)
}

// pack makes the archive that vagrant-lxc expects: the root folder as an archive of
// its own, beside the container's configuration.
func pack(ctx context.Context, dir string) error {
	parts := []string{"metadata.json", "lxc-config"}
	for _, name := range parts {
		if err := put(name, dir); err != nil {
			return err
		}
	}
	err := machine.Isolated(ctx, nil, "tar", "--create", "--numeric-owner", "--use-compress-program=gzip -1",
		"--file="+filepath.Join(dir, "rootfs.tar.gz"), "--directory="+dir, "./rootfs")
	if err != nil {
		return err
	}
	parts = append(parts, "rootfs.tar.gz")
	box := []string{"tar", "--create", "--file=" + filepath.Join(dir, "package.box"), "--directory=" + dir}
	err = machine.Isolated(ctx, nil, append(box, parts...)...)
	if err != nil {
		return err
	}
	for _, name := range append(parts, "rootfs") {
		if err := os.RemoveAll(filepath.Join(dir, name)); err != nil {
			return err
		}
	}
	return nil
}

// put writes one of the embedded files into dir.
func put(name, dir string) error {
	text, err := files.ReadFile(name)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, name), text, 0o644)
}
