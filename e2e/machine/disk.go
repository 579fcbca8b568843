package machine

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// disk is a small file system of a node's own. It is in the host's memory, and
// stays when the node is off.
type disk struct {
	path string // in the node
	host string // where it is mounted on the host
	// image is what a block disk is on; nil for another one.
	image *os.File
}

// fillFile is what FillDisk writes.
const fillFile = ".filled-by-test"

func (n *Node) addDisks(sizes map[string]int64, block bool) error {
	for _, path := range slices.Sorted(maps.Keys(sizes)) {
		host := filepath.Join(n.dir, "disks", strconv.Itoa(len(n.disks)))
		if err := os.MkdirAll(host, 0o700); err != nil {
			return err
		}
		var image *os.File
		var err error
		if block {
			image, err = blockDisk(host, sizes[path])
		} else {
			err = unix.Mount("tmpfs", host, "tmpfs", 0, fmt.Sprintf("size=%d,mode=0755", sizes[path]))
		}
		if err != nil {
			return fmt.Errorf("a disk of %d bytes for %s: %w", sizes[path], path, err)
		}
		if err := likeBase(filepath.Join(n.lab.base, path), host); err != nil {
			return fmt.Errorf("the disk for %s: %w", path, err)
		}
		// nspawn mounts onto a folder that is there.
		if err := n.makeParents(filepath.Join(path, "x")); err != nil {
			return err
		}
		n.disks = append(n.disks, disk{path: path, host: host, image: image})
	}
	return nil
}

// likeBase gives the folder the owner and mode that it has in the base image.
func likeBase(like, to string) error {
	info, err := os.Stat(like)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return fmt.Errorf("the owner of %s cannot be told", like)
	}
	return errors.Join(os.Chown(to, int(stat.Uid), int(stat.Gid)), os.Chmod(to, info.Mode().Perm()))
}

func (n *Node) disk(path string) (*disk, error) {
	i := slices.IndexFunc(n.disks, func(d disk) bool { return d.path == path })
	if i < 0 {
		return nil, fmt.Errorf("%s of %s is no small disk: name it in CreateOptions.SmallDisks", path, n.Name)
	}
	return &n.disks[i], nil
}

// FillDisk fills one of the node's small disks to the last byte. It works on a node
// that is off or frozen too.
func (n *Node) FillDisk(ctx context.Context, path string) error {
	d, err := n.disk(path)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(filepath.Join(d.host, fillFile), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("filling %s of %s: %w", path, n.Name, err)
	}
	defer func() { _ = f.Close() }()
	for zeros := make([]byte, 64<<10); ; {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		_, err := f.Write(zeros)
		if errors.Is(err, unix.ENOSPC) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("filling %s of %s: %w", path, n.Name, err)
		}
	}
}

// FreeDisk takes away what FillDisk wrote.
func (n *Node) FreeDisk(path string) error {
	d, err := n.disk(path)
	if err != nil {
		return err
	}
	if err := os.Remove(filepath.Join(d.host, fillFile)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("freeing %s of %s: %w", path, n.Name, err)
	}
	return nil
}
