package machine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"

	"golang.org/x/sys/unix"
)

// blockDisk mounts a new ext4 on host, on a loop device over a file in memory that has
// no name: a disk that can break, and whose fsync does not wait for the host's own.
func blockDisk(host string, size int64) (*os.File, error) {
	image, err := memoryFile(size)
	if err != nil {
		return nil, err
	}
	err = withLoop(image, func(device string) error {
		if err := tool(context.Background(), "mkfs.ext4", "-q", "-F", "-m", "0", device); err != nil {
			return err
		}
		return mountDisk(device, host)
	})
	if err == nil {
		err = os.Remove(host + "/lost+found")
	}
	if err != nil {
		return nil, errors.Join(err, image.Close())
	}
	return image, nil
}

func memoryFile(size int64) (*os.File, error) {
	fd, err := unix.MemfdCreate("disk", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("memory for a disk: %w", err)
	}
	f := os.NewFile(uintptr(fd), "disk")
	if err := f.Truncate(size); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// withLoop gives a loop device over the image, which the kernel frees when nothing
// uses it any more: after the call, or with its last mount.
func withLoop(image *os.File, use func(device string) error) error {
	control, err := os.OpenFile("/dev/loop-control", os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer func() { _ = control.Close() }()
	config := unix.LoopConfig{Fd: uint32(image.Fd()), Info: unix.LoopInfo64{Flags: unix.LO_FLAGS_AUTOCLEAR}}
	for {
		number, err := unix.IoctlRetInt(int(control.Fd()), unix.LOOP_CTL_GET_FREE)
		if err != nil {
			return fmt.Errorf("a free loop device: %w", err)
		}
		path := fmt.Sprintf("/dev/loop%d", number)
		device, err := os.OpenFile(path, os.O_RDWR, 0)
		if err != nil {
			return err
		}
		err = unix.IoctlLoopConfigure(int(device.Fd()), &config)
		if err == nil {
			err = use(path)
			return errors.Join(err, device.Close())
		}
		_ = device.Close()
		if !errors.Is(err, unix.EBUSY) { // else somebody else took it
			return fmt.Errorf("%s over a file in memory: %w", path, err)
		}
	}
}

func mountDisk(device, host string) error {
	if err := unix.Mount(device, host, "ext4", 0, "errors=remount-ro"); err != nil {
		return fmt.Errorf("mounting %s on %s: %w", device, host, err)
	}
	return nil
}

// BreakDisk makes one of the node's block disks read-only at once, as ext4 does on an
// error below it: also for files that are open for writing, and what was not synced is
// lost. RepairDisk takes it back.
func (n *Node) BreakDisk(path string) error {
	d, err := n.blockDisk(path)
	if err != nil {
		return err
	}
	// A mere remount,ro is refused (EBUSY) while a file is open for writing.
	if err := unix.Mount("", d.host, "", unix.MS_REMOUNT, "abort"); err != nil {
		return fmt.Errorf("breaking %s of %s: %w", path, n.Name, err)
	}
	return nil
}

// RepairDisk checks what a broken disk has and mounts it anew, as a boot does. The node
// must be off: its processes hold files there.
//
// It goes on on a copy: nspawn's of other nodes have the host's mounts in namespaces of
// their own, which hold the broken file system, and that never turns writable again.
func (n *Node) RepairDisk(ctx context.Context, path string) error {
	d, err := n.blockDisk(path)
	if err != nil {
		return err
	}
	if n.On() {
		return fmt.Errorf("repairing %s of %s: the node is on, and holds it", path, n.Name)
	}
	err = unix.Unmount(d.host, 0)
	if err == nil {
		err = n.remount(ctx, d)
	}
	if err != nil {
		return fmt.Errorf("repairing %s of %s: %w", path, n.Name, err)
	}
	return nil
}

func (n *Node) remount(ctx context.Context, d *disk) error {
	info, err := d.image.Stat()
	if err != nil {
		return err
	}
	image, err := memoryFile(info.Size())
	if err != nil {
		return err
	}
	old := d.image
	d.image = image
	defer func() { _ = old.Close() }()
	if _, err := io.Copy(image, io.NewSectionReader(old, 0, info.Size())); err != nil {
		return err
	}
	return withLoop(image, func(device string) error {
		if err := tool(ctx, "e2fsck", "-f", "-y", device); err != nil {
			return err
		}
		return mountDisk(device, d.host)
	})
}

func (n *Node) blockDisk(path string) (*disk, error) {
	d, err := n.disk(path)
	if err == nil && d.image == nil {
		err = fmt.Errorf("%s of %s is no block disk: name it in CreateOptions.BlockDisks", path, n.Name)
	}
	return d, err
}

// tool runs one of the host's. e2fsck says with its exit status 1 that it repaired.
func tool(ctx context.Context, name string, args ...string) error {
	text, err := exec.CommandContext(ctx, name, args...).CombinedOutput()
	var exit *exec.ExitError
	if name == "e2fsck" && errors.As(err, &exit) && exit.ExitCode() == 1 {
		return nil
	}
	if err != nil {
		return fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, text)
	}
	return nil
}
