package client

import (
	"context"
	"net/url"
	"strings"
	"time"
)

// ActivityQuery selects events of the activity log. An empty text selects all.
type ActivityQuery struct {
	From, To                                               time.Time // both included; To may be zero
	Correlation, Group, Resource, Provider, Caller, Status string
}

func (q ActivityQuery) filter() string {
	parts := []string{"eventTimestamp", "ge", q.From.UTC().Format(time.RFC3339Nano)}
	if !q.To.IsZero() {
		parts = append(parts, "and", "eventTimestamp", "le", q.To.UTC().Format(time.RFC3339Nano))
	}
	for _, one := range []struct{ field, value string }{
		{"correlationId", q.Correlation}, {"resourceGroupName", q.Group}, {"resourceId", q.Resource}, {"resourceProvider", q.Provider},
		{"caller", q.Caller}, {"status", q.Status},
	} {
		if one.value != "" {
			parts = append(parts, "and", one.field, "eq", "'"+strings.ReplaceAll(one.value, "'", "''")+"'")
		}
	}
	return strings.Join(parts, " ")
}

// Activities reads the activity log, the newest event first, until each has got all events or returns false.
func (c *Client) Activities(ctx context.Context, q ActivityQuery, each func(Object) (more bool, err error)) error {
	path := "/subscriptions/" + c.Subscription() + "/providers/Microsoft.Insights/eventtypes/management/values?" +
		url.Values{"api-version": {"2015-04-01"}, "$filter": {q.filter()}}.Encode()
	for path != "" {
		events, next, err := c.page(ctx, path)
		if err != nil {
			return err
		}
		for _, e := range events {
			if more, err := each(e); err != nil || !more {
				return err
			}
		}
		path = next
	}
	return nil
}
