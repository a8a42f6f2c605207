package client

import (
	"context"
	"fmt"
	"time"

	"berth.dev/berth"
)

// checkPatience is how long a check may take: two requests to a cluster that does not answer, and the pause between them.
const checkPatience = time.Minute

// checkRepeat is when to ask again: a check that was under way already does not count.
const checkRepeat = 2 * time.Second

// RequestCheck asks for a check of a compute or a cluster, and returns when the server took the request.
func (c *Client) RequestCheck(ctx context.Context, id berth.ID) (time.Time, error) {
	var asked struct{ RequestedAt time.Time }
	err := c.Post(ctx, Path(id)+"/check", nil, &asked)
	return asked.RequestedAt, err
}

// Check requests a check of a compute or a cluster, waits until it is done, and reads the resource. A second check, some
// seconds later, confirms a transition; Check waits for that too.
func (c *Client) Check(ctx context.Context, id berth.ID) (Object, error) {
	asked, err := c.RequestCheck(ctx, id)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, checkPatience, fmt.Errorf("'%s' was not checked within %v", id.Name(), checkPatience))
	defer cancel()
	for next := time.Now().Add(checkRepeat); ; {
		var got struct {
			Properties struct {
				Health struct {
					CheckedAt  time.Time
					Confirming bool
				}
			}
		}
		if err := c.Get(ctx, Path(id), &got); err != nil {
			return nil, err
		}
		if h := got.Properties.Health; !h.CheckedAt.Before(asked) && !h.Confirming {
			return c.Resource(ctx, id)
		}
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-time.After(firstPoll):
		}
		if time.Now().After(next) {
			if _, err := c.RequestCheck(ctx, id); err != nil {
				return nil, err
			}
			next = time.Now().Add(checkRepeat)
		}
	}
}
