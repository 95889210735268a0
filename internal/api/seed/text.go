package seed

import (
	"image/color"
	"strconv"
	"strings"
)

func firstNames() []string {
	return strings.Fields(`Ana Ben Chloé Dario Elif Finn Greta Hugo Inês Jonas Kaja Lena Marek Nora Oskar Pia Quentin Rosa Samir Tilda
		Umut Vera Wanda Xenia Yusuf Zora Aino Björn Carla Dina Emil Freya Gustav Hanna Ivo Jana Karim Lucía Mats Nina Otto Paula
		Rafael Sofie Tomás Ulla Viktor Wilma Yara Zeno Anton Berta Cyril Dora Edvin Fatma Georg Hedda Ilse Jakub Klara Ludo Mira Nils`)
}

func trades() []string {
	return strings.Fields(`Orchard Bakes Garden Goats Bees Mills Fields Cider Berries Herbs Roots Dairy Cellar Grains Pears Meadow
		Kitchen Hens Vines Market Greens Barn Smoke Honey`)
}

// person returns the names of the i-th of the crowd. first*trade names are different, then they are numbered.
func person(i int) (handle, display string) {
	first, trade := firstNames(), trades()
	f, t := first[i%len(first)], trade[(i+i/len(first))%len(trade)]
	handle = strings.ToLower(plain().Replace(f) + "_" + t)
	if n := i / (len(first) * len(trade)); n > 0 {
		handle += strconv.Itoa(n + 1)
	}
	return handle, f + " " + t
}

func plain() *strings.Replacer {
	return strings.NewReplacer("é", "e", "ê", "e", "ö", "o", "í", "i", "á", "a")
}

func bios() []string {
	return []string{"", "", "Sells at the Saturday market.", "Grows more than we can eat.", "Baker, two hives, one stubborn goat.",
		"Here for the tomatoes.", "Organic since 1998.", "Swaps seeds, eggs and stories.", "Weekend gardener, weekday commuter."}
}

type crop struct {
	name, plural, category, unit string
	price                        int64
	colour                       color.RGBA // in pictures
}

func crops() []crop {
	return []crop{
		{"Cox apples", "apples", "fruit", "kg", 320, color.RGBA{196, 62, 48, 255}}, {"Plums", "plums", "fruit", "kg", 410, color.RGBA{92, 56, 110, 255}},
		{"Rye bread", "rye loaves", "bakery", "piece", 480, color.RGBA{134, 86, 48, 255}}, {"Goat cheese", "goat cheeses", "dairy", "100 g", 350, color.RGBA{236, 228, 206, 255}},
		{"Chard", "chard leaves", "vegetables", "bunch", 260, color.RGBA{62, 120, 64, 255}}, {"Tomatoes", "tomatoes", "vegetables", "kg", 390, color.RGBA{214, 54, 40, 255}},
		{"Honey", "honey jars", "pantry", "500 g", 890, color.RGBA{222, 150, 36, 255}}, {"Eggs", "eggs", "dairy", "dozen", 420, color.RGBA{228, 196, 160, 255}},
		{"Pumpkins", "pumpkins", "vegetables", "piece", 550, color.RGBA{228, 124, 32, 255}}, {"Walnuts", "walnuts", "pantry", "kg", 1150, color.RGBA{150, 112, 72, 255}},
		{"Garlic", "garlic bulbs", "vegetables", "bunch", 310, color.RGBA{232, 226, 222, 255}}, {"Pears", "pears", "fruit", "kg", 360, color.RGBA{172, 184, 70, 255}},
		{"Beetroot", "beetroots", "vegetables", "kg", 240, color.RGBA{122, 30, 66, 255}}, {"Butter", "butter rolls", "dairy", "250 g", 470, color.RGBA{246, 220, 120, 255}},
		{"Apple juice", "juice bottles", "pantry", "l", 330, color.RGBA{206, 160, 60, 255}},
	}
}

func farmName(i int) string {
	place := strings.Fields("Hill Willow Blue Stone Fox Sunny Old River Clover Raven Birch Copper")
	what := []string{"Orchard", "Gate Farm", "Creek", "Acres", "Barn", "Meadow", "Mill"}
	name := place[i%len(place)] + " " + what[(i+i/len(place))%len(what)]
	if n := i / (len(place) * len(what)); n > 0 {
		name += " " + strconv.Itoa(n+1)
	}
	return name
}

func sorts() []string {
	return []string{"Heirloom", "Early", "Late", "Small", "Sweet", "Golden", "Mountain", "Old-fashioned", "Wild", "Winter", "Smoked", "Salted"}
}

func praises() []string {
	return []string{"Picked the day before market.", "Grown without sprays.", "From the field behind the house.", "Keeps for a week in the cool.",
		"Best within three days.", "Ask for a taste.", "From old seed of our own.", "Packed in paper."}
}

func mottos() []string {
	return []string{"", "Family farm by the river.", "At the Saturday market since 1998.", "Small fields, long days.",
		"Open on Wednesdays and Saturdays."}
}

func openings() []string {
	return []string{"The first %s of the year are in.", "Who else is at the market on Saturday? We bring %s.",
		"Rain all week, but the %s love it.", "Tried roasting %s with honey. Do it.", "Sold out of %s before ten!",
		"Does anybody have too many %s?", "My grandmother kept %s in sand. It works.", "Half of the %s went to the slugs.",
		"New batch of %s tomorrow morning.", "We swap %s for firewood."}
}

func closings() []string {
	return []string{"See you at the stall by the fountain.", "Ask for the small ones, they are sweeter.", "Prices stay as they are.",
		"Bring your own bag, please.", "Thanks to everybody who helped.", "Photos follow when the sun is back.",
		"We open at eight and pack up at one.", "Last year we had three times as many."}
}

func replies() []string {
	return []string{"Keep two for me!", "Ours are late this year.", "How much for a crate?", "Best %s in the valley.",
		"Could you bring some on Wednesday?", "That worked for our %s too.", "Same here, and the dog ate the rest.",
		"Thank you, the children loved the %s.", "What do you feed them?", "Count me in."}
}

func fill(template string, r *rng) string {
	return strings.ReplaceAll(template, "%s", pick(r, crops()).plural)
}

// postText has one to three sentences.
func postText(r *rng) string {
	s := fill(pick(r, openings()), r)
	for range r.below(3) {
		s += " " + pick(r, closings())
	}
	return s
}

func commentText(r *rng) string { return fill(pick(r, replies()), r) }
