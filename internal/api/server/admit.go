package server

import (
	"net/http"

	"github.com/platctl/platctl/internal/api/admission"
	"github.com/platctl/platctl/internal/api/httpapi"
)

// The size of the doorway. A request holds at most one connection at a time and works beside it, so two slots a
// connection keep the pool busy; twice as many may wait, none longer than Patience.Queue.
const (
	slotsPerConn = 2
	queuePerSlot = 2
)

// class says how important an operation is when not all can be served, and whether it needs a slot at all: health and the public keys
// do no I/O, and hashing has a bounded queue of its own (holding a slot there would let a flood of logins starve
// everybody else).
func class(route string) (c admission.Class, needsSlot bool) {
	switch route {
	case "picture": // a file, no connection
		return admission.Normal, false
	case "getHealth", "getReady", "getSigningKeys", "signup", "login", "changePassword", "changeEmail", "deleteMe", "restoreAccount",
		"exportMe":
		return admission.Critical, false
	case "refreshSession", "logout", "placeOrder", "confirmOrder", "readyOrder", "completeOrder", "cancelOrder":
		return admission.Critical, true // an order that has begun is finished
	case "banUser", "removePost", "removeComment", "resolveReport": // a flood of spam must not shut out who ends it
		return admission.Critical, true
	case "portal", "none", "searchPeople", "listModerationLog":
		return admission.Bulk, true
	}
	return admission.Normal, true
}

func (s *Server) admit(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, needsSlot := class(s.route(r))
		if !needsSlot || s.streams(r) { // uploads have places of their own: a slow client must not hold a slot
			next.ServeHTTP(w, r)
			return
		}
		release, err := s.admission.Acquire(r.Context(), c)
		if err != nil {
			httpapi.WriteProblem(r.Context(), w, s.log, err)
			return
		}
		defer release()
		next.ServeHTTP(w, r)
	})
}
