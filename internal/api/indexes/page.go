package indexes

import (
	"fmt"
	"io"
	"strings"
)

// Markdown writes the report as docs/indexes.md.
func (r Report) Markdown(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, `# Lists and their indexes

`+"`platctl db indexes --out docs/indexes.md`"+` writes this page. It was measured on the dataset %s (content hash
%s) with PostgreSQL %s and random_page_cost %s.

Pages are counted warm: found in or read into the cache. "Generic" is the plan that knows no parameters: the one that `+"`platctl serve`"+`
asks for, so that nothing is planned twice. The other is made for the parameters of the call. Pages and plans repeat on a fresh
seeding; WAL differs by a few percent, because pages split.

A page is what the API asks for: one row more than 20, and 201 events for notifications. The caller is viewer_300, from whom five
people are hidden, where a class doesn't say otherwise; "200 hidden" has hidden so many for the measurement.

The viewers of the feed: viewer_300 follows 300 people, viewer_rare 50 who post rarely, viewer_2000 follows 2,000, and
viewer_silent 50 who never post.

`, r.Dataset, r.Hash, r.Server, r.Random)
	b.WriteString("## What the indexes cost\n\nWAL is what one inserted row writes, without full-page images; the second figure is without the index.\n\n")
	b.WriteString("| index | size | bytes an entry | WAL with | WAL without | it adds |\n|---|---:|---:|---:|---:|---:|\n")
	for _, i := range r.Indexes {
		fmt.Fprintf(&b, "| %s | %.1f MB | %.0f | %s |\n", i.Name, float64(i.Bytes)/1e6, float64(i.Bytes)/float64(max(i.Entries, 1)), i.writes())
	}
	b.WriteString("\n```sql\n")
	for _, i := range r.Indexes {
		b.WriteString(i.Definition + ";\n")
	}
	b.WriteString("```\n")
	for _, l := range r.Lists {
		l.markdown(&b)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (i Index) writes() string {
	if i.Constraint {
		return fmt.Sprintf("%.0f B | it holds a constraint | ", i.With)
	}
	return fmt.Sprintf("%.0f B | %.0f B | %.0f %%", i.With, i.Without, 100*(i.With-i.Without)/i.Without)
}

func (l List) markdown(b *strings.Builder) {
	fmt.Fprintf(b, "\n## %s\n\n| class | rows | pages | pages, generic | indexes |\n|---|---:|---:|---:|---|\n", l.Name)
	for _, c := range l.Classes {
		fmt.Fprintf(b, "| %s | %d | %d | %d | %s |\n", c.Class, c.Rows, c.Buffers, c.Generic, strings.Join(c.Indexes, ", "))
	}
	fmt.Fprintf(b, "\n```sql\n%s\n```\n\nThe plan of %s:\n\n```\n%s\n```\n", l.SQL, l.Worst, l.Plan)
}
