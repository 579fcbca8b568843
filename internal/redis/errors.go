package redis

import (
	"context"
	"errors"
	"fmt"
	"strings"

	goredis "github.com/redis/go-redis/v9"
)

// What can go wrong, for errors.Is. An error that is none of these is a reply
// that the caller did not expect; its text is the instance's own.
var (
	// ErrUnreachable: no connection, or no answer in time.
	ErrUnreachable = errors.New("not reachable")
	// ErrAuth: the instance refuses our password, or asks for none of ours.
	ErrAuth = errors.New("password refused")
	// ErrLoading: the dataset is still being loaded.
	ErrLoading = errors.New("loading its dataset")
	// ErrReadOnly: a write to a replica was refused, as it should be.
	ErrReadOnly = errors.New("read-only replica")
	// ErrNoMaster: the sentinel watches no master of that name.
	ErrNoMaster = errors.New("no master of that name")
	// ErrNoQuorum: CKQUORUM found too few sentinels.
	ErrNoQuorum = errors.New("no quorum")
	// ErrNoGoodReplica: the sentinel has no replica to promote.
	ErrNoGoodReplica = errors.New("no replica to promote")
	// ErrInProgress: a failover is under way already.
	ErrInProgress = errors.New("failover in progress")
)

// replyErrors tell a reply's class by its first words.
var replyErrors = []struct {
	prefix string
	class  error
}{
	{"NOAUTH", ErrAuth},
	{"WRONGPASS", ErrAuth},
	{"NOPERM", ErrAuth},
	{"ERR invalid password", ErrAuth},
	{"ERR AUTH <password> called without any password", ErrAuth},
	{"LOADING", ErrLoading},
	{"READONLY", ErrReadOnly},
	{"ERR No such master", ErrNoMaster},
	{"NOQUORUM", ErrNoQuorum},
	{"NOGOODSLAVE", ErrNoGoodReplica},
	{"INPROG", ErrInProgress},
}

// isReply tells an error that the instance answered from one of the way to it.
func isReply(err error) bool {
	var reply goredis.Error
	return errors.As(err, &reply)
}

// fail gives an error its class and says who answered what.
func (c conn) fail(what string, err error) error {
	if err == nil {
		return nil
	}
	switch {
	case isReply(err):
		text := strings.TrimPrefix(err.Error(), "failed to authenticate: ")
		for _, known := range replyErrors {
			if strings.HasPrefix(text, known.prefix) {
				return fmt.Errorf("%s on %s: %w: %w", what, c.addr, known.class, err)
			}
		}
		return fmt.Errorf("%s on %s: %w", what, c.addr, err)
	case errors.Is(err, context.Canceled):
		return fmt.Errorf("%s on %s: %w", what, c.addr, err)
	default:
		return fmt.Errorf("%s on %s: %w: %w", what, c.addr, ErrUnreachable, err)
	}
}
