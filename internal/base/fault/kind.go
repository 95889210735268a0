package fault

// Kind classifies a failure. A Kind is itself an error, so errors.Is(err, fault.NotFound) reads well.
type Kind string

// The kinds. Their HTTP status and exit code stand in Table.
const (
	Internal         Kind = "internal"        // a bug or a fault nobody classified
	Failed           Kind = "failed"          // the operation failed; the message says in what state things are
	Usage            Kind = "usage"           // wrong flags or arguments; nothing was done
	Config           Kind = "config"          // the configuration is wrong; nothing was done
	Invalid          Kind = "invalid"         // an input is malformed; nothing was done
	Unauthenticated  Kind = "unauthenticated" // who you are could not be established
	Forbidden        Kind = "forbidden"       // you may not do this
	NotFound         Kind = "not_found"       // it does not exist, or you may not know that it does
	MethodNotAllowed Kind = "method_not_allowed"
	Conflict         Kind = "conflict"     // the state of the thing forbids it
	TooLarge         Kind = "too_large"    // the input exceeds a limit
	Unsupported      Kind = "unsupported"  // the media type is not one we read
	Mismatch         Kind = "mismatch"     // it contradicts what was asked before
	RateLimited      Kind = "rate_limited" // too many requests from this client
	No               Kind = "no"           // the check ran and the answer is no
	Refused          Kind = "refused"      // needs a confirmation, --yes or a terminal
	Busy             Kind = "busy"         // someone else holds it, and the message says who
	Unavailable      Kind = "unavailable"  // an input is unreachable or too old
	Timeout          Kind = "timeout"      // the deadline passed
	Inconclusive     Kind = "inconclusive" // the measurement can't carry a verdict
	NeedsPerson      Kind = "needs_person" // no automatic next step exists
	Canceled         Kind = "canceled"     // interrupted; the operation can be resumed
)

// Error implements error.
func (k Kind) Error() string { return string(k) }

// Mapping is one row of Table.
type Mapping struct {
	Kind   Kind
	Status int    // HTTP status
	Exit   int    // process exit code
	Title  string // RFC 9457 title
}

// Table is the only place that maps a kind to an HTTP status and an exit code.
func Table() []Mapping {
	return []Mapping{
		{Internal, 500, 1, "Internal error"},
		{Failed, 500, 1, "Operation failed"},
		{Usage, 400, 2, "Wrong usage"},
		{Config, 500, 2, "Wrong configuration"},
		{Invalid, 400, 2, "Invalid input"},
		{Unauthenticated, 401, 1, "Not authenticated"},
		{Forbidden, 403, 1, "Forbidden"},
		{NotFound, 404, 1, "Not found"},
		{MethodNotAllowed, 405, 2, "Method not allowed"},
		{Conflict, 409, 1, "Conflict"},
		{TooLarge, 413, 2, "Too large"},
		{Unsupported, 415, 2, "Unsupported media type"},
		{Mismatch, 422, 2, "Contradicts an earlier request"},
		{RateLimited, 429, 5, "Too many requests"},
		{No, 409, 3, "The answer is no"},
		{Refused, 403, 4, "Refused"},
		{Busy, 409, 5, "Busy"},
		{Unavailable, 503, 6, "Unavailable"},
		{Timeout, 504, 1, "Timed out"},
		{Inconclusive, 409, 7, "Inconclusive"},
		{NeedsPerson, 409, 8, "Needs a person"},
		{Canceled, 499, 130, "Interrupted"},
	}
}

// Lookup returns the row of k, or Internal's for a kind that is not in Table.
func Lookup(k Kind) Mapping {
	rows := Table()
	for _, m := range rows {
		if m.Kind == k {
			return m
		}
	}
	return rows[0]
}

// Exit is one row of the exit-code table that every command's help repeats.
type Exit struct {
	Code    int    `json:"code"`
	Meaning string `json:"meaning"`
}

// Exits is the exit-code table.
func Exits() []Exit {
	return []Exit{
		{0, "done"},
		{1, "failed, and the message says in what state"},
		{2, "usage or configuration, nothing was done"},
		{3, "the check ran and the answer is no"},
		{4, "refused: needs confirmation, --yes or a terminal"},
		{5, "busy: someone else holds it, and who"},
		{6, "an input is unreachable or too old"},
		{7, "inconclusive or invalid measurement"},
		{8, "needs a person"},
		{130, "interrupted, resumable"},
	}
}
