package server_test

import (
	"errors"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/platctl/platctl/internal/api/apitest"
	"github.com/platctl/platctl/internal/api/openapi/client"
	"github.com/platctl/platctl/internal/api/server"
)

// exactTotals makes every list count anew.
func exactTotals(o *server.Options) { o.Market.TotalAge = -1 }

// farmOf opens a farm and returns its id.
func farmOf(t testing.TB, c *client.Client, name string) client.FarmId {
	t.Helper()
	f, err := c.CreateFarm(t.Context(), &client.CreateFarmRequest{Name: name})
	if err != nil {
		t.Fatal(err)
	}
	return f.Data.ID
}

// offer puts something in the catalogue.
func offer(t testing.TB, c *client.Client, farm client.FarmId, name string, price, available int64) client.Product {
	t.Helper()
	p, err := c.CreateProduct(t.Context(), &client.CreateProductRequest{
		Name: name, Category: "fruit", Price: price, Unit: "kg", Available: client.NewOptInt64(available),
	}, client.CreateProductParams{ID: farm})
	if err != nil {
		t.Fatal(err)
	}
	return p.Data
}

func enlist(t testing.TB, owner *client.Client, farm client.FarmId, who client.Session, role client.FarmRole) error {
	t.Helper()
	_, err := owner.SetFarmMember(t.Context(), &client.SetFarmMemberRequest{Role: role}, client.SetFarmMemberParams{ID: farm, User: who.User.ID})
	return err
}

func TestFarms(t *testing.T) {
	t.Parallel()
	env := apitest.New(t)
	ctx := t.Context()
	_, a := env.Signup("ana")
	_, b := env.Signup("ben")
	f, err := a.CreateFarm(ctx, &client.CreateFarmRequest{
		Name: "  Hill Orchard ", Description: client.NewOptString("Old trees."), Currency: client.NewOptString("CHF"),
	})
	if err != nil || f.Data.Name != "Hill Orchard" || f.Data.Currency != "CHF" {
		t.Fatalf("%+v, %v", f, err)
	}
	for name, code := range map[string]string{"HILL ORCHARD": "farm_name_taken", " ": "invalid_input", "Two\nlines": "invalid_input", "NU\x00L": "invalid_input"} {
		status := 400
		if code == "farm_name_taken" {
			status = 409
		}
		_, err := b.CreateFarm(ctx, &client.CreateFarmRequest{Name: name})
		wantProblem(t, err, status, code)
	}
	_, err = b.CreateFarm(ctx, &client.CreateFarmRequest{Name: "No Money", Currency: client.NewOptString("ZZQ")})
	wantProblem(t, err, 400, "invalid_input")
	seen, err := env.Client("").GetFarm(ctx, client.GetFarmParams{ID: f.Data.ID})
	if err != nil || seen.Data != f.Data {
		t.Errorf("for everybody it is %+v, %v; want %+v", seen, err, f.Data)
	}
	_, err = env.Client("").GetFarm(ctx, client.GetFarmParams{ID: "farm_zzzzzzzzzzz"})
	wantProblem(t, err, 404, "not_found")
	changed, err := a.UpdateFarm(ctx, &client.UpdateFarmRequest{Description: client.NewOptString("")}, client.UpdateFarmParams{ID: f.Data.ID})
	if err != nil || changed.Data.Description != "" || changed.Data.Name != "Hill Orchard" {
		t.Errorf("%+v, %v", changed, err)
	}
	farmOf(t, b, "Blue Creek")
	_, err = a.UpdateFarm(ctx, &client.UpdateFarmRequest{Name: client.NewOptString("blue creek")}, client.UpdateFarmParams{ID: f.Data.ID})
	wantProblem(t, err, 409, "farm_name_taken")
	farmOf(t, a, "Second")
	mine, err := a.ListMyFarms(ctx, client.ListMyFarmsParams{})
	if err != nil || len(mine.Data) != 2 || mine.Data[0].Name != "Second" || mine.Data[1].Role != client.FarmRoleOwner {
		t.Errorf("%+v, %v", mine, err)
	}
}

// Owners choose who acts for a farm, members act for it, everybody else does neither, and an owner stays.
func TestFarmMembers(t *testing.T) {
	t.Parallel()
	env := apitest.New(t)
	ctx := t.Context()
	ana, a := env.Signup("ana")
	ben, b := env.Signup("ben")
	_, c := env.Signup("carl")
	farm := farmOf(t, a, "Hill Orchard")
	remove := func(as *client.Client, who client.Session) error {
		return as.RemoveFarmMember(ctx, client.RemoveFarmMemberParams{ID: farm, User: who.User.ID})
	}
	rename := func(as *client.Client) error {
		_, err := as.UpdateFarm(ctx, &client.UpdateFarmRequest{Name: client.NewOptString("Renamed")}, client.UpdateFarmParams{ID: farm})
		return err
	}
	wantProblem(t, enlist(t, a, farm, ana, client.FarmRoleMember), 409, "last_owner")
	wantProblem(t, remove(a, ana), 409, "last_owner")
	wantProblem(t, remove(a, ben), 404, "not_found")
	wantProblem(t, rename(b), 403, "not_a_member")
	if err := enlist(t, a, farm, ben, client.FarmRoleMember); err != nil {
		t.Fatal(err)
	}
	wantProblem(t, rename(b), 403, "owners_only")
	wantProblem(t, enlist(t, b, farm, ben, client.FarmRoleOwner), 403, "owners_only")
	wantProblem(t, remove(b, ana), 403, "owners_only")
	offer(t, b, farm, "Plums", 250, 3)
	_, err := c.ListFarmMembers(ctx, client.ListFarmMembersParams{ID: farm})
	wantProblem(t, err, 403, "not_a_member")
	// A block hides no member: whoever acts for the farm can be seen, and removed, by its owner.
	if _, err := b.BlockUser(ctx, client.BlockUserParams{ID: ana.User.ID}); err != nil {
		t.Fatal(err)
	}
	members, err := a.ListFarmMembers(ctx, client.ListFarmMembersParams{ID: farm, Limit: client.NewOptInt32(1)})
	if err != nil || len(members.Data) != 1 || members.Data[0].User.Handle != "ben" || members.Data[0].Role != client.FarmRoleMember || members.Meta.NextCursor.Null {
		t.Errorf("%+v, %v", members, err)
	}
	if err := enlist(t, a, farm, ben, client.FarmRoleOwner); err != nil {
		t.Fatal(err)
	}
	if err := remove(b, ana); err != nil {
		t.Fatal(err)
	}
	wantProblem(t, rename(a), 403, "not_a_member")
	wantProblem(t, enlist(t, b, farm, ana, client.FarmRoleMember), 404, "not_found") // hidden, and no member any more
	wantProblem(t, remove(b, ben), 409, "last_owner")
	_, err = a.SetFarmMember(ctx, &client.SetFarmMemberRequest{Role: "owner"}, client.SetFarmMemberParams{ID: "farm_zzzzzzzzzzz", User: ana.User.ID})
	wantProblem(t, err, 404, "not_found")
}

// Two owners who leave at the same moment: one of them stays.
func TestAFarmKeepsAnOwner(t *testing.T) {
	t.Parallel()
	env := apitest.New(t)
	ana, a := env.Signup("ana")
	ben, b := env.Signup("ben")
	for round := range 5 {
		farm := farmOf(t, a, "Farm "+strings.Repeat("I", round+1))
		if err := enlist(t, a, farm, ben, client.FarmRoleOwner); err != nil {
			t.Fatal(err)
		}
		errs := make([]error, 2)
		var wg sync.WaitGroup
		for i, as := range []*client.Client{a, b} {
			wg.Go(func() {
				errs[i] = as.RemoveFarmMember(t.Context(), client.RemoveFarmMemberParams{ID: farm, User: []client.Session{ana, ben}[i].User.ID})
			})
		}
		wg.Wait()
		if (errs[0] == nil) == (errs[1] == nil) {
			t.Fatalf("both or neither left: %v", errs)
		}
		wantProblem(t, errors.Join(errs...), 409, "last_owner")
	}
}

func TestProducts(t *testing.T) {
	t.Parallel()
	env := apitest.New(t)
	ctx := t.Context()
	ana, a := env.Signup("ana")
	_, b := env.Signup("ben")
	farm := farmOf(t, a, "Hill Orchard")
	p := offer(t, a, farm, " Plums ", 250, 20)
	if p.Name != "Plums" || p.Currency != "EUR" || p.Farm.ID != farm || p.Available != 20 {
		t.Errorf("%+v", p)
	}
	// Whoever is blocked by the owner sees the farm and what it sells all the same.
	if _, err := b.BlockUser(ctx, client.BlockUserParams{ID: ana.User.ID}); err != nil {
		t.Fatal(err)
	}
	if seen, err := b.GetProduct(ctx, client.GetProductParams{ID: p.ID}); err != nil || !reflect.DeepEqual(seen.Data, p) {
		t.Errorf("%+v, %v", seen, err)
	}
	change := &client.UpdateProductRequest{Price: client.NewOptInt64(300), Category: client.NewOptCategory("stone-fruit"), Unit: client.NewOptString("box")}
	_, err := b.UpdateProduct(ctx, change, client.UpdateProductParams{ID: p.ID})
	wantProblem(t, err, 403, "not_a_member")
	changed, err := a.UpdateProduct(ctx, change, client.UpdateProductParams{ID: p.ID})
	if err != nil || changed.Data.Price != 300 || changed.Data.Category != "stone-fruit" || changed.Data.Name != "Plums" || changed.Data.Unit != "box" {
		t.Errorf("%+v, %v", changed, err)
	}
	_, err = a.UpdateProduct(ctx, &client.UpdateProductRequest{Name: client.NewOptString("\t")}, client.UpdateProductParams{ID: p.ID})
	wantProblem(t, err, 400, "invalid_input")
	if err := a.ArchiveProduct(ctx, client.ArchiveProductParams{ID: p.ID}); err != nil {
		t.Fatal(err)
	}
	_, err = b.GetProduct(ctx, client.GetProductParams{ID: p.ID})
	wantProblem(t, err, 404, "not_found")
	wantProblem(t, a.ArchiveProduct(ctx, client.ArchiveProductParams{ID: p.ID}), 404, "not_found")
	_, err = a.AdjustStock(ctx, &client.AdjustStockRequest{Change: 1}, client.AdjustStockParams{ID: p.ID})
	wantProblem(t, err, 404, "not_found")
}

// Setting the stock is about what was seen, adjusting it about what is there.
func TestStock(t *testing.T) {
	t.Parallel()
	env := apitest.New(t)
	ctx := t.Context()
	_, a := env.Signup("ana")
	p := offer(t, a, farmOf(t, a, "Hill Orchard"), "Plums", 250, 20)
	set := func(available, expected int64) (*client.ProductResponse, error) {
		return a.SetStock(ctx, &client.SetStockRequest{Available: available, Expected: expected}, client.SetStockParams{ID: p.ID})
	}
	adjust := func(by int64) (*client.ProductResponse, error) {
		return a.AdjustStock(ctx, &client.AdjustStockRequest{Change: by}, client.AdjustStockParams{ID: p.ID})
	}
	if r, err := set(12, 20); err != nil || r.Data.Available != 12 {
		t.Errorf("%+v, %v", r, err)
	}
	_, err := set(15, 20)
	wantProblem(t, err, 409, "stock_changed")
	if problem := new(client.ProblemStatusCode); !errors.As(err, &problem) || len(problem.Response.Errors) != 1 || problem.Response.Errors[0].Message != "12 in stock" {
		t.Errorf("the answer does not say what is in stock: %+v", problem)
	}
	if r, err := adjust(-12); err != nil || r.Data.Available != 0 {
		t.Errorf("%+v, %v", r, err)
	}
	_, err = adjust(-1)
	wantProblem(t, err, 409, "out_of_stock")
	if r, err := adjust(1_000_000_000); err != nil || r.Data.Available != 1_000_000_000 {
		t.Errorf("%+v, %v", r, err)
	}
	_, err = adjust(1)
	wantProblem(t, err, 409, "too_much_stock")
	var wg sync.WaitGroup
	for range 20 { // adjustments add up, whoever is first
		wg.Go(func() {
			if _, err := adjust(-5); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if r, err := a.GetProduct(ctx, client.GetProductParams{ID: p.ID}); err != nil || r.Data.Available != 1_000_000_000-100 {
		t.Errorf("%+v, %v", r, err)
	}
}

// Each filter finds what it says, alone and with others, and nothing twice on any way through the pages.
func TestCatalogueFilters(t *testing.T) {
	t.Parallel()
	env := apitest.New(t, exactTotals)
	_, a := env.Signup("ana")
	hill, creek := farmOf(t, a, "Hill Orchard"), farmOf(t, a, "Blue Creek")
	offer(t, a, hill, "Cox apples", 320, 5)
	offer(t, a, hill, "Apple juice", 330, 0)
	offer(t, a, creek, "Red apples", 250, 7)
	offer(t, a, creek, "Plums", 410, 9)
	if _, err := env.Pool.Exec(t.Context(), "update products set category = 'pantry' where name = 'Apple juice'"); err != nil {
		t.Fatal(err)
	}
	if err := a.ArchiveProduct(t.Context(), client.ArchiveProductParams{ID: offer(t, a, hill, "Old apples", 100, 5).ID}); err != nil {
		t.Fatal(err)
	}
	i64, text := client.NewOptInt64, client.NewOptString
	for name, c := range map[string]struct {
		params client.ListProductsParams
		want   string
	}{
		"everything":          {client.ListProductsParams{}, "Plums, Red apples, Apple juice, Cox apples"},
		"a word":              {client.ListProductsParams{Q: text("apples")}, "Red apples, Cox apples"},
		"beginnings of words": {client.ListProductsParams{Q: text("APP co")}, "Cox apples"},
		"no word at all":      {client.ListProductsParams{Q: text("!?")}, ""},
		"operators":           {client.ListProductsParams{Q: text("apples & !cox | (")}, "Cox apples"},
		"a category":          {client.ListProductsParams{Category: client.NewOptCategory("pantry")}, "Apple juice"},
		"a farm":              {client.ListProductsParams{Farm: client.NewOptFarmId(creek)}, "Plums, Red apples"},
		"nobody's farm":       {client.ListProductsParams{Farm: client.NewOptFarmId("farm_zzzzzzzzzzz")}, ""},
		"a price range":       {client.ListProductsParams{MinPrice: i64(251), MaxPrice: i64(330)}, "Apple juice, Cox apples"},
		"an empty range":      {client.ListProductsParams{MinPrice: i64(400), MaxPrice: i64(300)}, ""},
		"free":                {client.ListProductsParams{MaxPrice: i64(0)}, ""},
		"in stock":            {client.ListProductsParams{InStock: client.NewOptBool(true)}, "Plums, Red apples, Cox apples"},
		"a farm's category": {client.ListProductsParams{Farm: client.NewOptFarmId(hill), Category: client.NewOptCategory("fruit")},
			"Cox apples"},
		"words of a farm":    {client.ListProductsParams{Q: text("apple"), Farm: client.NewOptFarmId(hill)}, "Apple juice, Cox apples"},
		"words, all filters": {client.ListProductsParams{Q: text("apple"), Farm: client.NewOptFarmId(hill), Category: client.NewOptCategory("fruit"), MinPrice: i64(320), MaxPrice: i64(320), InStock: client.NewOptBool(true)}, "Cox apples"},
		"a category's range": {client.ListProductsParams{Category: client.NewOptCategory("fruit"), MinPrice: i64(300)}, "Plums, Cox apples"},
	} {
		byPage := walk(t, env, c.params, func(p *client.ListProductsParams, _ *client.ProductListResponse) { p.Page.SetTo(p.Page.Value + 1) })
		byCursor := walk(t, env, c.params, func(p *client.ListProductsParams, r *client.ProductListResponse) {
			p.Page.Reset()
			p.Cursor.SetTo(r.Meta.NextCursor.Value)
		})
		if byPage != c.want || byCursor != c.want {
			t.Errorf("%s: by page %q, by cursor %q; want %q", name, byPage, byCursor, c.want)
		}
	}
}

// walk reads a list to its end, one product a page, and returns the names.
func walk(t *testing.T, env *apitest.Env, params client.ListProductsParams, next func(*client.ListProductsParams, *client.ProductListResponse)) string {
	t.Helper()
	var names []string
	params.Page, params.Limit = client.NewOptInt32(1), client.NewOptInt32(1)
	for {
		res, err := env.Client("").ListProducts(t.Context(), params)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range res.Data {
			if slices.Contains(names, p.Name) || len(names) > 10 {
				t.Fatalf("%s is on two pages: %v", p.Name, names)
			}
			names = append(names, p.Name)
		}
		if res.Meta.NextCursor.Null {
			if int64(len(names)) != res.Meta.Total {
				t.Errorf("%v; meta.total is %d", names, res.Meta.Total)
			}
			return strings.Join(names, ", ")
		}
		next(&params, res)
	}
}

// The Link header leads through a filtered list to its end; what is wrong about a place is said.
func TestCatalogueLinks(t *testing.T) {
	t.Parallel()
	env := apitest.New(t)
	_, a := env.Signup("ana")
	farm := farmOf(t, a, "Hill Orchard")
	for _, name := range []string{"Plums", "Pears", "Apples & pears", "Quinces"} {
		offer(t, a, farm, name, 250, 20)
	}
	path, pages := "/api/v1/products?q=p&inStock=true&minPrice=0&maxPrice=300&category=fruit&limit=1&farm="+string(farm), 0
	for path != "" {
		res, err := env.HTTP.Get(env.URL + path)
		if err != nil || res.StatusCode != http.StatusOK {
			t.Fatal(path, res, err)
		}
		_ = res.Body.Close()
		pages++
		link := res.Header.Get("Link")
		if path = strings.TrimSuffix(strings.TrimPrefix(link, "<"), `>; rel="next"`); path == link && link != "" {
			t.Fatalf("Link: %s", link)
		}
	}
	if pages != 3 {
		t.Errorf("the links led through %d pages, want 3", pages)
	}
	first, err := a.ListProducts(t.Context(), client.ListProductsParams{Limit: client.NewOptInt32(1)})
	if err != nil {
		t.Fatal(err)
	}
	_, err = a.ListProducts(t.Context(), client.ListProductsParams{Page: client.NewOptInt32(2), Cursor: client.NewOptString(first.Meta.NextCursor.Value)})
	wantProblem(t, err, 400, "page_and_cursor")
	_, err = a.ListProducts(t.Context(), client.ListProductsParams{Cursor: client.NewOptString("junk")})
	wantProblem(t, err, 400, "bad_cursor")
	for _, q := range []string{"?category=Fruit", "?minPrice=-1", "?maxPrice=x", "?inStock=maybe", "?farm=prod_zzzzzzzzzzz", "?q="} {
		if code, body := get(t, env, "/api/v1/products"+q); code != http.StatusBadRequest {
			t.Errorf("%s: %d %s", q, code, body)
		}
	}
}
