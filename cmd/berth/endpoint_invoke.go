package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"berth.dev/berth/client"
)

func (c *cli) endpointInvoke() *cobra.Command {
	var file, deployment string
	cmd := c.onEndpoint("invoke", "Call an online endpoint and show its answer", func(ctx context.Context, cl *client.Client, w *where) error {
		if file == "" {
			return usage("the following arguments are required: --request-file/-r")
		}
		body, err := os.ReadFile(file)
		if err != nil {
			return fmt.Errorf("the data for the endpoint cannot be read: %w", err)
		}
		endpoint, err := cl.GetEndpoint(ctx, w.space(), w.name)
		if err != nil {
			return err
		}
		uri := str(endpoint, "properties", "scoringUri")
		if uri == "" {
			return fmt.Errorf("the endpoint %s has no address yet: it is %s", w.name, str(endpoint, "properties", "provisioningState"))
		}
		_, key, err := credentials(ctx, cl, w)
		if err != nil {
			return err
		}
		answer, err := cl.Score(ctx, client.ScoreRequest{URI: uri, Key: key, Body: body, Deployment: deployment})
		if err != nil {
			return err
		}
		if answer.Status >= http.StatusMultipleChoices {
			return refusedScore(answer)
		}
		c.note("The deployment %s answered in %.3f s.", answer.Header.Get("azureml-model-deployment"), answer.Seconds)
		return c.emitAnswer(answer)
	})
	cmd.Example = "  berth ml online-endpoint invoke -n myendpoint -r request.json"
	cmd.Flags().StringVarP(&file, "request-file", "r", "", "file with the request")
	cmd.Flags().StringVarP(&deployment, "deployment-name", "d", "", "deployment that answers (default: one by the traffic)")
	return cmd
}

// refusedScore is an answer that tells of a failure, as an error.
func refusedScore(answer client.Scored) error {
	if answer.Reason != "" {
		return fmt.Errorf("the endpoint answered %d %s after %.3f s: %s", answer.Status, http.StatusText(answer.Status), answer.Seconds,
			answer.Reason)
	}
	return fmt.Errorf("the model answered %d %s after %.3f s: %s", answer.Status, http.StatusText(answer.Status), answer.Seconds,
		strings.TrimSpace(fmt.Sprintf("%.2000s", answer.Body)))
}
