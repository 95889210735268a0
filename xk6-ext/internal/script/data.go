package script

import (
	"math/rand/v2"
	"strconv"
	"strings"
)

const vocabulary = "apples basket beans berries bread butter carrots cheese chard corn cream dill early eggs farm fennel fresh " +
	"garlic greens harvest herbs honey jam kale late leeks lettuce local market milk morning mushrooms oats onions " +
	"orchard organic parsley peaches pears plums potatoes pumpkin radish ripe rye saturday spinach squash stall " +
	"strawberries sunday sweet thyme tomatoes turnips village walnut wheat"

// Text returns the i-th text of a seed: 12 to 31 words, at most about 300 bytes. PCG is specified, so a text never changes
// with the Go version.
func Text(seed, i int64) string {
	words := strings.Fields(vocabulary)
	r := rand.New(rand.NewPCG(uint64(seed), uint64(i)))
	out := make([]string, 12+r.IntN(20))
	for k := range out {
		out[k] = words[r.IntN(len(words))]
	}
	return strings.Join(out, " ")
}

// Handle returns the handle of the i-th user of a seed: lower-case letters and digits only, which every handle rule allows.
func Handle(seed, i int64) string {
	return "load" + strconv.FormatInt(seed, 10) + "u" + strconv.FormatInt(i, 10)
}

// password belongs to Handle(seed, i). It can be derived by anyone who knows the seed: these accounts own nothing.
func password(seed, i int64) string {
	r := rand.New(rand.NewPCG(uint64(seed)+1<<62, uint64(i)))
	return "Load-" + strconv.FormatUint(r.Uint64(), 36) + "-9" + strconv.FormatUint(r.Uint64(), 36)
}
