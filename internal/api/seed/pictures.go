package seed

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/platctl/platctl/internal/api/media"
	"github.com/platctl/platctl/internal/api/media/picture"
	"github.com/platctl/platctl/internal/api/media/store"
	"github.com/platctl/platctl/internal/base/fault"
)

// The shares of what has a picture: one in so many.
const (
	picturedProducts = 3
	demoPosts        = 3 // of the smallest scale, which is for looking at
	manyPosts        = 50
	demoPeople       = 2
	manyPeople       = 5
)

// album is which pictures a dataset shows. A picture's id is its place among everything that could have one: people, then
// products, then posts. Their bytes are shared: all pictures of a motif are one blob, of nobody, with one file for each size.
type album struct {
	people, posts int // one in so many has a picture
	motifs        []motif // a blob's id is its motif's place, from 1
	used          map[int64]bool
	rows          int64
}

func (w *world) planAlbum() {
	w.album = album{people: manyPeople, posts: manyPosts, motifs: motifs(), used: map[int64]bool{}}
	if w.Scale.Name == Scales()[0].Name {
		w.album.people, w.album.posts = demoPeople, demoPosts
	}
	count := func(blob int64) {
		if blob != 0 {
			w.album.used[blob] = true
			w.album.rows += 2 // the picture, and what it is attached to
		}
	}
	for id := int64(1); id <= int64(w.Users); id++ {
		count(w.portraitOf(id))
	}
	for id := int64(1); id <= int64(w.Farms*w.Products); id++ {
		count(w.productPicture(id))
	}
	for id := int64(1); id <= int64(w.Posts); id++ {
		count(w.postPicture(id))
	}
	w.album.rows += int64(len(w.album.used))
}

func (w *world) productMedia(product int64) int64 { return int64(w.Users) + product }

func (w *world) postMedia(post int64) int64 { return w.productMedia(int64(w.Farms*w.Products)) + post }

func (w *world) lastMedia() int64 { return w.postMedia(int64(w.Posts)) }

// portraitOf returns the blob of a person's picture, 0 for none. demo has one.
func (w *world) portraitOf(user int64) int64 {
	r := newRNG(w.seed, kindPicture, user)
	if r.below(w.album.people) != 0 && user != demoID {
		return 0
	}
	return int64(len(crops()) + landscapes + 1 + r.below(portraits))
}

func (w *world) productPicture(product int64) int64 {
	if newRNG(w.seed, kindPicture, w.productMedia(product)).below(picturedProducts) != 0 {
		return 0
	}
	return int64(w.cropOf(product) + 1)
}

// postPicture is of a harvest or of the country.
func (w *world) postPicture(post int64) int64 {
	r := newRNG(w.seed, kindPicture, w.postMedia(post))
	if r.below(w.album.posts) != 0 {
		return 0
	}
	return int64(1 + r.below(len(crops())+landscapes))
}

func mediaTable() *table {
	return newTable("media", "id owner_id purpose content_type bytes blob_id created_at")
}

func (w *world) addPicture(t *table, id, owner int64, purpose string, blob int64, second int64) {
	t.add(id, owner, purpose, string(picture.WebP), w.album.motifs[blob-1].bytes(), blob, w.at(second))
}

// portraitRows gives people with ids in [from, to) their pictures.
func (w *world) portraitRows(from, to int64) []*table {
	pictures, avatars := mediaTable(), newTable("avatars", "user_id media_id")
	for id := from; id < to; id++ {
		if blob := w.portraitOf(id); blob != 0 {
			w.addPicture(pictures, id, id, media.ForAvatar, blob, 0)
			avatars.add(id, id)
		}
	}
	return []*table{pictures, avatars}
}

// productPictures gives the products of the farms with ids in [from, to) theirs, sent by the owner of the farm.
func (w *world) productPictures(from, to int64) []*table {
	pictures, attached := mediaTable(), newTable("product_media", "product_id position media_id")
	for farm := from; farm < to; farm++ {
		owner := w.ownerOf(farm)
		for id := (farm-1)*int64(w.Products) + 1; id <= farm*int64(w.Products); id++ {
			if blob := w.productPicture(id); blob != 0 {
				w.addPicture(pictures, w.productMedia(id), owner, media.ForProduct, blob, 0)
				attached.add(id, 1, w.productMedia(id))
			}
		}
	}
	return []*table{pictures, attached}
}

func (w *world) postPictures(from, to int64) []*table {
	pictures, attached := mediaTable(), newTable("post_media", "post_id position media_id")
	for id := from; id < to; id++ {
		if blob := w.postPicture(id); blob != 0 {
			w.addPicture(pictures, w.postMedia(id), w.author(id), media.ForPost, blob, w.second(id))
			attached.add(id, 1, w.postMedia(id))
		}
	}
	return []*table{pictures, attached}
}

// blobKey is what the names of a motif's files begin with. It can be guessed, as everything in a dataset can.
func blobKey(blob int64) string { return fmt.Sprintf("seed-v%d-motif-%03d", Generator, blob) }

// sides are the longer sides of the files of a motif.
func sides() []int { return []int{large, thumb} }

// blobRows makes the blobs that some picture shows; others would be removed as bytes of no picture. Without a store there are no
// files, and the rows say that they have no bytes.
func (w *world) blobRows(files map[string][]byte) (*table, error) {
	t := newTable("media_blobs", "id sha256 content_type bytes key state sizes created_at finished_at")
	for i, m := range w.album.motifs {
		id := int64(i + 1)
		if !w.album.used[id] {
			continue
		}
		var sizes []media.Size
		for _, side := range sides() {
			s := m.size(side)
			s.Bytes = int64(len(files[m.file(id, side)]))
			sizes = append(sizes, s)
		}
		text, err := json.Marshal(sizes)
		if err != nil {
			return nil, fault.Op("write down the sizes of a picture", err)
		}
		hash := sha256.Sum256([]byte(blobKey(id)))
		t.add(id, hash[:], string(picture.WebP), m.bytes(), blobKey(id), string(media.Ready), text, w.at(0), w.at(0))
	}
	return t, nil
}

// file returns the name of a size in the store.
func (m motif) file(blob int64, side int) string {
	return store.Public + media.Picture{Key: blobKey(blob)}.Name(m.size(side))
}

// keepFiles draws the files of the motifs that are used and keeps those that the store doesn't have, before a row speaks of
// them. It returns them all, and how many were missing.
func (w *world) keepFiles(ctx context.Context, s store.Store) (files map[string][]byte, kept int, err error) {
	files = map[string][]byte{}
	if s == nil {
		return files, 0, nil
	}
	for _, id := range w.motifsUsed() {
		m := w.album.motifs[id-1]
		for _, side := range sides() {
			key := m.file(id, side)
			var had bytes.Buffer
			err := s.Fetch(ctx, key, &had)
			if err == nil {
				files[key] = had.Bytes()
				continue
			}
			if !errors.Is(err, fault.NotFound) {
				return files, kept, err
			}
			if files[key], err = m.webp(id, side); err != nil {
				return files, kept, fault.Op("draw a picture", err)
			}
			if err := s.Put(ctx, key, bytes.NewReader(files[key]), int64(len(files[key]))); err != nil {
				return files, kept, err
			}
			kept++
		}
	}
	return files, kept, nil
}

func (w *world) motifsUsed() []int64 {
	var out []int64
	for id := range w.album.used {
		out = append(out, id)
	}
	slices.Sort(out)
	return out
}
