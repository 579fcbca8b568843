package redismodel

import (
	"path"
	"slices"
	"strconv"
	"strings"
)

// dataCommand reads or changes keys; changed is how many changes count.
func (s *server) dataCommand(name string, args []string) (v value, changed int64) {
	switch name {
	case "GET":
		return s.get(args[1]), 0
	case "MGET":
		v := items()
		for _, key := range args[1:] {
			v.list = append(v.list, s.get(key))
		}
		return v, 0
	case "STRLEN":
		return num(int64(len(s.data[args[1]]))), 0
	case "EXISTS":
		_, found := s.data[args[1]]
		return num(int64(atoi(flag(found)))), 0
	case "DBSIZE":
		return num(int64(len(s.data))), 0
	case "KEYS":
		return s.keys(args[1]), 0
	case "SET", "SETNX":
		return s.setKey(name, args)
	case "DEL":
		return s.del(args[1:])
	case "INCR":
		return s.incr(args[1])
	case "APPEND":
		s.data[args[1]] += args[2]
		return num(int64(len(s.data[args[1]]))), 1
	case "FLUSHALL":
		n := int64(len(s.data))
		clear(s.data)
		return ok(), n + 1
	}
	return fail(unknownCommand(args)), 0
}

func (s *server) get(key string) value {
	if v, found := s.data[key]; found {
		return str(v)
	}
	return nothing()
}

func (s *server) keys(pattern string) value {
	v := items()
	for _, key := range sortedKeys(s.data) {
		if match, err := path.Match(pattern, key); err == nil && match {
			v.list = append(v.list, str(key))
		}
	}
	return v
}

func sortedKeys(m map[string]string) []string {
	keys := make([]string, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}

// setKey knows NX and XX; the model's keys do not expire.
func (s *server) setKey(name string, args []string) (value, int64) {
	_, found := s.data[args[1]]
	if name == "SETNX" {
		if found {
			return num(0), 0
		}
		s.data[args[1]] = args[2]
		return num(1), 1
	}
	for _, word := range args[3:] {
		switch strings.ToUpper(word) {
		case "NX":
			if found {
				return nothing(), 0
			}
		case "XX":
			if !found {
				return nothing(), 0
			}
		default:
			return fail("ERR syntax error"), 0
		}
	}
	s.data[args[1]] = args[2]
	return ok(), 1
}

func (s *server) del(keys []string) (value, int64) {
	var n int64
	for _, key := range keys {
		if _, found := s.data[key]; found {
			delete(s.data, key)
			n++
		}
	}
	return num(n), n
}

func (s *server) incr(key string) (value, int64) {
	n, err := strconv.ParseInt(s.data[key], 10, 64)
	if _, found := s.data[key]; found && err != nil {
		return fail("ERR value is not an integer or out of range"), 0
	}
	s.data[key] = strconv.FormatInt(n+1, 10)
	return num(n + 1), 1
}

// apply runs a command from the stream or from an AOF, whatever the role.
func (s *server) apply(args []string) {
	switch name := strings.ToUpper(args[0]); name {
	case "PING", "SELECT", "REPLCONF", "MULTI", "EXEC":
	case "PUBLISH":
		s.publish(args[1], args[2])
	default:
		_, changed := s.dataCommand(name, args)
		s.dirty += changed
	}
}
