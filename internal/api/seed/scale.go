package seed

import (
	"strings"

	"github.com/platctl/platctl/internal/base/fault"
)

// Scale is how much is made. Follows, likes, comments and notifications are aimed at, not hit exactly; the plan of a
// dataset says how many there are.
type Scale struct {
	Name          string
	Users         int
	Posts         int
	Follows       int
	Likes         int
	Comments      int
	Notifications int
	Blocks        int
	Farms         int
	Products      int // of each farm
	Orders        int
}

// Scales lists the sizes from small to large.
func Scales() []Scale {
	return []Scale{
		{Name: "demo", Users: 12, Posts: 60, Follows: 33, Likes: 90, Comments: 40, Notifications: 100, Farms: 6, Products: 8, Orders: 100},
		{Name: "small", Users: 1_000, Posts: 20_000, Follows: 30_000, Likes: 17_000, Comments: 7_000, Notifications: 24_000,
			Blocks: 50, Farms: 40, Products: 75, Orders: 4_000},
		{Name: "medium", Users: 20_000, Posts: 600_000, Follows: 900_000, Likes: 500_000, Comments: 200_000,
			Notifications: 700_000, Blocks: 1_000, Farms: 2_000, Products: 100, Orders: 120_000},
		{Name: "large", Users: 100_000, Posts: 3_000_000, Follows: 4_500_000, Likes: 2_500_000, Comments: 1_000_000,
			Notifications: 3_500_000, Blocks: 5_000, Farms: 10_000, Products: 100, Orders: 600_000},
	}
}

// ScaleNamed looks a size up.
func ScaleNamed(name string) (Scale, error) {
	var names []string
	for _, s := range Scales() {
		if s.Name == name {
			return s, nil
		}
		names = append(names, s.Name)
	}
	return Scale{}, fault.New(fault.Usage, "there is no scale %q", name).WithHint("--scale is one of %s", strings.Join(names, ", "))
}
