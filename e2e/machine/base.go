package machine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/sirupsen/logrus"
	"golang.org/x/sys/unix"
)

const archiveKeys = "/usr/share/keyrings/debian-archive-keyring.gpg"

// base returns the folder of the recipe's image in cache, and builds it where it
// is not there yet. One at a time does so; the others wait. A build that is cut
// off leaves nothing that looks like an image: it gets its name when it is whole.
func base(ctx context.Context, cache string, r recipe, log logrus.FieldLogger) (string, error) {
	name, err := r.name()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(cache, name)
	if _, err := os.Stat(dir); err == nil {
		return dir, nil
	}
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return "", fmt.Errorf("the cache of base images: %w", err)
	}
	unlock, err := lock(ctx, filepath.Join(cache, name+".lock"))
	if err != nil {
		return "", fmt.Errorf("waiting for another run that builds %s: %w", dir, err)
	}
	defer unlock()
	if _, err := os.Stat(dir); err == nil {
		return dir, nil
	}
	if err := removeUnfinished(cache, name); err != nil {
		return "", err
	}
	temp, err := os.MkdirTemp(cache, "."+name+"-")
	if err != nil {
		return "", fmt.Errorf("a folder for the base image: %w", err)
	}
	log.Infof("Building the base image %s; this happens once and takes about a minute.", dir)
	start := time.Now()
	if err := build(ctx, temp, r); err != nil {
		return "", errors.Join(fmt.Errorf("building the base image of %s: %w", r.suite, err), os.RemoveAll(temp))
	}
	if err := os.Rename(temp, dir); err != nil {
		return "", errors.Join(err, os.RemoveAll(temp))
	}
	log.Infof("The base image took %.0f s.", time.Since(start).Seconds())
	return dir, nil
}

// removeUnfinished removes what builds of this image left that were killed. Their
// mounts were in a namespace of their own and are gone. The caller has the lock.
func removeUnfinished(cache, name string) error {
	left, err := filepath.Glob(filepath.Join(cache, "."+name+"-*"))
	if err != nil {
		return err
	}
	for _, dir := range left {
		if err := os.RemoveAll(dir); err != nil {
			return fmt.Errorf("an unfinished base image: %w", err)
		}
	}
	return nil
}

// build makes the image in dir. debootstrap mounts and starts things in there,
// so it runs in namespaces that vanish with it.
func build(ctx context.Context, dir string, r recipe) error {
	from, err := mirror(os.DirFS("/etc/apt"), r.suite)
	if err != nil {
		return err
	}
	if err := os.Chmod(dir, 0o755); err != nil { // it becomes the nodes' root folder
		return err
	}
	err = isolated(ctx, nil, "debootstrap", "--variant=minbase", "--keyring="+archiveKeys,
		"--include="+strings.Join(r.packages, ","), r.suite, dir, from)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil {
		return fmt.Errorf("%w (does `apt-get update` reach the mirror that /etc/apt names?)", err)
	}
	if err := copyFile(r.consul, filepath.Join(dir, "usr/bin/consul"), 0o755); err != nil {
		return err
	}
	unit := filepath.Join(dir, "etc/systemd/system/consul.service")
	if err := os.WriteFile(unit, []byte(consulUnit), 0o644); err != nil {
		return err
	}
	return isolated(ctx, strings.NewReader(finishScript), "chroot", dir, "/bin/sh", "-s")
}

// isolated runs a command with mounts and processes of its own: when it ends, or
// we do, nothing of either is left.
func isolated(ctx context.Context, stdin io.Reader, argv ...string) error {
	wrapped := []string{"unshare", "--mount", "--propagation", "private", "--pid", "--fork", "--kill-child", "--mount-proc", "--"}
	wrapped = append(wrapped, argv...)
	cmd := hostCommand(ctx, baseMark(), wrapped...)
	cmd.Stdin = stdin
	if proxy := aptProxy(ctx); proxy != "" && os.Getenv("http_proxy") == "" {
		cmd.Env = append(cmd.Env, "http_proxy="+proxy)
	}
	out, err := cmd.CombinedOutput()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil {
		return fmt.Errorf("%s: %w: %s", argv[0], err, tail(string(out), 12))
	}
	return nil
}

// aptProxy is the proxy that apt goes through, empty where there is none.
func aptProxy(ctx context.Context) string {
	out, err := exec.CommandContext(ctx, "apt-config", "dump", "--format", "%v", "Acquire::http::Proxy").Output()
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(out))
}

func tail(text string, lines int) string {
	all := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}

func copyFile(from, to string, mode os.FileMode) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, mode)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Chmod(mode), out.Close())
}

// lock takes the file's lock, which the kernel gives back when we end. It waits
// until ctx ends.
func lock(ctx context.Context, path string) (unlock func(), err error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	for {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			return func() { _ = f.Close() }, nil
		}
		if !errors.Is(err, unix.EWOULDBLOCK) {
			return nil, errors.Join(err, f.Close())
		}
		if err := sleep(ctx, 100*time.Millisecond); err != nil {
			return nil, errors.Join(err, f.Close())
		}
	}
}

// sleep waits for d, or until ctx ends, which is then its error.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-timer.C:
		return nil
	}
}
