package redismodel

import (
	"fmt"
	"path/filepath"
	"strconv"

	"github.com/redfleet/redfleet/internal/fleet"
	"github.com/redfleet/redfleet/internal/redisconf"
)

// conf is a configuration file that an instance was started from.
type conf struct {
	path string
	file *redisconf.File
}

func readConf(d *disk, path string) (*conf, error) {
	data, err := d.read(path)
	if err != nil {
		return nil, fmt.Errorf("can't open config file: %w", err)
	}
	file, err := redisconf.Parse(data)
	if err != nil {
		return nil, fmt.Errorf("fatal config file error: %w", err)
	}
	return &conf{path: path, file: file}, nil
}

// get is the last line's one argument, or what the engine takes without a line.
func (c *conf) get(name, otherwise string) string {
	lines := c.file.Get(name)
	if len(lines) == 0 || len(lines[len(lines)-1]) == 0 {
		return otherwise
	}
	return lines[len(lines)-1][0]
}

func (c *conf) number(name string, otherwise int) int {
	n, err := strconv.Atoi(c.get(name, ""))
	if err != nil {
		return otherwise
	}
	return n
}

// addr is where the instance listens.
func (c *conf) addr() fleet.Addr {
	port := 6379
	if len(c.file.Get("sentinel monitor")) > 0 {
		port = 26379
	}
	return fleet.Addr{Host: c.get("bind", "127.0.0.1"), Port: c.number("port", port)}
}

func (c *conf) dir() string { return c.get("dir", filepath.Dir(c.path)) }
