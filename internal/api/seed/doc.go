// Package seed fills a database with a community made up from a number: people with power-law popularity, their posts,
// follows, likes, comments and notifications, farms, products, carts, orders and pictures.
//
// Invariants: a row is a pure function of generator version, scale, seed and its id, in integer arithmetic, so every machine
// makes the same one; times are whole seconds before the start of the seeding, which is kept. Rows are written in chunks, each
// with its record in platctl.seed_chunks in one transaction, so a run that was killed goes on and ends with the same
// dataset. It writes to an empty database, goes on in its own, and refuses every other; memory is bounded by one chunk.
//
// The statements stand in sql/ and not among the named queries: they belong to no release's contract, because no server
// sends them.
package seed

// Generator is the version of what is generated. It changes when the same scale and seed give other rows.
const Generator = 3

// The account that every dataset has, and the password of everybody in it.
const (
	Handle   = "demo"
	Password = "demo-market-1"
)

// The viewers of every dataset but the smallest: the four shapes of a home feed that have different right plans.
const (
	Viewer300    = "viewer_300"    // follows 300 people
	ViewerRare   = "viewer_rare"   // follows 50 who post rarely
	Viewer2000   = "viewer_2000"   // follows 2,000, or half of a smaller community
	ViewerSilent = "viewer_silent" // follows 50 who never post
)

// Viewers returns the handles of the four viewers.
func Viewers() []string { return []string{Viewer300, ViewerRare, Viewer2000, ViewerSilent} }
