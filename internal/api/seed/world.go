package seed

import "time"

const (
	span     = 120 * 24 * 3600 // seconds from the first post to the anchor
	noticed  = 60 * 24 * 3600  // nobody was notified earlier: a server removes notifications after 90 days, and a dataset is to stay whole for a while
	sliceMax = 5000            // posts of one slice, and so what is in memory at a time
	shyShare = 10              // one in so many people never posts
)

const (
	demoID      int64 = 1
	firstViewer int64 = 2
)

// world is a dataset before it is written: who is popular, and how often what happens.
type world struct {
	Scale
	seed   uint64
	anchor time.Time // every time is before it, in whole seconds
	hash   string    // of everybody's password

	first   int64 // id of the first of the crowd, who come after demo and the viewers
	crowd   int
	ranks   shuffle // popularity rank -> place in the crowd
	sprees  shuffle // place on the timeline -> place in the crowd of who follows people then
	busy    shuffle // place in the crowd -> rank by how many they follow
	hot     shuffle // post -> rank by likes and comments
	authors *zipf
	fans    *zipf
	follows spread
	likes   spread
	talk    spread
	blocks  [][2]int64
	hidden  map[[2]int64]bool
	slices  []slice
	market  *marketPlan
	album   album
}

// slice is a piece of the timeline: posts from..to-1 with everything that happens to them, and the people of the crowd who
// go on a following spree meanwhile.
type slice struct {
	from, to             int64 // ids of posts
	spreeFrom, spreeTo   int   // places in sprees
	comment, notice      int64 // the first ids
	comments, notices    int64
	follows, likes       int64
	notify, withAccounts bool // inside the time whose notifications are there; the one that carries demo and the viewers
}

func newWorld(s Scale, seed uint64, anchor time.Time, hash string) *world {
	w := &world{Scale: s, seed: seed, anchor: anchor.UTC().Truncate(time.Second), hash: hash, first: firstViewer}
	if s.Users >= 1000 {
		w.first += int64(len(Viewers()))
	}
	w.crowd = s.Users - int(w.first) + 1
	r := newRNG(seed, kindShape, -1)
	w.ranks, w.sprees, w.busy = newShuffle(r, w.crowd), newShuffle(r, w.crowd), newShuffle(r, w.crowd)
	w.hot = newShuffle(r, s.Posts)
	w.fans = newZipf(w.crowd)
	w.authors = newZipf(w.crowd - w.crowd/shyShare)
	w.follows = newSpread(s.Follows-w.accountFollows(), w.crowd, 50, max(w.crowd/4, 1))
	w.likes = newSpread(s.Likes, s.Posts, 100, w.crowd/4)
	w.talk = newSpread(s.Comments, s.Posts, 200, w.crowd)
	w.planBlocks()
	w.planSlices()
	w.planMarket()
	w.planAlbum()
	return w
}

// accountFollows is how many the accounts outside the crowd follow.
func (w *world) accountFollows() int {
	n := len(w.followedByDemo())
	for v := firstViewer; v < w.first; v++ {
		n += w.viewerFollows(v)
	}
	return n
}

func (w *world) viewerFollows(id int64) int {
	switch Viewers()[id-firstViewer] {
	case Viewer300:
		return 300
	case Viewer2000:
		return min(2000, w.crowd/2)
	}
	return 50
}

// atRank returns the id of the person with a popularity rank.
func (w *world) atRank(rank int) int64 { return w.first + int64(w.ranks.at(rank)) }

// planBlocks draws pairs, and five people whom the busy viewers don't want to see, so that concealment costs what it costs.
func (w *world) planBlocks() {
	w.hidden = map[[2]int64]bool{}
	add := func(a, b int64) {
		if a != b && !w.hidden[[2]int64{a, b}] {
			w.hidden[[2]int64{a, b}], w.hidden[[2]int64{b, a}] = true, true
			w.blocks = append(w.blocks, [2]int64{a, b})
		}
	}
	if w.Blocks == 0 {
		return
	}
	for v := firstViewer; v < w.first; v++ {
		for i := range 5 {
			add(v, w.atRank(7+11*i))
		}
	}
	r := newRNG(w.seed, kindBlock, 0)
	for range w.Blocks {
		add(w.first+int64(r.below(w.crowd)), w.first+int64(r.below(w.crowd)))
	}
}

func (w *world) planSlices() {
	n := max((w.Posts+sliceMax-1)/sliceMax, min(20, 4+w.Posts/500)) // at least 20, or the tail of notifications is too coarse
	events := w.Follows + w.Likes + w.Comments
	var comment, notice int64 = 1, 1
	for i := range n {
		s := slice{
			from: 1 + int64(i*w.Posts/n), to: 1 + int64((i+1)*w.Posts/n), comment: comment, notice: notice,
			spreeFrom: i * w.crowd / n, spreeTo: (i + 1) * w.crowd / n, withAccounts: i == n-1,
		}
		s.notify = (n-i)*events <= w.Notifications*n+events && w.second(s.from) >= span-noticed
		for p := s.from; p < s.to; p++ {
			likes, comments := w.heat(p)
			s.likes, s.comments = s.likes+int64(likes), s.comments+int64(comments)
		}
		for i := s.spreeFrom; i < s.spreeTo; i++ {
			s.follows += int64(w.degree(w.sprees.at(i)))
		}
		if s.withAccounts {
			s.follows += int64(w.accountFollows())
		}
		if s.notify {
			s.notices = s.likes + s.comments + s.follows
		}
		comment, notice = comment+s.comments, notice+s.notices
		w.slices = append(w.slices, s)
	}
}

// notices is how many notifications there are.
func (w *world) notices() int64 {
	last := w.slices[len(w.slices)-1]
	return last.notice + last.notices - 1
}

// heat returns how many likes and comments a post has.
func (w *world) heat(post int64) (likes, comments int) {
	r := newRNG(w.seed, kindShape, post)
	rank := w.hot.at(int(post - 1))
	return w.likes.of(rank, r), w.talk.of(rank, r)
}

// degree returns how many people somebody of the crowd follows.
func (w *world) degree(place int) int {
	return w.follows.of(w.busy.at(place), newRNG(w.seed, kindFollow, -int64(place)-1))
}

func (w *world) author(post int64) int64 {
	return w.atRank(w.authors.draw(newRNG(w.seed, kindPost, -post)))
}

// second is when a post was written, in seconds from the start of the timeline.
func (w *world) second(post int64) int64 { return (post - 1) * span / int64(w.Posts) }

func (w *world) at(second int64) time.Time {
	return w.anchor.Add(time.Duration(second-span) * time.Second)
}

func (w *world) rows() int64 {
	n := int64(w.Users) + int64(len(w.blocks)) + int64(len(w.seen(1, int64(w.Users)+1))) + w.market.rows + w.album.rows
	for _, s := range w.slices {
		n += 2*(s.to-s.from) + s.follows + s.likes + s.comments + s.notices
	}
	return n
}
