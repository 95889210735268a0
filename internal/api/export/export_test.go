package export

// PageSize is how many rows are read at a time.
const PageSize = pageSize

// Section is a section as the tests compare it with the catalogue.
type Section struct {
	Owner   string
	Columns []string
}

// Sections returns every section.
func Sections() []Section {
	var out []Section
	for _, s := range sections() {
		out = append(out, Section{s.owner, s.columns})
	}
	return out
}
