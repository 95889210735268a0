// Package ratelimit holds the requests of one server to the policy in force, together with the other servers.
//
// Invariants: a policy that can be read is in force on every server within a second of its commit, and one that can't changes
// nothing; without any, what the spec declares holds. Nothing here fails a request because the database is away, or the Redis
// through which servers may share: each server then holds clients to its part of the limits. A policy is a row that never
// changes; going back is a new version.
package ratelimit
