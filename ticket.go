package berth

import "time"

// TicketKind is what a ticket is for.
type TicketKind string

// The kinds of tickets.
const (
	TicketCode    TicketKind = "code"    // of a program that a person signed in for: OAuth's authorization code
	TicketDevice  TicketKind = "device"  // a device that waits until somebody signs in for it
	TicketLink    TicketKind = "link"    // an address of the studio that signs in once
	TicketSession TicketKind = "session" // a sign-in at the studio
)

// Ticket lets its holder in for a short time. Of the text that the holder has it keeps a hash only.
type Ticket struct {
	Hash    string // SHA-256 of the text, in hex
	Kind    TicketKind
	Owner   string    // whose it is: an object id, or the address that began it
	Body    []byte    // JSON, of the kind
	Expires time.Time // in whole seconds; the zero time deletes the ticket
}

// TicketRoom is how many tickets of a kind there may be: of one owner, and of all.
type TicketRoom struct{ One, All int }
