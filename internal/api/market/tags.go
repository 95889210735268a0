package market

import "strconv"

// The tags of what answers of the catalogue are made of. The triggers of the schema bust them under the same names: a product's
// stands for what is shown of it, a list's for which products are in it.

// ProductTag stands for one product.
func ProductTag(id int64) string { return tagged("product:", id) }

// FarmTag stands for one farm.
func FarmTag(id int64) string { return tagged("farm:", id) }

// Tags is what an answer that shows p is made of.
func (p Product) Tags() []string { return []string{ProductTag(p.ID), FarmTag(p.Farm.ID)} }

// ListTags stands for which products a filter lets pass: the narrowest of its farm's, its category's and all of them. Words,
// prices and archiving bust each of the three; stock has a tag of its own, because it moves with every order.
func ListTags(f Filter) []string {
	tags := make([]string, 0, 2)
	switch {
	case f.Farm != 0:
		tags = append(tags, tagged("list:farm:", f.Farm))
	case f.Category != "":
		tags = append(tags, "list:category:"+f.Category)
	default:
		tags = append(tags, "list:products")
	}
	if f.InStock {
		tags = append(tags, "list:stock")
	}
	return tags
}

func tagged(kind string, id int64) string { return kind + strconv.FormatInt(id, 10) }
