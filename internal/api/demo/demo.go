// Package demo fills an empty database with a small, deterministic community, so that a newcomer has something to look at.
//
// Invariant: it writes only where there are no users at all, in one transaction; a database with people in it is never
// touched.
package demo

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/platctl/platctl/internal/api/postgres/db"
	"github.com/platctl/platctl/internal/base/fault"
)

// The demo account.
const (
	Handle   = "demo"
	Password = "demo-market-1"
)

// Hasher makes the stored form of a password.
type Hasher interface {
	Hash(ctx context.Context, password string) (string, error)
}

// Seed writes the demo community where the database is empty, and says whether it did.
func Seed(ctx context.Context, pool *pgxpool.Pool, hasher Hasher) (bool, error) {
	if full, err := db.New(pool).HasUsers(ctx); err != nil || full {
		return false, fault.Op("seed demo data", err)
	}
	hash, err := hasher.Hash(ctx, Password)
	if err != nil {
		return false, fault.Op("seed demo data", err)
	}
	err = pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		q := db.New(tx)
		people, err := q.SeedUsers(ctx, users(hash))
		if err != nil {
			return err
		}
		if err := q.SeedFollows(ctx, follows(people)); err != nil {
			return err
		}
		if err := q.SeedPosts(ctx, posts(people)); err != nil {
			return err
		}
		farms, err := q.SeedFarms(ctx, farmNames())
		if err != nil {
			return err
		}
		return q.SeedProducts(ctx, products(farms))
	})
	return err == nil, fault.Op("seed demo data", err)
}

func users(hash string) db.SeedUsersParams {
	return db.SeedUsersParams{
		Handles: []string{Handle, "ana_orchard", "ben_bakes", "chloe", "dario", "elif_garden", "finn", "greta_goats", "hugo",
			"ines", "jonas_bees", "kaja"},
		DisplayNames: []string{"Demo", "Ana Orchard", "Ben Bakes", "Chloé Martin", "Dario Rossi", "Elif Aydın", "Finn O'Hara",
			"Greta Berg", "Hugo Lind", "Inês Silva", "Jonas Imker", "Kaja Nowak"},
		PasswordHash: hash,
	}
}

// follows makes the demo account follow everybody, and everybody the three people after them.
func follows(people []int64) db.SeedFollowsParams {
	var p db.SeedFollowsParams
	for i, a := range people {
		for d := 1; d < len(people); d++ {
			if i == 0 || d <= 3 {
				p.Followers = append(p.Followers, a)
				p.Followees = append(p.Followees, people[(i+d)%len(people)])
			}
		}
	}
	return p
}

func posts(people []int64) db.SeedPostsParams {
	what := []string{"The first %s of the year are in.", "Who else is at the market on Saturday? We bring %s.",
		"Rain all week, but the %s love it.", "Tried roasting %s with honey. Do it.", "Sold out of %s before ten!"}
	crops := cropNames()
	var p db.SeedPostsParams
	const total = 60
	for i := range total {
		p.Authors = append(p.Authors, people[(i*7+1)%len(people)])
		p.Bodies = append(p.Bodies, fmt.Sprintf(what[i%len(what)], crops[(i*5)%len(crops)].plural))
		p.MinutesAgo = append(p.MinutesAgo, int32((total-i)*37))
	}
	return p
}

func farmNames() []string {
	return []string{"Hill Orchard", "Blue Gate Farm", "Willow Creek", "Sonnenhof", "Quinta Velha", "Goat & Clover"}
}

func products(farms []int64) db.SeedProductsParams {
	var p db.SeedProductsParams
	for i, farm := range farms {
		for j, c := range cropNames() {
			if (i+j)%2 == 1 {
				continue
			}
			p.Farms = append(p.Farms, farm)
			p.Names = append(p.Names, c.name)
			p.Descriptions = append(p.Descriptions, "Picked the day before market.")
			p.Categories = append(p.Categories, c.category)
			p.Prices = append(p.Prices, c.price+int64(i*10))
			p.Units = append(p.Units, c.unit)
			p.Stock = append(p.Stock, int64(20+i*7+j))
		}
	}
	return p
}

type crop struct {
	name, plural, category, unit string
	price                        int64
}

func cropNames() []crop {
	return []crop{
		{"Cox apples", "apples", "fruit", "kg", 320}, {"Plums", "plums", "fruit", "kg", 410},
		{"Rye bread", "rye loaves", "bakery", "piece", 480}, {"Goat cheese", "goat cheeses", "dairy", "100 g", 350},
		{"Chard", "chard leaves", "vegetables", "bunch", 260}, {"Tomatoes", "tomatoes", "vegetables", "kg", 390},
		{"Honey", "honey jars", "pantry", "500 g", 890}, {"Eggs", "eggs", "dairy", "dozen", 420},
		{"Pumpkins", "pumpkins", "vegetables", "piece", 550}, {"Walnuts", "walnuts", "pantry", "kg", 1150},
		{"Garlic", "garlic bulbs", "vegetables", "bunch", 310}, {"Pears", "pears", "fruit", "kg", 360},
		{"Beetroot", "beetroots", "vegetables", "kg", 240}, {"Butter", "butter rolls", "dairy", "250 g", 470},
		{"Apple juice", "juice bottles", "pantry", "l", 330},
	}
}
