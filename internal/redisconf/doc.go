// Package redisconf reads, merges and writes redis.conf and sentinel.conf
// without losing what the engine wrote there (promise sentinel-state-kept).
//
// Both files have one grammar, that of sdssplitargs in the engine's sources:
// one directive per line, arguments apart by white space, "…" with escapes and
// '…' nearly without. A # starts a comment only as the first character of a
// line. The package does no input or output.
package redisconf
