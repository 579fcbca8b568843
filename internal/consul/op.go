package consul

import "github.com/hashicorp/consul/api"

// Op is one step of a transaction: a write or a condition.
type Op struct{ kv api.KVTxnOp }

// Set writes key, whatever is there. The session that locks it stays.
func Set(key string, val []byte) Op {
	return Op{api.KVTxnOp{Verb: api.KVSet, Key: key, Value: val}}
}

// Create writes key and fails when it exists (hazard K7).
func Create(key string, val []byte) Op { return CAS(key, val, 0) }

// CAS writes key and fails when its index is not the given one.
func CAS(key string, val []byte, index uint64) Op {
	return Op{api.KVTxnOp{Verb: api.KVCAS, Key: key, Value: val, Index: index}}
}

// Delete removes key; a key that is not there is no failure.
func Delete(key string) Op { return Op{api.KVTxnOp{Verb: api.KVDelete, Key: key}} }

// DeleteCAS removes key and fails when its index is not the given one; a key that
// is not there is no failure.
func DeleteCAS(key string, index uint64) Op {
	return Op{api.KVTxnOp{Verb: api.KVDeleteCAS, Key: key, Index: index}}
}

// CheckSession fails unless the session holds the lock on key. In the same
// transaction as the writes that it guards it is the fence of a lease
// (hazard K3, promise fenced-leader).
func CheckSession(key, session string) Op {
	return Op{api.KVTxnOp{Verb: api.KVCheckSession, Key: key, Session: session}}
}

// CheckIndex fails unless key exists with exactly this index.
func CheckIndex(key string, index uint64) Op {
	return Op{api.KVTxnOp{Verb: api.KVCheckIndex, Key: key, Index: index}}
}

// CheckMissing fails when key exists.
func CheckMissing(key string) Op { return Op{api.KVTxnOp{Verb: api.KVCheckNotExists, Key: key}} }

// Lock writes key and locks it for the session; it fails when another session
// holds it, when the session has ended, and while a lock-delay runs.
func Lock(key string, val []byte, session string) Op {
	return Op{api.KVTxnOp{Verb: api.KVLock, Key: key, Value: val, Session: session}}
}

// Key is the key that the step is about.
func (o Op) Key() string { return o.kv.Key }

// String names verb and key, and never the value.
func (o Op) String() string { return string(o.kv.Verb) + " " + o.kv.Key }

// leavesEntry tells whether Consul's answer has an entry for this step.
func (o Op) leavesEntry() bool {
	switch o.kv.Verb {
	case api.KVDelete, api.KVDeleteCAS, api.KVCheckNotExists:
		return false
	}
	return true
}

func (o Op) isFence() bool { return o.kv.Verb == api.KVCheckSession }
