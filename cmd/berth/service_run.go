package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"berth.dev/berth/client"
)

func (c *cli) serviceRun() *cobra.Command {
	var data string
	cmd := c.onService("run", "Call a service and show its answer", func(ctx context.Context, cl *client.Client, w *where) error {
		body := []byte(data)
		if file, isFile := strings.CutPrefix(data, "@"); isFile {
			text, err := os.ReadFile(file)
			if err != nil {
				return fmt.Errorf("the data for the service cannot be read: %w", err)
			}
			body = text
		}
		if len(body) == 0 {
			return usage("the following arguments are required: --input-data/-d")
		}
		answer, err := callService(ctx, cl, w.space(), w.name, body)
		if err != nil {
			if answer.Reason != "" && len(answer.Body) > 0 {
				c.note("The service answered: %s", strings.TrimSpace(fmt.Sprintf("%.2000s", answer.Body)))
			}
			return err
		}
		c.note("The service answered in %.3f s.", answer.Seconds)
		return c.emitAnswer(answer)
	})
	cmd.Example = "  berth ml service run -n myservice -d '{\"data\": [[1, 2, 3]]}'\n  berth ml service run -n myservice -d @request.json"
	cmd.Flags().StringVarP(&data, "input-data", "d", "", "what to send, or @FILE with it")
	return cmd
}

// callService sends a request to a service, with its key if it takes one. A refusal is an error.
func callService(ctx context.Context, cl *client.Client, in client.WorkspaceName, name string, body []byte) (client.Scored, error) {
	service, err := cl.GetService(ctx, in, name)
	if err != nil {
		return client.Scored{}, err
	}
	uri := str(service, "scoringUri")
	if uri == "" {
		return client.Scored{}, fmt.Errorf("the service %s has no address yet: it is %s. `berth ml service show -n %s` says more", name,
			str(service, "state"), name)
	}
	key, err := credentialOf(ctx, cl, in, service)
	if err != nil {
		return client.Scored{}, err
	}
	answer, err := cl.Score(ctx, client.ScoreRequest{URI: uri, Key: key, Body: body})
	if err != nil || answer.Status < http.StatusMultipleChoices {
		return answer, err
	}
	if answer.Reason != "" {
		return answer, fmt.Errorf("the service answered %d %s after %.3f s: %s", answer.Status, http.StatusText(answer.Status), answer.Seconds,
			answer.Reason)
	}
	return answer, fmt.Errorf("the model answered %d %s after %.3f s: %s", answer.Status, http.StatusText(answer.Status), answer.Seconds,
		strings.TrimSpace(fmt.Sprintf("%.2000s", answer.Body)))
}

// credentialOf is the key or the token that a service takes; empty if it takes every request.
func credentialOf(ctx context.Context, cl *client.Client, in client.WorkspaceName, service client.Object) (string, error) {
	name := str(service, "name")
	switch {
	case service["authEnabled"] == true:
		keys, err := cl.ServiceKeys(ctx, in, name)
		return keys.Primary, err
	case service["aadAuthEnabled"] == true:
		token, err := cl.ServiceToken(ctx, in, name)
		return token.Value, err
	}
	return "", nil
}

// emitAnswer shows what a model answered: as JSON if it is, else as it is.
func (c *cli) emitAnswer(answer client.Scored) error {
	var v any
	if json.Unmarshal(answer.Body, &v) == nil {
		return c.emit(v, nil)
	}
	return c.raw(string(answer.Body))
}
