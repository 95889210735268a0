// Package cache keeps encoded answers of the API, each with a strong ETag and the tags of what it is made of.
//
// Invariants: a kept answer is dropped before the read of the bust of one of its tags is over, and an answer whose loading began
// before such a bust was read is not kept; it is handed only to those who asked before. Who asks on a server after that server
// acknowledged a write gets nothing from before it. When busts can't be read, nothing is kept and nothing kept is served. One
// load for a key runs at a time, whoever waits for it, and nobody's leaving ends it. docs/caching.md tells the whole of it.
package cache
