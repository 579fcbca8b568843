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
// is not there yet.
func base(ctx context.Context, cache string, r recipe, log logrus.FieldLogger) (string, error) {
	name, err := r.name()
	if err != nil {
		return "", err
	}
	return cached(ctx, cache, name, log, func(ctx context.Context, dir string) error { return build(ctx, dir, r) })
}

// Cached returns the folder of this name in redfleet's cache, and has it built
// where it is not there yet: build fills the folder that it is given. The name
// should hold a hash of all that goes in, since what is there is never renewed.
//
// One at a time builds; the others wait. A build that fails or is cut off leaves
// nothing that looks like the folder: it gets its name when it is whole. Processes
// that build has started (Debootstrap, Isolated) end with it.
func Cached(ctx context.Context, name string, log logrus.FieldLogger, build func(ctx context.Context, dir string) error) (string, error) {
	cache, err := cacheDir()
	if err != nil {
		return "", err
	}
	return cached(ctx, cache, name, log, build)
}

func cached(ctx context.Context, cache, name string, log logrus.FieldLogger, build func(ctx context.Context, dir string) error) (string, error) {
	dir := filepath.Join(cache, name)
	if _, err := os.Stat(dir); err == nil {
		return dir, nil
	}
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return "", fmt.Errorf("the cache of images: %w", err)
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
		return "", fmt.Errorf("a folder for the image: %w", err)
	}
	log.Infof("Building the image %s; this happens once and takes about a minute.", dir)
	start := time.Now()
	if err := build(ctx, temp); err != nil {
		return "", errors.Join(fmt.Errorf("building the image %s: %w", name, err), os.RemoveAll(temp))
	}
	if err := os.Rename(temp, dir); err != nil {
		return "", errors.Join(err, os.RemoveAll(temp))
	}
	log.Infof("The image took %.0f s.", time.Since(start).Seconds())
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
			return fmt.Errorf("an unfinished image: %w", err)
		}
	}
	return nil
}

// build makes the base image in dir.
func build(ctx context.Context, dir string, r recipe) error {
	if err := Debootstrap(ctx, dir, r.suite, r.packages); err != nil {
		return err
	}
	if err := copyFile(r.consul, filepath.Join(dir, "usr/bin/consul"), 0o755); err != nil {
		return err
	}
	unit := filepath.Join(dir, "etc/systemd/system/consul.service")
	if err := os.WriteFile(unit, []byte(consulUnit), 0o644); err != nil {
		return err
	}
	if err := addEngines(ctx, dir, r); err != nil {
		return err
	}
	return Isolated(ctx, strings.NewReader(finishScript), "chroot", dir, "/bin/sh", "-s")
}

// Debootstrap makes a Debian with these packages in dir, which is there and empty,
// from the mirror that this machine's apt names. It mounts and starts things in
// there, so it runs in namespaces that vanish with it.
func Debootstrap(ctx context.Context, dir, suite string, packages []string) error {
	from, err := mirror(os.DirFS("/etc/apt"), suite)
	if err != nil {
		return err
	}
	if err := os.Chmod(dir, 0o755); err != nil { // it becomes a root folder
		return err
	}
	err = Isolated(ctx, nil, "debootstrap", "--variant=minbase", "--keyring="+archiveKeys,
		"--include="+strings.Join(packages, ","), suite, dir, from)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil {
		return fmt.Errorf("%w (does `apt-get update` reach the mirror that /etc/apt names?)", err)
	}
	return nil
}

// Isolated runs a command of the host with mounts and processes of its own: when it
// ends, or we do, nothing of either is left. The error has the end of its output.
func Isolated(ctx context.Context, stdin io.Reader, argv ...string) error {
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
