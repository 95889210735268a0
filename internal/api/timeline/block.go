package timeline

import (
	"context"

	"github.com/platctl/platctl/internal/api/account"
	"github.com/platctl/platctl/internal/api/postgres/db"
	"github.com/platctl/platctl/internal/base/fault"
)

type blockStore interface {
	BlockUser(ctx context.Context, arg db.BlockUserParams) (db.BlockUserRow, error)
	UnblockUser(ctx context.Context, arg db.UnblockUserParams) (db.UnblockUserRow, error)
	ListBlocks(ctx context.Context, arg db.ListBlocksParams) ([]db.ListBlocksRow, error)
}

// Block hides viewer and other from each other and ends their follows. Somebody who has blocked the viewer first is absent
// here too: whether they did must not show.
func (s *Service) Block(ctx context.Context, viewer, other int64) (account.Person, error) {
	if viewer == other {
		return account.Person{}, selfBlock()
	}
	u, err := s.store.BlockUser(ctx, db.BlockUserParams{ViewerID: viewer, OtherID: other})
	return account.Person(u), outcome("block", err, aPerson)
}

// Unblock takes the viewer's block back. The two see each other again unless other blocks viewer.
func (s *Service) Unblock(ctx context.Context, viewer, other int64) (account.Person, error) {
	if viewer == other {
		return account.Person{}, selfBlock()
	}
	u, err := s.store.UnblockUser(ctx, db.UnblockUserParams{ViewerID: viewer, OtherID: other})
	return account.Person(u), outcome("unblock", err, aPerson)
}

func selfBlock() error {
	return fault.New(fault.Conflict, "you can't block yourself").WithCode("self_block")
}

// Blocks returns whom viewer blocks, newest account first.
func (s *Service) Blocks(ctx context.Context, viewer int64, at Slice) (Page[account.Person], error) {
	rows, err := s.store.ListBlocks(ctx, db.ListBlocksParams{ViewerID: viewer, BeforeID: at.Cursor, PageSize: at.Fetch()})
	return peoplePage(rows, at), fault.Op("list blocks", err)
}
