package purge

// The sizes of batches.
const (
	Many = many
	Few  = few
)

// Covered returns the columns that each step empties.
func Covered() [][]string {
	var out [][]string
	for _, s := range steps() {
		out = append(out, s.covers)
	}
	return out
}
