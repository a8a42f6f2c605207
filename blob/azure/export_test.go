package azure

import (
	"net/url"
	"time"

	"berth.dev/berth/blob"
)

// SignatureOf signs a SAS with fields of the test's choice.
func SignatureOf(a *Account, q url.Values, container, name string) string {
	return a.sign(a.serviceText(q, blob.At{Container: container, Name: name}))
}

// Sign signs any text.
func Sign(a *Account, text string) string { return a.sign(text) }

// SetPatience shortens the time for which a client may stall.
func SetPatience(a *Account, d time.Duration) { a.patience = d }
